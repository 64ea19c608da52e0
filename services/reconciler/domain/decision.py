"""What is to be done to the books, and what became of it.

A decision's id follows from the fact it rests on (the row's version, the moment of the reading), so the same
observation always gives the same ids and a repeated decision is recognised.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from services.common.trading.fill import Fill
from services.common.trading.reading import VenuePosition


@dataclass(frozen=True, slots=True)
class Adopt:
    """A position that the books do not know becomes an observed row. `fills` opened it, as far as known."""

    position: VenuePosition
    asked_at: datetime
    taken_at: datetime
    fills: tuple[Fill, ...]
    evidence: str

    @property
    def decision_id(self) -> str:
        return f"adopt:{self.position.symbol}:{self.position.position_side}:{self.asked_at.isoformat()}"


@dataclass(frozen=True, slots=True)
class Close:
    """A row ended. `fills` are all since it was settled, in order; `final_quantity` (signed) is what they led to."""

    position_id: str
    expected_version: int
    fills: tuple[Fill, ...]
    final_quantity: Decimal
    evidence: str

    @property
    def decision_id(self) -> str:
        return f"close:{self.position_id}:{self.expected_version}"


@dataclass(frozen=True, slots=True)
class Adjust:
    """A row is open still, with another size, entry or leverage. `fills` is empty where none explain the change."""

    position_id: str
    expected_version: int
    position: VenuePosition
    asked_at: datetime
    taken_at: datetime
    fills: tuple[Fill, ...]
    evidence: str

    @property
    def decision_id(self) -> str:
        return f"adjust:{self.position_id}:{self.expected_version}"


@dataclass(frozen=True, slots=True)
class CloseEstimated:
    """A row ended and no fills say how. `missed_at` is when the first reading that missed it was asked for."""

    position_id: str
    expected_version: int
    missed_at: datetime
    evidence: str

    @property
    def decision_id(self) -> str:
        return f"close_estimated:{self.position_id}:{self.expected_version}"


@dataclass(frozen=True, slots=True)
class CompleteExit:
    """Fills have appeared for a row that was closed without them; `fills` are all since it was settled."""

    position_id: str
    expected_version: int
    fills: tuple[Fill, ...]
    evidence: str

    @property
    def decision_id(self) -> str:
        return f"complete_exit:{self.position_id}:{self.expected_version}"


Decision = Adopt | Close | Adjust | CloseEstimated | CompleteExit


def kind_of(decision_id: str) -> str:
    """What a decision did, by its id: adopt, close, adjust, close_estimated, complete_exit."""
    return decision_id.split(":", 1)[0]


class DecisionOutcome(StrEnum):
    APPLIED = "applied"
    STALE = "stale"
    """The row had changed after the reading was asked for: nothing was done."""


@dataclass(frozen=True, slots=True)
class DecisionResult:
    decision_id: str
    outcome: DecisionOutcome
    position_id: str
