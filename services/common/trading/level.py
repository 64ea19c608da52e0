"""Stop-loss and take-profit: the rule of a level, and whether it is enforced.

A rule says how a price follows; it is not itself a price. Only an enforced level may ever fire.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class LevelKind(StrEnum):
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"


@dataclass(frozen=True, slots=True)
class Trailing:
    """Follows the price at a distance, given as a fraction of it (0.02 is 2 %)."""

    distance: Decimal

    def __post_init__(self) -> None:
        if not 0 < self.distance < 1:
            raise ValueError(f"a trailing distance is between 0 and 1, not {self.distance}")


@dataclass(frozen=True, slots=True)
class Pinned:
    """Stays at one price, in quote currency."""

    price: Decimal

    def __post_init__(self) -> None:
        if self.price <= 0:
            raise ValueError(f"a pinned level needs a positive price, not {self.price}")


@dataclass(frozen=True, slots=True)
class NoLevel:
    """The position has no such level."""


LevelRule = Trailing | Pinned | NoLevel

DEFAULT_STOP_DISTANCE = Decimal("0.02")
DEFAULT_TARGET_DISTANCE = Decimal("0.04")


@dataclass(frozen=True, slots=True)
class Level:
    """A rule, and since when and from which mark price it is enforced; both are None while it is indicative."""

    rule: LevelRule
    armed_at: datetime | None = None
    armed_mark: Decimal | None = None

    @property
    def enforced(self) -> bool:
        return self.armed_at is not None and not isinstance(self.rule, NoLevel)


@dataclass(frozen=True, slots=True)
class LevelRules:
    """Both levels of a position, and the floor that may be set under a trailing stop (a price, or None)."""

    stop_loss: Level
    take_profit: Level
    floor: Decimal | None = None


INDICATIVE_LEVELS = LevelRules(
    stop_loss=Level(Trailing(DEFAULT_STOP_DISTANCE)), take_profit=Level(Trailing(DEFAULT_TARGET_DISTANCE))
)
"""What an adopted position shows until somebody sets a level on it."""
