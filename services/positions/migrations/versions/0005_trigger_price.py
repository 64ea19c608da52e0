"""Which of a venue's prices triggers the levels of an account, and of each of its positions."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_KNOWN = "trigger_price IN ('mark', 'last')"


def upgrade() -> None:
    """Mark prices, as before, until somebody says otherwise."""
    for table in ("accounts", "positions"):
        op.add_column(table, sa.Column("trigger_price", sa.Text, nullable=False, server_default="mark"))
        op.create_check_constraint(op.f(f"{table}_trigger_price_check"), table, _KNOWN)


def downgrade() -> None:
    """Back to mark prices for all."""
    for table in ("positions", "accounts"):
        op.drop_constraint(op.f(f"{table}_trigger_price_check"), table)
        op.drop_column(table, "trigger_price")
