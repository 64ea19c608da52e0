"""What every service stands on: settings, errors, process, RPC, database, leases, outbox, inbox, bus, telemetry.

Invariants: nothing here knows any one service; nothing does work at import; only config reads the environment.
"""
