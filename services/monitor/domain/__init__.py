"""What the monitor decides, without any I/O: what is followed, what a price triggers, what becomes of an intent."""
