"""Daily equity, and the leases that share private streams out among replicas."""

import sqlalchemy as sa
from alembic import op

from services.common.database import Money, UtcDateTime
from services.common.leases import lease_table

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """From 0001."""
    lease_table(sa.MetaData()).create(op.get_bind())
    op.create_table(
        "equity_snapshots",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("opened_equity", Money(), nullable=False),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("closed_equity", Money(), nullable=False),
        sa.Column("closed_at", UtcDateTime(), nullable=False),
        sa.Column("transfers", Money(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", "day", name=op.f("equity_snapshots_pkey")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("equity_snapshots_account_id_fkey")),
        sa.CheckConstraint("opened_at <= closed_at", name=op.f("equity_snapshots_order_check")),
    )
