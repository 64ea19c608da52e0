"""The gateway: REST and WebSocket for people and their programs, and the identity of who is asking.

Owns: an audit log of every write, and the idempotency keys of writes (schema gateway).
Publishes: user_watched, which is kept nowhere.
Consumes: position_opened, position_closed, position_exit_completed, position_levels_changed, position_evaluated,
execution_updated, guard_changed, alert_triggered, reconciliation_finished, reconciliation_suspicious (followed by each
process, for its own sockets, and read again for clients that come back), and position_marked and venue_standing, which
are kept nowhere.
Calls: positions, reconciler, monitor.

Invariants: it is stateless but for its two tables, so any replica can answer any request; it never reads an exchange or
another service's tables; everything but /api/status and the documentation is scoped to the caller of a token.
"""
