"""Intents, the requests behind them, guards, leases and the outbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from services.common.database import Money, UtcDateTime
from services.common.leases import lease_table
from services.common.outbox import outbox_table

revision = "0001"
down_revision = None

_LIVE = sa.text("state NOT IN ('done', 'failed')")


def upgrade() -> None:
    """Make the tables."""
    outbox_table(sa.MetaData()).create(op.get_bind())
    lease_table(sa.MetaData()).create(op.get_bind())
    op.create_table(
        "intents",
        sa.Column("intent_id", sa.Uuid, nullable=False),
        sa.Column("place", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("closing_id", sa.Uuid, nullable=False),
        sa.Column("position_id", sa.Text, nullable=False),
        sa.Column("position_version", sa.BigInteger, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("venue", sa.Text, nullable=False),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("position_side", sa.Text, nullable=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("quantity", Money(), nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("client_order_id", sa.Text, nullable=False),
        sa.Column("evidence", JSONB, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("epoch", sa.BigInteger),
        sa.Column("not_before", UtcDateTime(), nullable=False),
        sa.Column("deadline", UtcDateTime()),
        sa.Column("order_id", sa.Text),
        sa.Column("fills", JSONB, nullable=False, server_default=sa.text("'[]'::jsonb")),
        sa.Column("outcome", sa.Text),
        sa.Column("reason", sa.Text, nullable=False, server_default=sa.text("''")),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("intent_id", name="intents_pkey"),
        sa.UniqueConstraint("position_id", "purpose", "attempt", name="intents_position_id_purpose_attempt_key"),
        sa.UniqueConstraint("client_order_id", name="intents_client_order_id_key"),
        sa.CheckConstraint("quantity > 0", name="intents_quantity_check"),
        sa.CheckConstraint("(owner IS NULL) = (epoch IS NULL)", name="intents_claim_check"),
        sa.CheckConstraint("(outcome IS NOT NULL) = (state IN ('done', 'failed'))", name="intents_outcome_check"),
    )
    op.create_index("intents_live_position_idx", "intents", ["position_id"], unique=True, postgresql_where=_LIVE)
    op.create_index("intents_live_partition_idx", "intents", ["partition"], postgresql_where=_LIVE)
    op.create_index("intents_position_id_place_idx", "intents", ["position_id", "place"])
    op.create_index("intents_closing_id_idx", "intents", ["closing_id"])
    op.create_table(
        "close_requests",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("position_id", sa.Text, nullable=False),
        sa.Column("closing_id", sa.Uuid, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "request_id", name="close_requests_pkey"),
    )
    op.create_table(
        "guards",
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("guarded", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="guards_pkey"),
    )
