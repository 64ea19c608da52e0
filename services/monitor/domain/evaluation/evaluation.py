"""One look at a position, as it is kept and told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from services.monitor.domain.evaluation.advice import Action, Advice, Outcome

RULES = "rules"
LLM = "llm"

PRICE_NEWS = Decimal("0.001")
"""A fraction: a move to a price that differs by less says the same as before."""


@dataclass(frozen=True, slots=True)
class ModelCall:
    """What asking a model took. Latency in milliseconds, cost in US dollars; hashes are SHA-256, in hex."""

    model: str
    prompt_hash: str
    answer_hash: str
    latency_milliseconds: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`advisor`: who answered, rules or llm; `fallback_reason`: why the rules did in a model's place, else empty.

    `conditions`: what it rested on, as plain JSON values. `mark_price` in quote currency, `sentiment` from -1 to 1.
    """

    evaluation_id: UUID
    position_id: str
    user_id: str
    account_id: str
    evaluated_at: datetime
    advice: Advice
    outcome: Outcome
    outcome_reason: str
    advisor: str
    fallback_reason: str
    mark_price: Decimal
    sentiment: Decimal | None
    conditions: Mapping[str, object]
    call: ModelCall | None = None


def is_news(before: Advice | None, before_outcome: Outcome | None, now: Evaluation) -> bool:
    """Whether it says something else than the one before, or was acted on."""
    if now.outcome is Outcome.ACTED:
        return True
    if before is None:
        return now.advice.action is not Action.HOLD
    if (before.action, before.urgency, before_outcome) != (now.advice.action, now.advice.urgency, now.outcome):
        return True
    old, new = before.price, now.advice.price
    return old is not None and new is not None and abs(new - old) > old * PRICE_NEWS
