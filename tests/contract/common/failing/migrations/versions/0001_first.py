"""Works."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table("half_done", sa.Column("id", sa.Uuid, primary_key=True))
