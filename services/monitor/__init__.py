"""The monitor: watches enforced levels, closes and opens positions, exactly once.

Owns: order intents and the requests that asked for them, openings, executions of flows and their steps, price extremes,
partitions and the replicas that hold them, users' alerts, what was told and webhooks, pauses, evaluations, its outbox.
Publishes: guard_changed, extreme_moved, alert_triggered, execution_updated, position_evaluated (outbox);
guard_heartbeat, position_marked (ephemeral, at most each second), account_stirred (ephemeral: venue and books differ),
alerts_changed (ephemeral, for its replicas), venue_banned, venue_standing (ephemeral).
Consumes: positions.v1 position_opened, position_levels_changed, position_closed, position_exit_completed,
account_changed; its own position_evaluated, guard_changed, alert_triggered, alerts_changed; reconciler
reconciliation_suspicious; gateway user_watched; venue_banned, whoever says it.
Calls: positions (ListEnforcedPositions, ListPositions, ListLivePositions, GetPosition, ListAccounts, RecordFills,
RecordOpening, RecordOrder, SetLevel, RecordCloseAdvice, LeaseCredentials), users' webhooks, sources of sentiment, a
language model where one is configured, and the venues (prices, accounts, leverage; orders with leased keys).

Rooms: triggers (which positions does a price trigger, and the extremes behind watermarks), marks (what positions are
worth, for those who watch), closing (from intent to booked fills), opening (from a wish to a position in the books),
carrying (what both have in common: taking rows over, carrying them on, telling of their orders), flows (executions, and
who watches them), prices (feeds and their second source), partitions (which accounts are this replica's, and who is
guarded), alerts (what users asked to be told of, and their webhooks), pauses (the switches that stop trading),
evaluation (what an advisor thinks of positions, and how far it may act), sentiment.
"""
