"""The switches that stop opening, and closing, for one user or for everybody."""
