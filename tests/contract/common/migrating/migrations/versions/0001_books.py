"""The first tables."""

import sqlalchemy as sa
from alembic import op

from services.common.database import Money, UtcDateTime
from services.common.inbox import inbox_table
from services.common.leases import lease_table
from services.common.outbox import outbox_table

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "books",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("price", Money, nullable=False),
        sa.Column("opened_at", UtcDateTime, nullable=False),
    )
    for table in (outbox_table, inbox_table, lease_table):
        table(sa.MetaData()).create(op.get_bind())
