"""Carrying what was written down before it was done: orders that close, and orders that open.

Knows neither: a row is taken over, stepped on and reported of in the same way whatever its order is for.
"""
