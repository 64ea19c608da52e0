"""The tables of closing: intents, and the requests that asked for them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
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

INTENTS = Table(
    "intents",
    METADATA,
    Column("intent_id", Uuid, primary_key=True),
    Column("place", BigInteger, Identity(always=True), nullable=False),
    Column("closing_id", Uuid, nullable=False),
    Column("position_id", Text, nullable=False),
    Column("position_version", BigInteger, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("venue", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("position_side", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("quantity", Money, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("client_order_id", Text, nullable=False),
    Column("evidence", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("owner", Text),
    Column("epoch", BigInteger),
    Column("not_before", UtcDateTime, nullable=False),
    Column("deadline", UtcDateTime),
    Column("order_id", Text),
    Column("fills", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("outcome", Text),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("whole", Boolean, nullable=False, server_default=text("true")),
    Column("first", Boolean, nullable=False, server_default=text("false")),
    UniqueConstraint("position_id", "purpose", "attempt"),
    UniqueConstraint("client_order_id"),
    CheckConstraint("quantity > 0", name="quantity"),
    CheckConstraint("(owner IS NULL) = (epoch IS NULL)", name="claim"),
    CheckConstraint("(outcome IS NOT NULL) = (state IN ('done', 'failed'))", name="outcome"),
    # One order at a time for a position, whoever wants it and why.
    Index(
        "intents_live_position_idx",
        "position_id",
        unique=True,
        postgresql_where=text("state NOT IN ('done', 'failed')"),
    ),
    # So that a first one can be written without asking what was there before.
    Index("intents_first_idx", "position_id", unique=True, postgresql_where=text("first")),
    Index("intents_live_partition_idx", "partition", postgresql_where=text("state NOT IN ('done', 'failed')")),
    Index("intents_position_id_place_idx", "position_id", "place"),
    Index("intents_closing_id_idx", "closing_id"),
)

CLOSE_REQUESTS = Table(
    "close_requests",
    METADATA,
    Column("user_id", Text, primary_key=True),
    Column("request_id", Text, primary_key=True),
    Column("position_id", Text, nullable=False),
    Column("closing_id", Uuid, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
