"""The tables of alerts: what users want to be told of, what was told, and what is posted to their webhooks."""

from sqlalchemy import BigInteger, Boolean, Column, Identity, Index, Integer, Table, Text, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from services.common.database import Money, UtcDateTime
from services.monitor.store.metadata import METADATA

ALERTS = Table(
    "alerts",
    METADATA,
    Column("alert_id", Uuid, primary_key=True),
    Column("place", BigInteger, Identity(always=True), nullable=False),
    Column("user_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("venue", Text),
    Column("symbol", Text, nullable=False),
    Column("position_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("direction", Text),
    Column("threshold", Money),
    Column("repeating", Boolean, nullable=False),
    Column("hysteresis", Money),
    Column("webhook", Boolean, nullable=False),
    Column("note", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("armed_at", UtcDateTime, nullable=False),
    Column("last_triggered_at", UtcDateTime),
    Column("times_triggered", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Index("alerts_user_id_place_idx", "user_id", "place"),
    Index("alerts_active_idx", "alert_id", postgresql_where=text("active")),
)

ALERT_REQUESTS = Table(
    "alert_requests",
    METADATA,
    Column("user_id", Text, primary_key=True),
    Column("request_id", Text, primary_key=True),
    Column("alert_id", Uuid, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

# Where a threshold stands for one position (empty: for its price alone), once it stands elsewhere than at first.
ALERT_STATES = Table(
    "alert_states",
    METADATA,
    Column("alert_id", Uuid, primary_key=True),
    Column("position_id", Text, primary_key=True),
    Column("armed", Boolean, nullable=False),
    Column("since", UtcDateTime, nullable=False),
)

# The stop of a position that an alert has told of last; empty where there was none.
STOPS_TOLD = Table(
    "stops_told",
    METADATA,
    Column("alert_id", Uuid, primary_key=True),
    Column("position_id", Text, primary_key=True),
    Column("price", Money),
    Column("told_at", UtcDateTime, nullable=False),
)

# Up to when a partition's thresholds were held against prices, and the instruments for which it was not so long.
ALERT_WATCHES = Table(
    "alert_watches",
    METADATA,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("until", UtcDateTime, nullable=False),
    Column("behind", JSONB, nullable=False),
)

TRIGGERED_ALERTS = Table(
    "triggered_alerts",
    METADATA,
    Column("event_id", Uuid, primary_key=True),
    Column("place", BigInteger, Identity(always=True), nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("position_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("venue", Text),
    Column("symbol", Text, nullable=False),
    Column("price", Money),
    Column("level_price", Money),
    Column("reason", Text, nullable=False),
    Column("alert_id", Text, nullable=False),
    Column("note", Text, nullable=False),
    # What made it true: the same cause never tells the same alert twice.
    Column("cause", Text, nullable=False),
    UniqueConstraint("alert_id", "cause"),
    Index("triggered_alerts_user_id_place_idx", "user_id", "place"),
    Index("triggered_alerts_occurred_at_idx", "occurred_at"),
)

WEBHOOKS = Table(
    "webhooks",
    METADATA,
    Column("user_id", Text, primary_key=True),
    # Empty once it was taken away: the generation goes on, so that no key comes back.
    Column("url", Text),
    Column("generation", BigInteger, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

WEBHOOK_DELIVERIES = Table(
    "webhook_deliveries",
    METADATA,
    Column("event_id", Uuid, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("next_attempt_at", UtcDateTime, nullable=False),
    Column("last_attempt_at", UtcDateTime),
    Column("result", Text, nullable=False),
    Index("webhook_deliveries_due_idx", "next_attempt_at", postgresql_where=text("state = 'pending'")),
    Index("webhook_deliveries_user_id_created_at_idx", "user_id", "created_at"),
)
