"""Bybit v5 linear contracts, as its answers are read."""
