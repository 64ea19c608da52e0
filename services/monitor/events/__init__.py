"""Facts that the monitor follows and tells, a module a concern."""
