"""The first intent of a position can be told from those after it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the mark, and let a position have one such intent; those that are there already stay unmarked."""
    op.add_column("intents", sa.Column("first", sa.Boolean, nullable=False, server_default=sa.text("false")))
    op.create_index("intents_first_idx", "intents", ["position_id"], unique=True, postgresql_where=sa.text("first"))
