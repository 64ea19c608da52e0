"""Which accounts are this replica's, and what it says about guarding them.

Invariants: a partition is held by at most one replica at a time, by Postgres's clock; a replica acts only under a lease
that it has renewed lately by its own clock as well; it says that it guards only what it holds and has loaded.
"""
