"""Alerts of users, what was told, and webhooks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from services.common.database import Money, UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("venue", sa.Text),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("position_id", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("direction", sa.Text),
        sa.Column("threshold", Money()),
        sa.Column("repeating", sa.Boolean, nullable=False),
        sa.Column("hysteresis", Money()),
        sa.Column("webhook", sa.Boolean, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("armed_at", UtcDateTime(), nullable=False),
        sa.Column("last_triggered_at", UtcDateTime()),
        sa.Column("times_triggered", sa.BigInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("alert_id", name="alerts_pkey"),
    )
    op.create_index("alerts_user_id_place_idx", "alerts", ["user_id", "place"])
    op.create_index("alerts_active_idx", "alerts", ["alert_id"], postgresql_where=sa.text("active"))
    op.create_table(
        "alert_requests",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "request_id", name="alert_requests_pkey"),
    )
    op.create_table(
        "alert_states",
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("position_id", sa.Text, nullable=False),
        sa.Column("armed", sa.Boolean, nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("alert_id", "position_id", name="alert_states_pkey"),
    )
    op.create_table(
        "stops_told",
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("position_id", sa.Text, nullable=False),
        sa.Column("price", Money()),
        sa.Column("told_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("alert_id", "position_id", name="stops_told_pkey"),
    )
    op.create_table(
        "alert_watches",
        sa.Column("partition", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.Column("behind", JSONB, nullable=False),
        sa.PrimaryKeyConstraint("partition", name="alert_watches_pkey"),
    )
    _make_told()


def _make_told() -> None:
    op.create_table(
        "triggered_alerts",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("occurred_at", UtcDateTime(), nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("position_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("venue", sa.Text),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("price", Money()),
        sa.Column("level_price", Money()),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("alert_id", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="triggered_alerts_pkey"),
        sa.UniqueConstraint("alert_id", "cause", name="triggered_alerts_alert_id_cause_key"),
    )
    op.create_index("triggered_alerts_user_id_place_idx", "triggered_alerts", ["user_id", "place"])
    op.create_index("triggered_alerts_occurred_at_idx", "triggered_alerts", ["occurred_at"])
    op.create_table(
        "webhooks",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("url", sa.Text),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="webhooks_pkey"),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("next_attempt_at", UtcDateTime(), nullable=False),
        sa.Column("last_attempt_at", UtcDateTime()),
        sa.Column("result", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="webhook_deliveries_pkey"),
    )
    due = sa.text("state = 'pending'")
    op.create_index("webhook_deliveries_due_idx", "webhook_deliveries", ["next_attempt_at"], postgresql_where=due)
    op.create_index("webhook_deliveries_user_id_created_at_idx", "webhook_deliveries", ["user_id", "created_at"])
