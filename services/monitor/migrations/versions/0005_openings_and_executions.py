"""Openings, and the executions of flows with their steps."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from services.common.database import Money, UtcDateTime

revision = "0005"
down_revision = "0004"

_LIVE = sa.text("state NOT IN ('booked', 'failed')")
_RUNNING = sa.text("ended_at IS NULL")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "openings",
        sa.Column("intent_id", sa.Uuid, nullable=False),
        sa.Column("place", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text),
        sa.Column("execution_id", sa.Uuid),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("venue", sa.Text, nullable=False),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("position_side", sa.Text, nullable=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("quantity", Money(), nullable=False),
        sa.Column("price", Money(), nullable=False),
        sa.Column("leverage", Money(), nullable=False),
        sa.Column("wish", JSONB, nullable=False),
        sa.Column("client_order_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("epoch", sa.BigInteger),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("deadline", UtcDateTime()),
        sa.Column("order_id", sa.Text),
        sa.Column("fills", JSONB, nullable=False, server_default=sa.text("'[]'::jsonb")),
        sa.Column("position_id", sa.Text, nullable=False, server_default=sa.text("''")),
        sa.Column("outcome", sa.Text),
        sa.Column("reason", sa.Text, nullable=False, server_default=sa.text("''")),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("intent_id", name="openings_pkey"),
        sa.UniqueConstraint("user_id", "request_id", name="openings_user_id_request_id_key"),
        sa.UniqueConstraint("client_order_id", name="openings_client_order_id_key"),
        sa.CheckConstraint("quantity > 0", name="openings_quantity_check"),
        sa.CheckConstraint("(owner IS NULL) = (epoch IS NULL)", name="openings_claim_check"),
        sa.CheckConstraint("(outcome IS NOT NULL) = (state IN ('booked', 'failed'))", name="openings_outcome_check"),
    )
    op.create_index(
        "openings_live_slot_idx",
        "openings",
        ["account_id", "symbol", "position_side"],
        unique=True,
        postgresql_where=_LIVE,
    )
    op.create_index("openings_live_partition_idx", "openings", ["partition"], postgresql_where=_LIVE)
    op.create_index("openings_updated_at_idx", "openings", ["updated_at"])
    op.create_table(
        "executions",
        sa.Column("execution_id", sa.Uuid, nullable=False),
        sa.Column("place", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("intent_id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("flow_id", sa.Text, nullable=False),
        sa.Column("node_id", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("venue", sa.Text, nullable=False),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False, server_default=sa.text("''")),
        sa.Column("position_id", sa.Text, nullable=False, server_default=sa.text("''")),
        sa.Column("position_version", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("seen", JSONB),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime()),
        sa.Column("result", JSONB),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("stop_request_id", sa.Text),
        sa.PrimaryKeyConstraint("execution_id", name="executions_pkey"),
        sa.UniqueConstraint("intent_id", name="executions_intent_id_key"),
        sa.CheckConstraint("(ended_at IS NOT NULL) = (state IN ('closed', 'failed'))", name="executions_ended_check"),
    )
    op.create_index("executions_user_id_place_idx", "executions", ["user_id", "place"])
    op.create_index("executions_user_id_flow_id_place_idx", "executions", ["user_id", "flow_id", "place"])
    op.create_index("executions_running_partition_idx", "executions", ["partition"], postgresql_where=_RUNNING)
    op.create_index("executions_running_position_idx", "executions", ["position_id"], postgresql_where=_RUNNING)
    op.create_table(
        "execution_updates",
        sa.Column("execution_id", sa.Uuid, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("fact", sa.Text, nullable=False),
        sa.Column("happened_at", UtcDateTime(), nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("execution_id", "sequence", name="execution_updates_pkey"),
        sa.UniqueConstraint("execution_id", "fact", name="execution_updates_execution_id_fact_key"),
    )
