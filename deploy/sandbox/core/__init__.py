"""The venue behind both dialects: accounts, orders, prices, margin. Knows no wire format."""
