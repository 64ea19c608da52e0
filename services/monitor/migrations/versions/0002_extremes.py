"""Price extremes, how far prices were watched, and closings of a part."""

import sqlalchemy as sa
from alembic import op

from services.common.database import Money, UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    op.add_column("intents", sa.Column("whole", sa.Boolean, nullable=False, server_default=sa.text("true")))
    op.create_table(
        "price_extremes",
        sa.Column("venue", sa.Text, nullable=False),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("trigger_price", sa.Text, nullable=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("price", Money(), nullable=False),
        sa.PrimaryKeyConstraint("venue", "symbol", "trigger_price", "side", "at", name="price_extremes_pkey"),
    )
    op.create_table(
        "prices_watched",
        sa.Column("venue", sa.Text, nullable=False),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("trigger_price", sa.Text, nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("venue", "symbol", "trigger_price", name="prices_watched_pkey"),
    )
