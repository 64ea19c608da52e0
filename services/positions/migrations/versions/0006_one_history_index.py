"""One index over closed rows instead of two: positions_analytics_idx has the same keys and holds more."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Each closing wrote both."""
    op.drop_index("positions_history_idx", table_name="positions")


def downgrade() -> None:
    """Make it anew; no data is in it."""
    op.create_index(
        "positions_history_idx",
        "positions",
        ["user_id", sa.literal_column("closed_at DESC"), sa.literal_column("position_id DESC")],
        postgresql_where=sa.text("status <> 'open'"),
    )
