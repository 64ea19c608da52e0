"""The price extremes under trailing stops, as the monitor tells of them: what is shown follows what fires.

Facts may come in any order, from any replica and more than once: they are merged by max and min.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from services.common.trading.extremes import Extreme, Extremes, TriggerPrice
from services.common.trading.side import Side, Venue

POINTS_KEPT = 10_000
"""Of one symbol and price source. A monotone stack is a few dozen long, unless the price has only fallen for days."""


class WatermarkSource(Protocol):
    """Knows the best price in a position's favour since a moment."""

    def watermark(
        self, venue: Venue, symbol: str, side: Side, since: datetime, trigger_price: TriggerPrice = TriggerPrice.MARK
    ) -> Decimal | None:
        """None where none is known."""
        ...


class Watermarks:
    """The stacks of all symbols."""

    def __init__(self, points_kept: int = POINTS_KEPT) -> None:
        self._points_kept = points_kept
        self._stacks: dict[tuple[Venue, str, TriggerPrice], Extremes] = {}
        self._moved: set[tuple[Venue, str, TriggerPrice]] = set()
        self.moves = 0
        """How many facts told something new."""

    def take(
        self,
        venue: Venue,
        symbol: str,
        trigger_price: TriggerPrice,
        highs: Iterable[Extreme],
        lows: Iterable[Extreme],
    ) -> None:
        """Take a fact in."""
        stack = self._stacks.setdefault((venue, symbol, trigger_price), Extremes())
        news = (*stack.take(Side.LONG, highs), *stack.take(Side.SHORT, lows))
        self.moves += bool(news)
        if news:
            self._moved.add((venue, symbol, trigger_price))
        if len(stack) > self._points_kept:
            moments = sorted(point.at for side in Side for point in stack.points(side))
            stack.prune(moments[len(moments) // 2])

    def watermark(
        self, venue: Venue, symbol: str, side: Side, since: datetime, trigger_price: TriggerPrice = TriggerPrice.MARK
    ) -> Decimal | None:
        """The best price in that side's favour since a moment; None where none is known."""
        stack = self._stacks.get((venue, symbol, trigger_price))
        return None if stack is None else stack.watermark(side, since)

    def stacks(self) -> Iterable[tuple[tuple[Venue, str, TriggerPrice], Extremes]]:
        """What is kept of every symbol and source."""
        return self._stacks.items()

    def take_moved(self) -> frozenset[tuple[Venue, str, TriggerPrice]]:
        """Whose extremes have moved since this was asked last."""
        moved, self._moved = frozenset(self._moved), set()
        return moved
