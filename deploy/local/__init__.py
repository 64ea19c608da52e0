"""The local stack: embedded Postgres and NATS, the sandbox exchange and the four services, from one table.

Invariants: everything it makes lives in one directory (`.local` by default); it ends only processes that it started;
secrets are generated once, in files that only their owner can read; whatever is wrong is one line that says what to do.
"""
