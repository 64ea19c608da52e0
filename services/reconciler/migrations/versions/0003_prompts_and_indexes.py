"""Who was asked for, who is due at a venue and who is being looked at, by index: asked at the end of every run."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column and indexes; nothing that is there changes."""
    op.add_column("accounts", sa.Column("prompted_at", sa.DateTime(timezone=True)))
    op.create_index(
        "accounts_prompted_idx", "accounts", ["prompted_at"], postgresql_where=sa.text("prompted_at IS NOT NULL")
    )
    op.create_index("accounts_exchange_due_at_idx", "accounts", ["exchange", "due_at"])
    op.create_index(
        "accounts_held_idx", "accounts", ["lease_expires_at"], postgresql_where=sa.text("lease_owner IS NOT NULL")
    )
