"""What a model said, held against the schema that it was given.

Invariants: an advice comes of a complete, valid answer alone, and is one that the books could hold; anything else is no
answer, and costs no time to find out.
"""

import json
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.common.trading.money import to_books
from services.monitor.domain.evaluation.advice import LONGEST_REASON, Action, Advice, Urgency

_LARGEST_PRICE = 10**10
"""What the books take for a price is below this."""
_LARGEST_EXPONENT = 100

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "action": {"type": "string", "enum": ["HOLD", "MOVE_STOP", "MOVE_TARGET", "CLOSE"]},
        "price": {"type": ["number", "null"]},
        "reason": {"type": "string"},
        "urgency": {"type": "string", "enum": ["low", "medium", "high"]},
        "confidence": {"type": "integer", "minimum": 0, "maximum": 100},
    },
    "required": ["action", "price", "reason", "urgency", "confidence"],
    "additionalProperties": False,
}
_ACTIONS = {
    "HOLD": Action.HOLD,
    "MOVE_STOP": Action.MOVE_STOP,
    "MOVE_TARGET": Action.MOVE_TARGET,
    "CLOSE": Action.CLOSE,
}


class NoAnswer(Exception):
    """A model's answer that is none; the message says why."""


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    action: Literal["HOLD", "MOVE_STOP", "MOVE_TARGET", "CLOSE"]
    price: Decimal | None = Field(None, gt=0, lt=_LARGEST_PRICE, allow_inf_nan=False)
    reason: str = Field(min_length=1)
    urgency: Literal["low", "medium", "high"]
    confidence: int = Field(ge=0, le=100)


def parse_answer(content: str) -> Advice:
    """The advice in a model's words; text around the object, such as a code fence, is let pass. Raises NoAnswer."""
    start, end = content.find("{"), content.rfind("}")
    if start < 0 or end < start:
        raise NoAnswer("it holds no JSON object")
    try:
        document = json.loads(content[start : end + 1], parse_float=_number, parse_constant=_no_number)
        answer = _Answer.model_validate(document)
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(str(part) for part in one["loc"]) or "all" for one in error.errors()}))
        raise NoAnswer(f"it does not fit the schema: {fields}") from None
    except (ValueError, RecursionError):
        raise NoAnswer("it is not JSON") from None
    action = _ACTIONS[answer.action]
    if action.moves and answer.price is None:
        raise NoAnswer("it moves a level to no price")
    price = to_books(answer.price) if action.moves and answer.price is not None else None
    if price == 0:
        raise NoAnswer("it names a price that the books cannot hold")
    return Advice(action, _plain(answer.reason), Urgency(answer.urgency), answer.confidence, price)


def _number(text: str) -> Decimal:
    """A number of a size that can be reckoned with: to make a whole number of 1e99999999 would take minutes."""
    number = Decimal(text)
    if abs(number.adjusted()) > _LARGEST_EXPONENT:
        raise ValueError("a number without end")
    return number


def _no_number(text: str) -> Decimal:
    raise ValueError(f"{text} is no number in JSON")


def _plain(reason: str) -> str:
    """Words in one line, without characters that cannot be shown or kept."""
    shown = "".join(char if char.isprintable() else " " for char in reason)
    return " ".join(shown.split())[:LONGEST_REASON] or "no reason given"
