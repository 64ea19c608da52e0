"""Closing a position exactly once: from a decision to an order, to fills in the books.

Invariants: the intent is committed before its order is signed, under the lease of its account's partition; an order is
sent at most once for each intent; after a crash an intent that may have been sent is looked up before anything else; a
new attempt follows only once the venue has surely not taken the one before.
"""
