"""Which positions one price triggers.

Invariants: `services.common.trading.effective_levels.crossed_level` is the one rule of it; only enforced levels fire;
the watermark under a trailing stop starts at the mark at which it was armed and only ever moves in the position's
favour, and is raised before the price is held against the stop. Prices given here are checked already.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from services.common.trading.effective_levels import crossed_level, effective_levels
from services.common.trading.level import LevelKind, Trailing
from services.common.trading.side import Side
from services.monitor.domain.position import Instrument, Position


@dataclass(frozen=True, slots=True)
class Trigger:
    """A level of a position that a price has reached. Prices in quote currency."""

    position: Position
    kind: LevelKind
    price: Decimal
    level_price: Decimal


class TriggerIndex(Protocol):
    """Answers what a price triggers. A position that was triggered stays until it is removed."""

    def put(self, position: Position) -> None:
        """Add a position with an enforced level, or take a newer version of it."""
        ...

    def remove(self, position_id: str) -> None:
        """Forget a position; one that is not there is no error."""
        ...

    def crossed(self, instrument: Instrument, price: Decimal) -> tuple[Trigger, ...]:
        """Take in a price and tell what it triggers."""
        ...


@dataclass(slots=True)
class _Armed:
    position: Position
    watermark: Decimal | None


class SymbolIndex:
    """A TriggerIndex that looks at every position of the price's own symbol."""

    def __init__(self) -> None:
        self._armed: dict[Instrument, dict[str, _Armed]] = {}
        self._instruments: dict[str, Instrument] = {}

    def put(self, position: Position) -> None:
        """Add a position with an enforced level, or take a newer version of it."""
        before = self._armed.get(position.instrument, {}).get(position.position_id)
        watermark = before.watermark if before is not None and _same_arming(before.position, position) else None
        self.remove(position.position_id)
        self._armed.setdefault(position.instrument, {})[position.position_id] = _Armed(position, watermark)
        self._instruments[position.position_id] = position.instrument

    def remove(self, position_id: str) -> None:
        """Forget a position; one that is not there is no error."""
        instrument = self._instruments.pop(position_id, None)
        if instrument is None:
            return
        armed = self._armed[instrument]
        del armed[position_id]
        if not armed:
            del self._armed[instrument]

    def crossed(self, instrument: Instrument, price: Decimal) -> tuple[Trigger, ...]:
        """Take in a price and tell what it triggers."""
        triggers = []
        for armed in self._armed.get(instrument, {}).values():
            armed.watermark = raise_watermark(armed.position, armed.watermark, price)
            trigger = trigger_of(armed.position, price, armed.watermark)
            if trigger is not None:
                triggers.append(trigger)
        return tuple(triggers)


def trigger_of(position: Position, price: Decimal, watermark: Decimal | None) -> Trigger | None:
    """The level of one position that a price has reached, if any."""
    kind = crossed_level(position.side, position.levels, price, watermark)
    if kind is None:
        return None
    levels = effective_levels(position.side, position.levels, price, watermark)
    level_price = levels.stop_loss if kind is LevelKind.STOP_LOSS else levels.take_profit
    return Trigger(position, kind, price, price if level_price is None else level_price)


def raise_watermark(position: Position, watermark: Decimal | None, price: Decimal) -> Decimal | None:
    """The best price in the position's favour since its trailing stop was armed; None where nothing trails."""
    stop = position.levels.stop_loss
    if not stop.enforced or not isinstance(stop.rule, Trailing):
        return None
    start = watermark if watermark is not None else stop.armed_mark
    if start is None:
        return price
    return max(start, price) if position.side is Side.LONG else min(start, price)


def _same_arming(before: Position, after: Position) -> bool:
    one, other = before.levels.stop_loss, after.levels.stop_loss
    return (one.armed_at, one.armed_mark, before.side) == (other.armed_at, other.armed_mark, after.side)
