"""The full document of a position, openings, plans, switches of accounts; closed rows cannot be rewritten."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from services.common.database import Money, UtcDateTime

revision = "0002"
down_revision = "0001"

_KEEP_BOOKS = """
CREATE FUNCTION keep_books() RETURNS trigger LANGUAGE plpgsql AS $$
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
    IF OLD.status <> 'open' AND (
        NEW.status = 'open' OR OLD.exit_estimated IS NOT TRUE OR NEW.exit_estimated IS NOT FALSE
        OR NEW.version = OLD.version
    ) THEN
        RAISE EXCEPTION 'position % violates check constraint "positions_closed_check": only an estimated exit changes',
            OLD.position_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'positions_closed_check';
    END IF;
    RETURN NEW;
END
$$
"""


def upgrade() -> None:
    """From 0001."""
    op.add_column("accounts", sa.Column("can_trade", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("accounts", sa.Column("ip_restricted", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("accounts", sa.Column("auto_manage", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("accounts", sa.Column("refusal", sa.Text(), server_default="", nullable=False))
    op.add_column("accounts", sa.Column("removed_at", UtcDateTime(), nullable=True))
    op.create_check_constraint(
        op.f("accounts_removed_check"),
        "accounts",
        "removed_at IS NULL OR (NOT verified AND NOT trading_enabled AND sealed_credentials = '')",
    )
    # Trading was only ever enabled for keys that allow it.
    op.execute("UPDATE accounts SET can_trade = trading_enabled")
    op.add_column("credential_leases", sa.Column("purpose", sa.Text(), server_default="trading", nullable=False))
    op.create_table(
        "plans",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("commission_percent", Money(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("commission_percent BETWEEN 0 AND 100", name=op.f("plans_commission_check")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("plans_pkey")),
    )
    for name in ("intent_id", "flow_id", "node_id", "execution_id", "agent", "ai_reasoning", "stop_set_by", "plan"):
        op.add_column("positions", sa.Column(name, sa.Text(), nullable=True))
    for name in ("ai_confidence", "entry_fee", "partial_pnl", "funding", "commission_percent", "commission"):
        op.add_column("positions", sa.Column(name, Money(), nullable=True))
    for name in ("market_conditions", "close_advice"):
        op.add_column("positions", sa.Column(name, postgresql.JSONB(), nullable=True))
    op.create_index(
        "positions_of_user_idx",
        "positions",
        ["user_id", sa.literal_column("opened_at DESC"), sa.literal_column("position_id DESC")],
    )
    op.create_index(
        "positions_estimated_idx", "positions", ["account_id", "closed_at"], postgresql_where=sa.text("exit_estimated")
    )
    op.execute(_KEEP_BOOKS)
    op.execute("CREATE TRIGGER keep_books BEFORE UPDATE ON positions FOR EACH ROW EXECUTE FUNCTION keep_books()")
    op.add_column("fills", sa.Column("sequence", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.create_table(
        "openings",
        sa.Column("intent_id", sa.Text(), nullable=False),
        sa.Column("position_id", sa.Text(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["position_id"], ["positions.position_id"], name=op.f("openings_position_id_fkey")),
        sa.PrimaryKeyConstraint("intent_id", name=op.f("openings_pkey")),
    )
    op.add_column("timeline", sa.Column("reason", sa.Text(), server_default="", nullable=False))
    op.add_column("timeline", sa.Column("levels", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    """Back to 0001: what only this version keeps is lost."""
    for name in ("levels", "reason"):
        op.drop_column("timeline", name)
    op.drop_table("openings")
    op.drop_column("fills", "sequence")
    op.execute("DROP TRIGGER keep_books ON positions")
    op.execute("DROP FUNCTION keep_books()")
    op.drop_index("positions_estimated_idx", "positions")
    op.drop_index("positions_of_user_idx", "positions")
    for name in (
        "intent_id",
        "flow_id",
        "node_id",
        "execution_id",
        "agent",
        "ai_reasoning",
        "stop_set_by",
        "plan",
        "ai_confidence",
        "entry_fee",
        "partial_pnl",
        "funding",
        "commission_percent",
        "commission",
        "market_conditions",
        "close_advice",
    ):
        op.drop_column("positions", name)
    op.drop_table("plans")
    op.drop_column("credential_leases", "purpose")
    op.drop_constraint(op.f("accounts_removed_check"), "accounts")
    for name in ("removed_at", "refusal", "auto_manage", "ip_restricted", "can_trade"):
        op.drop_column("accounts", name)
