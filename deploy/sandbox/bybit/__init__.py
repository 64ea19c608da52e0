"""Bybit v5's dialect (linear contracts): REST, public and private streams, its return codes."""
