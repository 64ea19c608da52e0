"""Positions: the books, the live view, history, and the custody of exchange keys.

owns       accounts with their encrypted keys, plans, positions, fills, level rules, the timeline (schema `positions`)
publishes  position_opened, position_closed, position_exit_completed, position_levels_changed, account_changed
consumes   guard_heartbeat (from the monitor: which accounts somebody watches), account_changed (of its replicas)
calls      the venues, to read; it has no code that can place an order
"""
