"""Executions of flows: each opens one position, and tells its life until that has ended.

Invariants: an execution is made in the transaction that begins its opening; each step is a row with a number of its own
in the transaction that makes it true and that leaves its event in the outbox; what is heard twice is told once; what
was not heard is looked up, so that an execution ends whatever restarts.
"""
