"""Prices that may trigger: each venue's feed, checked, with a second source where one is needed."""
