"""The half of the door that places orders. Only the monitor may import it."""
