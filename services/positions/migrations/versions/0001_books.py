"""The books: accounts, positions, fills, the timeline and the outbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from services.common.database import Money, UtcDateTime
from services.common.outbox import outbox_table

revision = "0001"
down_revision = None


def upgrade() -> None:
    """From nothing."""
    outbox_table(sa.MetaData()).create(op.get_bind())
    op.execute(sa.schema.CreateSequence(sa.Sequence("position_numbers")))
    op.create_table(
        "accounts",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("venue_user_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("masked_key", sa.Text(), nullable=False),
        sa.Column("sealed_credentials", sa.LargeBinary(), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("trading_enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("verified_at", UtcDateTime(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("accounts_pkey")),
        sa.UniqueConstraint("venue", "venue_user_id", name=op.f("accounts_venue_venue_user_id_key")),
    )
    op.create_index(op.f("accounts_user_id_idx"), "accounts", ["user_id"], unique=False)
    op.create_table(
        "applied_decisions",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Integer(), nullable=False),
        sa.Column("position_id", sa.Text(), nullable=False),
        sa.Column("applied_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "decision_id", name=op.f("applied_decisions_pkey")),
    )
    op.create_table(
        "credential_leases",
        sa.Column("lease_id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("leased_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name=op.f("credential_leases_account_id_fkey")
        ),
        sa.PrimaryKeyConstraint("lease_id", name=op.f("credential_leases_pkey")),
    )
    op.create_index(op.f("credential_leases_account_id_idx"), "credential_leases", ["account_id"], unique=False)
    op.create_table(
        "positions",
        sa.Column("position_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("position_side", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("managed", sa.Boolean(), nullable=False),
        sa.Column("quantity", Money(), nullable=False),
        sa.Column("entry_price", Money(), nullable=False),
        sa.Column("leverage", Money(), nullable=True),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("settled_since", UtcDateTime(), nullable=False),
        sa.Column("settled_until", UtcDateTime(), nullable=False),
        sa.Column("levels", postgresql.JSONB(), nullable=False),
        sa.Column("enforced", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.Column("exit_price", Money(), nullable=True),
        sa.Column("exit_quantity", Money(), nullable=True),
        sa.Column("exit_fee", Money(), nullable=True),
        sa.Column("realized_pnl", Money(), nullable=True),
        sa.Column("realized_pnl_percent", Money(), nullable=True),
        sa.Column("exit_reason", sa.Text(), nullable=True),
        sa.Column("exit_cause", sa.Text(), nullable=True),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.Column("exit_estimated", sa.Boolean(), nullable=True),
        sa.CheckConstraint(
            "(status = 'open') = (closed_at IS NULL)"
            " AND (closed_at IS NULL) = (exit_reason IS NULL)"
            " AND (closed_at IS NULL) = (exit_estimated IS NULL)"
            " AND (exit_estimated IS NOT FALSE OR (exit_price IS NOT NULL AND exit_quantity IS NOT NULL))",
            name=op.f("positions_exit_check"),
        ),
        sa.CheckConstraint("NOT enforced OR status = 'open'", name=op.f("positions_enforced_check")),
        sa.CheckConstraint("position_side IN ('both', side)", name=op.f("positions_position_side_check")),
        sa.CheckConstraint("side IN ('long', 'short')", name=op.f("positions_side_check")),
        sa.CheckConstraint("status IN ('open', 'closed', 'liquidated')", name=op.f("positions_status_check")),
        sa.CheckConstraint("quantity > 0 AND entry_price > 0 AND version > 0", name=op.f("positions_positive_check")),
        sa.CheckConstraint("settled_since <= settled_until", name=op.f("positions_settlement_check")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("positions_account_id_fkey")),
        sa.PrimaryKeyConstraint("position_id", name=op.f("positions_pkey")),
    )
    op.create_index(
        "positions_enforced_idx", "positions", ["position_id"], unique=False, postgresql_where=sa.text("enforced")
    )
    op.create_index(
        "positions_history_idx",
        "positions",
        ["user_id", sa.literal_column("closed_at DESC"), sa.literal_column("position_id DESC")],
        unique=False,
        postgresql_where=sa.text("status <> 'open'"),
    )
    op.create_index(
        "positions_key_idx", "positions", ["account_id", "symbol", "position_side", "changed_at"], unique=False
    )
    op.create_index(
        "positions_open_key",
        "positions",
        ["account_id", "symbol", "position_side"],
        unique=True,
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_index(
        "positions_open_of_user_idx",
        "positions",
        ["user_id"],
        unique=False,
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_table(
        "fills",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("fill_id", sa.Text(), nullable=False),
        sa.Column("position_id", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("client_order_id", sa.Text(), nullable=True),
        sa.Column("position_side", sa.Text(), nullable=False),
        sa.Column("order_side", sa.Text(), nullable=False),
        sa.Column("price", Money(), nullable=False),
        sa.Column("quantity", Money(), nullable=False),
        sa.Column("fee", Money(), nullable=False),
        sa.Column("fee_currency", sa.Text(), nullable=False),
        sa.Column("fee_quote", Money(), nullable=True),
        sa.Column("venue_pnl", Money(), nullable=True),
        sa.Column("pnl", Money(), nullable=False),
        sa.Column("reduced", sa.Boolean(), nullable=False),
        sa.Column("order_kind", sa.Text(), nullable=False),
        sa.Column("executed_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("quantity > 0 AND price > 0", name=op.f("fills_positive_check")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("fills_account_id_fkey")),
        sa.ForeignKeyConstraint(["position_id"], ["positions.position_id"], name=op.f("fills_position_id_fkey")),
        sa.PrimaryKeyConstraint("account_id", "symbol", "fill_id", "position_id", name=op.f("fills_pkey")),
    )
    op.create_index(op.f("fills_position_id_idx"), "fills", ["position_id"], unique=False)
    op.create_table(
        "timeline",
        sa.Column("entry_id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("position_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("happened_at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["position_id"], ["positions.position_id"], name=op.f("timeline_position_id_fkey")),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("timeline_pkey")),
        sa.UniqueConstraint("position_id", "version", name=op.f("timeline_position_id_version_key")),
    )
