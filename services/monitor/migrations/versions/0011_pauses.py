"""Pauses of trading."""

import sqlalchemy as sa
from alembic import op

from services.common.database import UtcDateTime

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "pauses",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("opening", sa.Boolean, nullable=False),
        sa.Column("closing", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("set_by", sa.Text, nullable=False),
        sa.Column("set_at", UtcDateTime(), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pauses_pkey"),
    )


def downgrade() -> None:
    """Take it away."""
    op.drop_table("pauses")
