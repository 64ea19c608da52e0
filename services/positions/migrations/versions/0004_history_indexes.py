"""An index that holds all that the figures of a user's trades are made of."""

import sqlalchemy as sa
from alembic import op

from services.common.database import Money, UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add it beside those that are there."""
    op.add_column("positions", sa.Column("flow_id", sa.Text(), nullable=True), if_not_exists=True)
    op.create_table(
        "equity_snapshots",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("opened_equity", Money(), nullable=False),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("closed_equity", Money(), nullable=False),
        sa.Column("closed_at", UtcDateTime(), nullable=False),
        sa.Column("transfers", Money(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("equity_snapshots_account_id_fkey")),
        sa.PrimaryKeyConstraint("account_id", "day", name=op.f("equity_snapshots_pkey")),
        if_not_exists=True,
    )
    op.create_index(
        "positions_analytics_idx",
        "positions",
        ["user_id", sa.literal_column("closed_at DESC"), sa.literal_column("position_id DESC")],
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
        postgresql_where=sa.text("status <> 'open'"),
    )


def downgrade() -> None:
    """Take the index away again; no data is in it."""
    op.drop_index("positions_analytics_idx", table_name="positions")
