"""The only door to the exchanges.

`readings`, `fills`, `keys`, `prices` and `orders` hold the types and Protocols that services declare against; none of
them imports ccxt. `venues` holds what a process shares, `reader` and `orders.gateway` are the two halves that work on
it: whoever imports the first alone has no code that can place an order.
"""
