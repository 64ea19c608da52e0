"""Binance USD-M's dialect: REST, market streams, user-data streams, its error codes and weights."""
