"""The positions service as the monitor needs it, over its stubs."""
