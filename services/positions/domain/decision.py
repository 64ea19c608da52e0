"""What the reconciler may decide about an account, as positions carries it out."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum

from services.common.trading.fill import Fill
from services.common.trading.reading import VenuePosition


@dataclass(frozen=True, slots=True)
class Adopt:
    """A position that the books do not know becomes an observed row. `fills` opened it, as far as known."""

    seen: VenuePosition
    asked_at: datetime
    taken_at: datetime
    fills: tuple[Fill, ...] = ()


@dataclass(frozen=True, slots=True)
class Close:
    """A row ended. `fills` are all since its quantity was settled; `final_quantity` (signed) is what they led to."""

    position_id: str
    expected_version: int
    fills: tuple[Fill, ...]
    final_quantity: Decimal


@dataclass(frozen=True, slots=True)
class Adjust:
    """A row is still open with another size, entry or leverage; `fills` brought it about, as far as known."""

    position_id: str
    expected_version: int
    seen: VenuePosition
    asked_at: datetime
    taken_at: datetime
    fills: tuple[Fill, ...] = ()


@dataclass(frozen=True, slots=True)
class CloseEstimated:
    """A row ended and no fills say how. `missed_at` is when the first reading without it was asked for."""

    position_id: str
    expected_version: int
    missed_at: datetime


@dataclass(frozen=True, slots=True)
class CompleteExit:
    """Fills for a row that was closed without them: all of its slot since its quantity was settled."""

    position_id: str
    expected_version: int
    fills: tuple[Fill, ...]


Act = Adopt | Close | Adjust | CloseEstimated | CompleteExit


@dataclass(frozen=True, slots=True)
class Decision:
    """One act, with its evidence in plain words. `decision_id` is unique within a run."""

    decision_id: str
    act: Act
    evidence: str


class Outcome(Enum):
    """APPLIED, or STALE where the row changed after the reading was asked for and nothing was done."""

    APPLIED = 1
    STALE = 2


@dataclass(frozen=True, slots=True)
class DecisionResult:
    decision_id: str
    outcome: Outcome
    position_id: str
