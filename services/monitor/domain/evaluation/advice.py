"""What an advisor may say of a position, and what may become of it.

Invariants: a move names a positive price and nothing else names one; confidence is from 0 to 100.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

LONGEST_REASON = 600


class Action(StrEnum):
    HOLD = "hold"
    MOVE_STOP = "move_stop"
    """To a floor: the effective stop is the better of trail and floor."""
    MOVE_TARGET = "move_target"
    CLOSE = "close"

    @property
    def moves(self) -> bool:
        return self in (Action.MOVE_STOP, Action.MOVE_TARGET)


class Urgency(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Outcome(StrEnum):
    """What became of an advice."""

    HELD = "held"
    ACTED = "acted"
    ADVISED = "advised"
    """Shown alone: the user wants no more, or the position is observed."""
    WITHHELD = "withheld"
    """A guardrail kept it from being acted on."""
    FAILED = "failed"


class Mode(StrEnum):
    """How far the advisor may go for a user."""

    OFF = "off"
    ADVISE = "advise"
    ACT = "act"


@dataclass(frozen=True, slots=True)
class Advice:
    """One answer of an advisor. `price` in quote currency, of a move alone."""

    action: Action
    reason: str
    urgency: Urgency = Urgency.LOW
    confidence: int = 50
    price: Decimal | None = None

    def __post_init__(self) -> None:
        if (self.price is not None) != self.action.moves:
            raise ValueError("a move names a price, and nothing else does")
        if self.price is not None and not (self.price.is_finite() and self.price > 0):
            raise ValueError("a price is positive")
        if not 0 <= self.confidence <= 100:
            raise ValueError("confidence is from 0 to 100")


def hold(reason: str, confidence: int = 50) -> Advice:
    """Leave it as it is."""
    return Advice(Action.HOLD, reason, Urgency.LOW, confidence)
