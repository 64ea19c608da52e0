"""Binance USD-M futures, as its answers are read."""
