"""The schedule of accounts, runs, discrepancies, pending absences, and the outbox."""

import sqlalchemy as sa
from alembic import op

from services.common.outbox import outbox_table

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "accounts",
        sa.Column("account_id", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("exchange", sa.Text, nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("last_run_at", sa.DateTime(timezone=True)),
        sa.Column("lease_owner", sa.Text),
        sa.Column("lease_epoch", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True)),
    )
    op.create_index("accounts_user_id_idx", "accounts", ["user_id"])
    op.create_index("accounts_due_at_idx", "accounts", ["due_at"])
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Uuid, primary_key=True),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("exchange", sa.Text, nullable=False),
        sa.Column("trigger", sa.Text, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("reading", sa.Text),
        sa.Column("adopted", sa.Integer, nullable=False),
        sa.Column("closed", sa.Integer, nullable=False),
        sa.Column("adjusted", sa.Integer, nullable=False),
        sa.Column("pending", sa.Integer, nullable=False),
        sa.Column("rounds", sa.Integer, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("runs_account_id_started_at_idx", "runs", ["account_id", "started_at"])
    op.create_index("runs_user_id_started_at_idx", "runs", ["user_id", "started_at"])
    op.create_table(
        "discrepancies",
        sa.Column("run_id", sa.Uuid, sa.ForeignKey("runs.run_id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("position_side", sa.Text, nullable=False),
        sa.Column("position_id", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("repaired", sa.Boolean, nullable=False),
        sa.Column("known", sa.Boolean, nullable=False),
    )
    op.create_table(
        "pending_absences",
        sa.Column("account_id", sa.Text, primary_key=True),
        sa.Column("position_id", sa.Text, primary_key=True),
        sa.Column("first_missed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("readings", sa.Integer, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
    )
    outbox_table(sa.MetaData()).create(op.get_bind())
