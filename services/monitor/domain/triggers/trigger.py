"""What a price triggers, exactly: the rule that every structure here asks in the end."""

from decimal import Decimal
from typing import NamedTuple, Protocol

from services.common.trading.effective_levels import reached_level
from services.common.trading.level import LevelKind
from services.monitor.domain.position import Instrument, Position


class Trigger(NamedTuple):
    """A level of a position that a price has reached. Prices in quote currency."""

    position: Position
    kind: LevelKind
    price: Decimal
    level_price: Decimal


class Crossed(NamedTuple):
    """What a price triggered that the one before had not, and whether it moved the watermark under any stop."""

    triggers: tuple[Trigger, ...]
    raised: bool


NOTHING = Crossed((), False)
RAISED = Crossed((), True)


class Standing(NamedTuple):
    """All that a price has reached, old and new, and the positions whose levels it has left again."""

    triggers: tuple[Trigger, ...]
    recovered: tuple[str, ...]


class TriggerIndex(Protocol):
    """Answers what a price triggers."""

    def put(self, position: Position, watermark: Decimal | None = None) -> None:
        """Add a position with an enforced level, or take a newer version of it.

        `watermark` is the best price in its favour since its stop was armed, where one is known.
        """
        ...

    def remove(self, position_id: str) -> None:
        """Forget a position; one that is not there is no error."""
        ...

    def crossed(self, instrument: Instrument, price: Decimal) -> Crossed:
        """Take in a price, and tell what it triggers that had not been triggered yet."""
        ...

    def standing(self, instrument: Instrument, price: Decimal) -> Standing:
        """Hold a price against everything again; watermarks stay. What has recovered can be triggered anew."""
        ...

    def watermark(self, position_id: str) -> Decimal | None:
        """The watermark under a position's trailing stop; None where nothing trails."""
        ...


def trigger_of(position: Position, price: Decimal, watermark: Decimal | None) -> Trigger | None:
    """The level of one position that a price has reached, if any."""
    reached = reached_level(position.side, position.levels, price, watermark)
    return None if reached is None else Trigger(position, reached[0], price, reached[1])
