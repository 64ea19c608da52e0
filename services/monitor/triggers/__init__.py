"""Which positions are followed, and what a price makes of them."""
