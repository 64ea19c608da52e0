"""The table of openings."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.common.database import Money, UtcDateTime
from services.monitor.store.metadata import METADATA

_LIVE = text("state NOT IN ('booked', 'failed')")

OPENINGS = Table(
    "openings",
    METADATA,
    Column("intent_id", Uuid, primary_key=True),
    Column("place", BigInteger, Identity(always=True), nullable=False),
    Column("user_id", Text, nullable=False),
    Column("request_id", Text),
    Column("execution_id", Uuid),
    Column("account_id", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("venue", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("position_side", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("quantity", Money, nullable=False),
    Column("price", Money, nullable=False),
    Column("leverage", Money, nullable=False),
    Column("wish", JSONB, nullable=False),
    Column("client_order_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("owner", Text),
    Column("epoch", BigInteger),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("deadline", UtcDateTime),
    Column("order_id", Text),
    Column("fills", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("position_id", Text, nullable=False, server_default=text("''")),
    Column("outcome", Text),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("user_id", "request_id"),
    UniqueConstraint("client_order_id"),
    CheckConstraint("quantity > 0", name="quantity"),
    CheckConstraint("(owner IS NULL) = (epoch IS NULL)", name="claim"),
    CheckConstraint("(outcome IS NOT NULL) = (state IN ('booked', 'failed'))", name="outcome"),
    # One order at a time for a slot, whoever wants it and why.
    Index("openings_live_slot_idx", "account_id", "symbol", "position_side", unique=True, postgresql_where=_LIVE),
    Index("openings_live_partition_idx", "partition", postgresql_where=_LIVE),
    Index("openings_updated_at_idx", "updated_at"),
)
