"""An index that holds all that the figures of a user's trades are made of."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add it beside those that are there."""
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
