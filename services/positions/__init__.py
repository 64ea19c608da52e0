"""Positions: the books, the live view, history, and the custody of exchange keys.

owns       accounts with their encrypted keys, plans, positions, fills, level rules, the timeline (schema `positions`)
publishes  position_opened, position_closed, position_exit_completed, position_levels_changed, account_changed;
           account_stirred, venue_banned, venue_standing (ephemeral)
consumes   guard_heartbeat (from the monitor: which accounts somebody guards), extreme_moved, user_watched; its own
           position_opened, position_levels_changed, position_closed, account_changed (of all replicas); venue_banned
calls      the venues, to read; it has no code that can place an order
"""
