"""A service whose second migration fails."""
