"""The rules of accounts and positions: frozen values and functions, nothing that waits or writes."""
