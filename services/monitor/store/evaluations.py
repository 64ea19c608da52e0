"""The tables of evaluations: what was said of positions, how far the advisor may go for a user, what models cost."""

from sqlalchemy import BigInteger, Column, Date, Identity, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from services.common.database import Money, UtcDateTime
from services.monitor.store.metadata import METADATA

EVALUATIONS = Table(
    "evaluations",
    METADATA,
    Column("evaluation_id", Uuid, primary_key=True),
    Column("place", BigInteger, Identity(always=True), nullable=False),
    Column("position_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("evaluated_at", UtcDateTime, nullable=False),
    Column("action", Text, nullable=False),
    Column("price", Money),
    Column("reason", Text, nullable=False),
    Column("urgency", Text, nullable=False),
    Column("confidence", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("outcome_reason", Text, nullable=False),
    Column("advisor", Text, nullable=False),
    Column("fallback_reason", Text, nullable=False),
    Column("mark_price", Money, nullable=False),
    Column("sentiment", Money),
    Column("conditions", JSONB, nullable=False),
    Column("model", Text),
    Column("prompt_hash", Text),
    Column("answer_hash", Text),
    Column("latency_milliseconds", BigInteger),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("cost_usd", Money),
    Index("evaluations_position_id_place_idx", "position_id", "place"),
    Index("evaluations_evaluated_at_idx", "evaluated_at"),
    Index("evaluations_acted_idx", "position_id", "evaluated_at", postgresql_where=text("outcome = 'acted'")),
)

ADVISOR_SETTINGS = Table(
    "advisor_settings",
    METADATA,
    Column("user_id", Text, primary_key=True),
    Column("mode", Text, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
)

ADVISOR_SPENDING = Table(
    "advisor_spending",
    METADATA,
    Column("day", Date, primary_key=True),
    # Empty: of everybody.
    Column("user_id", Text, primary_key=True),
    Column("spent_usd", Money, nullable=False),
)
