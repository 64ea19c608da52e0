"""The monitor: watches enforced levels and closes positions, exactly once.

Owns: order intents and the requests that asked for them, price extremes, partitions and the replicas that hold them,
users' alerts, what was told and webhooks, its outbox.
Publishes: guard_changed, extreme_moved, alert_triggered (outbox); guard_heartbeat, position_marked (ephemeral, at most
each second), account_stirred (ephemeral: venue and books differ), venue_banned (ephemeral).
Consumes: positions.v1 position_opened, position_levels_changed, position_closed, account_changed; gateway user_watched;
reconciler reconciliation_suspicious.
Calls: positions (ListEnforcedPositions, ListPositions, ListLivePositions, GetPosition, RecordFills, RecordOrder,
LeaseCredentials), users' webhooks, and the venues (prices; reduce-only orders with keys that were leased for trading).

Rooms: triggers (which positions does a price trigger, and the extremes behind watermarks), marks (what positions are
worth, for those who watch), closing (from intent to booked fills), prices (feeds and their second source), partitions
(which accounts are this replica's, and who is guarded), alerts (what users asked to be told of, and their webhooks).
"""
