"""Funding payments and transfers; a closed row may learn of funding that was paid before it ended."""

import sqlalchemy as sa
from alembic import op

from services.common.database import Money, UtcDateTime

revision = "0007"
down_revision = "0006"

_KEEP_BOOKS = """
CREATE OR REPLACE FUNCTION keep_books() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.position_id, OLD.user_id, OLD.account_id, OLD.venue, OLD.symbol, OLD.position_side, OLD.side)
        IS DISTINCT FROM
        (NEW.position_id, NEW.user_id, NEW.account_id, NEW.venue, NEW.symbol, NEW.position_side, NEW.side) THEN
        RAISE EXCEPTION 'position % violates check constraint "positions_identity_check": it keeps what it is',
            OLD.position_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'positions_identity_check';
    END IF;
    IF NEW.version NOT IN (OLD.version, OLD.version + 1) THEN
        RAISE EXCEPTION 'position % violates check constraint "positions_version_check": % does not follow %',
            OLD.position_id, NEW.version, OLD.version
            USING ERRCODE = 'check_violation', CONSTRAINT = 'positions_version_check';
    END IF;
    IF OLD.status <> 'open' AND NOT (__ALLOWED__) THEN
        RAISE EXCEPTION 'position % violates check constraint "positions_closed_check": only an estimated exit changes',
            OLD.position_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'positions_closed_check';
    END IF;
    RETURN NEW;
END
$$
"""
_COMPLETED = (
    "NEW.status <> 'open' AND NEW.version = OLD.version + 1"
    " AND OLD.exit_estimated IS TRUE AND NEW.exit_estimated IS FALSE"
)
_FUNDED = """NEW.version = OLD.version + 1 AND NEW.funding IS DISTINCT FROM OLD.funding
        AND (OLD.status, OLD.exit_price, OLD.exit_quantity, OLD.exit_fee, OLD.exit_reason, OLD.exit_cause,
            OLD.closed_at, OLD.exit_estimated, OLD.quantity, OLD.entry_price)
        IS NOT DISTINCT FROM (NEW.status, NEW.exit_price, NEW.exit_quantity, NEW.exit_fee, NEW.exit_reason,
            NEW.exit_cause, NEW.closed_at, NEW.exit_estimated, NEW.quantity, NEW.entry_price)"""


def upgrade() -> None:
    """What was closed before stays as it is: funding is read from now on."""
    op.create_table(
        "cash_flows",
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("flow_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("amount", Money(), nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("symbol", sa.Text),
        sa.Column("happened_at", UtcDateTime(), nullable=False),
        sa.Column("position_id", sa.Text),
        sa.CheckConstraint("kind IN ('funding', 'transfer')", name=op.f("cash_flows_kind_check")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("cash_flows_account_id_fkey")),
        sa.ForeignKeyConstraint(["position_id"], ["positions.position_id"], name=op.f("cash_flows_position_id_fkey")),
        sa.PrimaryKeyConstraint("account_id", "flow_id", name=op.f("cash_flows_pkey")),
    )
    op.create_index("cash_flows_happened_at_idx", "cash_flows", ["account_id", "happened_at"])
    op.create_table(
        "cash_readings",
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("read_since", UtcDateTime()),
        sa.Column("read_until", UtcDateTime()),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("cash_readings_account_id_fkey")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("cash_readings_pkey")),
    )
    op.create_index(op.f("cash_readings_due_at_idx"), "cash_readings", ["due_at"])
    op.execute(_KEEP_BOOKS.replace("__ALLOWED__", f"({_COMPLETED}) OR ({_FUNDED})"))


def downgrade() -> None:
    """Flows are read anew by the next version; what is booked of them stays on the positions."""
    op.execute(_KEEP_BOOKS.replace("__ALLOWED__", _COMPLETED))
    op.drop_table("cash_readings")
    op.drop_table("cash_flows")
