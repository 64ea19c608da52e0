"""The trace in which an event came about."""

from alembic import op

revision = "0010"
down_revision = "0006"


def upgrade() -> None:
    """Add the column, where the table was made before it had one."""
    op.execute("ALTER TABLE outbox ADD COLUMN IF NOT EXISTS trace_parent text")


def downgrade() -> None:
    """Take it away."""
    op.execute("ALTER TABLE outbox DROP COLUMN IF EXISTS trace_parent")
