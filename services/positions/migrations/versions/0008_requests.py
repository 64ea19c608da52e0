"""Writes that were asked for under an id, so that each is carried out once."""

import sqlalchemy as sa
from alembic import op

from services.common.database import UtcDateTime

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """From now on."""
    op.create_table(
        "requests",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("answer", sa.LargeBinary),
        sa.PrimaryKeyConstraint("user_id", "request_id", name=op.f("requests_pkey")),
    )
    op.create_index(op.f("requests_asked_at_idx"), "requests", ["asked_at"])


def downgrade() -> None:
    """They are carried out again where they are sent again."""
    op.drop_table("requests")
