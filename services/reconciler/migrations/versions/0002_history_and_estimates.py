"""Places in the interval, suspicion, confirmed absences, estimated exits, and indexes for history and retention."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what the first tables lack; nothing that they hold is changed."""
    op.add_column("accounts", sa.Column("ordinal", sa.BigInteger, sa.Identity(always=True), nullable=False))
    op.add_column("accounts", sa.Column("last_result", sa.Text))
    op.add_column("accounts", sa.Column("last_reason", sa.Text, nullable=False, server_default=""))
    op.add_column("accounts", sa.Column("pending_since", sa.DateTime(timezone=True)))
    op.add_column("accounts", sa.Column("suspicious_since", sa.DateTime(timezone=True)))
    op.add_column("accounts", sa.Column("suspicion_announced", sa.Boolean, nullable=False, server_default=sa.false()))

    op.add_column("pending_absences", sa.Column("flat_readings", sa.Integer, nullable=False, server_default="0"))
    op.add_column("pending_absences", sa.Column("suspicious", sa.Boolean, nullable=False, server_default=sa.false()))

    op.add_column("runs", sa.Column("completed", sa.Integer, nullable=False, server_default="0"))
    op.add_column("runs", sa.Column("suspicion", sa.Text, nullable=False, server_default=""))
    op.create_index("runs_finished_at_idx", "runs", ["finished_at"])
    op.create_index("runs_exchange_finished_at_idx", "runs", ["exchange", "finished_at"])

    op.add_column("discrepancies", sa.Column("decisions", sa.Text, nullable=False, server_default=""))

    op.create_table(
        "confirmations",
        sa.Column("confirmation_id", sa.Uuid, primary_key=True),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("position_id", sa.Text, nullable=False),
        sa.Column("operator_id", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=False),
        # The absence that was confirmed: one that ends and begins anew is another.
        sa.Column("first_missed_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("confirmations_account_id_idx", "confirmations", ["account_id", "position_id"])
    op.create_table(
        "estimated_exits",
        sa.Column("account_id", sa.Text, primary_key=True),
        sa.Column("position_id", sa.Text, primary_key=True),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("missed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
    )
