"""Orders without fills, samples of trailing stops, and the extremes to start from."""

import sqlalchemy as sa
from alembic import op

from services.common.database import Money, UtcDateTime

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """From now on."""
    op.create_table(
        "orders",
        sa.Column("intent_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("position_id", sa.Text),
        sa.Column("venue", sa.Text, nullable=False),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("position_side", sa.Text, nullable=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("client_order_id", sa.Text, nullable=False),
        sa.Column("order_id", sa.Text, nullable=False),
        sa.Column("order_side", sa.Text, nullable=False),
        sa.Column("quantity", Money(), nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("status IN ('pending', 'filled', 'cancelled')", name=op.f("orders_status_check")),
        sa.CheckConstraint("quantity > 0", name=op.f("orders_positive_check")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("orders_account_id_fkey")),
        sa.ForeignKeyConstraint(["position_id"], ["positions.position_id"], name=op.f("orders_position_id_fkey")),
        sa.PrimaryKeyConstraint("intent_id", name=op.f("orders_pkey")),
    )
    op.create_index(
        "orders_of_user_idx",
        "orders",
        ["user_id", sa.literal_column("changed_at DESC")],
        postgresql_where=sa.text("status <> 'filled'"),
    )
    op.create_table(
        "trails",
        sa.Column("position_id", sa.Text, nullable=False),
        sa.Column("minute", UtcDateTime(), nullable=False),
        sa.Column("sampled_at", UtcDateTime(), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("stop_price", Money(), nullable=False),
        sa.Column("best_price", Money(), nullable=False),
        sa.ForeignKeyConstraint(["position_id"], ["positions.position_id"], name=op.f("trails_position_id_fkey")),
        sa.PrimaryKeyConstraint("position_id", "minute", name=op.f("trails_pkey")),
    )
    op.create_table(
        "watermark_snapshots",
        sa.Column("snapshot_id", sa.Integer, nullable=False),
        sa.Column("place", sa.BigInteger, nullable=False),
        sa.Column("taken_at", UtcDateTime(), nullable=False),
        sa.Column("stacks", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("snapshot_id", name=op.f("watermark_snapshots_pkey")),
    )


def downgrade() -> None:
    """What only this version keeps is lost."""
    op.drop_table("watermark_snapshots")
    op.drop_table("trails")
    op.drop_table("orders")
