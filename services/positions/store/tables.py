"""The tables. What the domain forbids, constraints forbid as well.

What a constraint cannot say, the trigger `keep_books` says: a position keeps what it is, its versions follow each
other, and a closed one changes only where fills complete an estimated exit.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Sequence,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.common.database import Money, UtcDateTime, table_metadata
from services.common.outbox import outbox_table

metadata = table_metadata()

accounts = Table(
    "accounts",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("user_id", Text, nullable=False, index=True),
    Column("venue", Text, nullable=False),
    Column("venue_user_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("masked_key", Text, nullable=False),
    Column("sealed_credentials", LargeBinary, nullable=False),
    Column("verified", Boolean, nullable=False),
    Column("trading_enabled", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("verified_at", UtcDateTime),
    Column("version", BigInteger, nullable=False),
    Column("can_trade", Boolean, nullable=False, server_default=text("false")),
    Column("ip_restricted", Boolean, nullable=False, server_default=text("false")),
    Column("auto_manage", Boolean, nullable=False, server_default=text("false")),
    Column("refusal", Text, nullable=False, server_default=""),
    # Its history stays; its key is gone.
    Column("removed_at", UtcDateTime),
    Column("trigger_price", Text, nullable=False, server_default="mark"),
    UniqueConstraint("venue", "venue_user_id"),
    CheckConstraint(
        "removed_at IS NULL OR (NOT verified AND NOT trading_enabled AND sealed_credentials = '')", name="removed"
    ),
    CheckConstraint("trigger_price IN ('mark', 'last')", name="trigger_price"),
)

plans = Table(
    "plans",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("commission_percent", Money, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("set_at", UtcDateTime, nullable=False),
    CheckConstraint("commission_percent BETWEEN 0 AND 100", name="commission"),
)

credential_leases = Table(
    "credential_leases",
    metadata,
    Column("lease_id", BigInteger, primary_key=True, autoincrement=True),
    Column("account_id", Text, ForeignKey(accounts.c.account_id), nullable=False, index=True),
    Column("caller", Text, nullable=False),
    Column("leased_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("purpose", Text, nullable=False, server_default="trading"),
)

position_numbers = Sequence("position_numbers", metadata=metadata)

positions = Table(
    "positions",
    metadata,
    Column("position_id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("account_id", Text, ForeignKey(accounts.c.account_id), nullable=False),
    Column("venue", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("position_side", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("managed", Boolean, nullable=False),
    Column("quantity", Money, nullable=False),
    Column("entry_price", Money, nullable=False),
    Column("leverage", Money),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("settled_since", UtcDateTime, nullable=False),
    Column("settled_until", UtcDateTime, nullable=False),
    Column("levels", JSONB, nullable=False),
    Column("enforced", Boolean, nullable=False),
    Column("version", BigInteger, nullable=False),
    # When the row was last written, by this system's clock: a reading asked for before then says nothing about it.
    Column("changed_at", UtcDateTime, nullable=False),
    Column("exit_price", Money),
    Column("exit_quantity", Money),
    Column("exit_fee", Money),
    Column("realized_pnl", Money),
    Column("realized_pnl_percent", Money),
    Column("exit_reason", Text),
    Column("exit_cause", Text),
    Column("closed_at", UtcDateTime),
    Column("exit_estimated", Boolean),
    Column("intent_id", Text),
    Column("flow_id", Text),
    Column("node_id", Text),
    Column("execution_id", Text),
    Column("agent", Text),
    Column("ai_reasoning", Text),
    Column("ai_confidence", Money),
    Column("market_conditions", JSONB(none_as_null=True)),
    Column("stop_set_by", Text),
    Column("close_advice", JSONB(none_as_null=True)),
    # Of the fills booked so far, in quote currency.
    Column("entry_fee", Money),
    Column("partial_pnl", Money),
    Column("funding", Money),
    Column("plan", Text),
    Column("commission_percent", Money),
    Column("commission", Money),
    # By the setting of its account.
    Column("trigger_price", Text, nullable=False, server_default="mark"),
    CheckConstraint("side IN ('long', 'short')", name="side"),
    CheckConstraint("position_side IN ('both', side)", name="position_side"),
    CheckConstraint("status IN ('open', 'closed', 'liquidated')", name="status"),
    CheckConstraint("quantity > 0 AND entry_price > 0 AND version > 0", name="positive"),
    CheckConstraint("settled_since <= settled_until", name="settlement"),
    CheckConstraint(
        "(status = 'open') = (closed_at IS NULL)"
        " AND (closed_at IS NULL) = (exit_reason IS NULL)"
        " AND (closed_at IS NULL) = (exit_estimated IS NULL)"
        " AND (exit_estimated IS NOT FALSE OR (exit_price IS NOT NULL AND exit_quantity IS NOT NULL))",
        name="exit",
    ),
    CheckConstraint("NOT enforced OR status = 'open'", name="enforced"),
    CheckConstraint("trigger_price IN ('mark', 'last')", name="trigger_price"),
)

Index(
    "positions_open_key",
    positions.c.account_id,
    positions.c.symbol,
    positions.c.position_side,
    unique=True,
    postgresql_where=text("status = 'open'"),
)
Index(
    "positions_key_idx", positions.c.account_id, positions.c.symbol, positions.c.position_side, positions.c.changed_at
)
Index("positions_enforced_idx", positions.c.position_id, postgresql_where=text("enforced"))
# Holds all that the figures of a user's trades are made of, so that they are reckoned from the index alone.
Index(
    "positions_analytics_idx",
    positions.c.user_id,
    positions.c.closed_at.desc(),
    positions.c.position_id.desc(),
    postgresql_include=[
        "realized_pnl",
        "exit_fee",
        "exit_estimated",
        "opened_at",
        "symbol",
        "venue",
        "side",
        "exit_reason",
        "flow_id",
    ],
    postgresql_where=text("status <> 'open'"),
)
Index("positions_open_of_user_idx", positions.c.user_id, postgresql_where=text("status = 'open'"))
Index("positions_of_user_idx", positions.c.user_id, positions.c.opened_at.desc(), positions.c.position_id.desc())
Index("positions_estimated_idx", positions.c.account_id, positions.c.closed_at, postgresql_where=text("exit_estimated"))

fills = Table(
    "fills",
    metadata,
    Column("account_id", Text, ForeignKey(accounts.c.account_id), nullable=False),
    Column("symbol", Text, nullable=False),
    Column("fill_id", Text, nullable=False),
    Column("position_id", Text, ForeignKey(positions.c.position_id), nullable=False, index=True),
    Column("order_id", Text, nullable=False),
    Column("client_order_id", Text),
    Column("position_side", Text, nullable=False),
    Column("order_side", Text, nullable=False),
    Column("price", Money, nullable=False),
    Column("quantity", Money, nullable=False),
    Column("fee", Money, nullable=False),
    Column("fee_currency", Text, nullable=False),
    Column("fee_quote", Money),
    Column("venue_pnl", Money),
    Column("pnl", Money, nullable=False),
    Column("reduced", Boolean, nullable=False),
    Column("order_kind", Text, nullable=False),
    Column("executed_at", UtcDateTime, nullable=False),
    Column("sequence", BigInteger, nullable=False, server_default=text("0")),
    # One fill may end a position and begin the next: each has its share, once.
    PrimaryKeyConstraint("account_id", "symbol", "fill_id", "position_id"),
    CheckConstraint("quantity > 0 AND price > 0", name="positive"),
)

# Which position an intent of Tandem opened: it is booked once.
openings = Table(
    "openings",
    metadata,
    Column("intent_id", Text, primary_key=True),
    Column("position_id", Text, ForeignKey(positions.c.position_id), nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
)

timeline = Table(
    "timeline",
    metadata,
    Column("entry_id", BigInteger, primary_key=True, autoincrement=True),
    Column("position_id", Text, ForeignKey(positions.c.position_id), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("happened_at", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("change", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("levels", JSONB(none_as_null=True)),
    UniqueConstraint("position_id", "version"),
)

applied_decisions = Table(
    "applied_decisions",
    metadata,
    Column("run_id", Text, nullable=False),
    Column("decision_id", Text, nullable=False),
    Column("outcome", Integer, nullable=False),
    Column("position_id", Text, nullable=False),
    Column("applied_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("run_id", "decision_id"),
)

outbox = outbox_table(metadata)
