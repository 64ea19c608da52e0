"""Evaluations of positions, how far the advisor may go for a user, and what models cost."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from services.common.database import Money, UtcDateTime

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "evaluations",
        sa.Column("evaluation_id", sa.Uuid, nullable=False),
        sa.Column("place", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("position_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("evaluated_at", UtcDateTime(), nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("price", Money()),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("urgency", sa.Text, nullable=False),
        sa.Column("confidence", sa.Integer, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("outcome_reason", sa.Text, nullable=False),
        sa.Column("advisor", sa.Text, nullable=False),
        sa.Column("fallback_reason", sa.Text, nullable=False),
        sa.Column("mark_price", Money(), nullable=False),
        sa.Column("sentiment", Money()),
        sa.Column("conditions", JSONB, nullable=False),
        sa.Column("model", sa.Text),
        sa.Column("prompt_hash", sa.Text),
        sa.Column("answer_hash", sa.Text),
        sa.Column("latency_milliseconds", sa.BigInteger),
        sa.Column("input_tokens", sa.BigInteger),
        sa.Column("output_tokens", sa.BigInteger),
        sa.Column("cost_usd", Money()),
        sa.PrimaryKeyConstraint("evaluation_id", name="evaluations_pkey"),
    )
    op.create_index("evaluations_position_id_place_idx", "evaluations", ["position_id", "place"])
    op.create_index("evaluations_evaluated_at_idx", "evaluations", ["evaluated_at"])
    op.create_index(
        "evaluations_acted_idx",
        "evaluations",
        ["position_id", "evaluated_at"],
        postgresql_where=sa.text("outcome = 'acted'"),
    )
    op.create_table(
        "advisor_settings",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="advisor_settings_pkey"),
    )
    op.create_table(
        "advisor_spending",
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("spent_usd", Money(), nullable=False),
        sa.PrimaryKeyConstraint("day", "user_id", name="advisor_spending_pkey"),
    )
