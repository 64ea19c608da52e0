"""Indexes in the order in which the audit log is read page by page."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("audit_at_attempt_id_idx", "audit", ["at", "attempt_id"])
    op.create_index("audit_user_id_at_attempt_id_idx", "audit", ["user_id", "at", "attempt_id"])
