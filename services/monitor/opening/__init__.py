"""Opening a position at most once: from a wish to an order, to a position in the books.

Invariants: the opening is committed before its order is signed, under the lease of its account's partition; its order
is sent once and never again, whatever becomes of it; what it opened is handed to the books until they have it, across
restarts and successors.
"""
