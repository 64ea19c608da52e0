"""What an order rests on, in a sentence for the position's timeline."""

from collections.abc import Iterable
from datetime import UTC, datetime

from services.common.trading.client_order_id import OrderCause
from services.common.trading.money import format_decimal
from services.monitor.domain.intent import Intent

_LEVELS = {OrderCause.STOP_LOSS: "stop-loss", OrderCause.TAKE_PROFIT: "take-profit"}
_ASKED = {OrderCause.MANUAL: "by hand", OrderCause.AI_SIGNAL: "by the advisor", OrderCause.OPEN: "by a flow"}


def tell_story(intent: Intent, attempts: Iterable[Intent] = ()) -> str:
    """Why the order of an intent was sent, and what became of the attempts before it."""
    earlier = [
        f"Attempt {attempt.attempt} was {_outcome(attempt)}."
        for attempt in attempts
        if attempt.intent_id != intent.intent_id and attempt.outcome is not None
    ]
    return " ".join((_decision(intent), *earlier))


def _decision(intent: Intent) -> str:
    evidence = intent.evidence
    level = _LEVELS.get(intent.cause)
    if level is None or evidence.price is None or evidence.level_price is None:
        return f"Asked for {_ASKED.get(intent.cause, intent.cause.value)} at {_moment(evidence.decided_at)}."
    at = evidence.decided_at if evidence.price_at is None else evidence.price_at
    price, reached = format_decimal(evidence.price), format_decimal(evidence.level_price)
    return f"The price {price} of {_moment(at)} reached the {level} at {reached}."


def _outcome(attempt: Intent) -> str:
    outcome = "" if attempt.outcome is None else attempt.outcome.value.replace("_", " ")
    return f"{outcome} ({attempt.reason})" if attempt.reason else outcome


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
