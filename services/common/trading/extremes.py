"""The price extremes of one symbol by one price source: what the watermark under every trailing stop is computed from.

Invariants: of the highs only those are kept that no later price reached again, so that prices fall as time goes on
(mirrored for lows); whatever order prices are recorded or merged in, and however often, the same is kept.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter

from services.common.trading.side import Side


class TriggerPrice(StrEnum):
    """Which of a venue's prices triggers levels: mark, unless an account says last."""

    MARK = "mark"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Extreme:
    """A price in quote currency, and when it was true by the venue's clock."""

    price: Decimal
    at: datetime


_AT = attrgetter("at")


class Extremes:
    """The best prices for longs (highs) and for shorts (lows), from any moment on."""

    def __init__(self) -> None:
        self._highs: list[Extreme] = []
        self._lows: list[Extreme] = []

    def record(self, price: Decimal, at: datetime) -> bool:
        """Take in a price; whether it is kept as a high or a low. The newest price always is both."""
        extreme = Extreme(price, at)
        high = _take(self._highs, extreme, 1)
        low = _take(self._lows, extreme, -1)
        return high or low

    def merge(self, other: "Extremes") -> None:
        """Take in everything that another has kept: each is the better one of both, whichever came first."""
        self.take(Side.LONG, other.points(Side.LONG))
        self.take(Side.SHORT, other.points(Side.SHORT))

    def take(self, side: Side, points: Iterable[Extreme]) -> tuple[Extreme, ...]:
        """Take in points for one side alone, as a fact or a row has them; those that were news."""
        stack = self._stack(side)
        return tuple(point for point in points if _take(stack, point, side.sign))

    def watermark(self, side: Side, since: datetime) -> Decimal | None:
        """The best price in that side's favour at or after a moment; None where none is known."""
        stack = self._stack(side)
        place = bisect_left(stack, since, key=_AT)
        return stack[place].price if place < len(stack) else None

    def points(self, side: Side, since: datetime | None = None) -> tuple[Extreme, ...]:
        """What is kept for a side, the oldest first: highs for longs, lows for shorts."""
        stack = self._stack(side)
        return tuple(stack if since is None else stack[bisect_left(stack, since, key=_AT) :])

    def prune(self, before: datetime) -> None:
        """Forget what is older: `watermark` stays right from that moment on."""
        for stack in (self._highs, self._lows):
            del stack[: bisect_left(stack, before, key=_AT)]

    def retain(self, side: Side, moments: Collection[datetime], recent: datetime) -> None:
        """Keep of a side only what answers `watermark` for these moments, and for every moment from `recent` on."""
        stack = self._stack(side)
        newest = bisect_left(stack, recent, key=_AT)
        places = {bisect_left(stack, moment, key=_AT) for moment in moments}
        stack[:] = [point for place, point in enumerate(stack) if place >= newest or place in places]

    def __len__(self) -> int:
        return len(self._highs) + len(self._lows)

    def _stack(self, side: Side) -> list[Extreme]:
        return self._highs if side is Side.LONG else self._lows


def _take(stack: list[Extreme], extreme: Extreme, sign: int) -> bool:
    """Put an extreme in its place by time, unless a price as good came then or later; drop those that it outdoes."""
    place = bisect_left(stack, extreme.at, key=_AT)
    if place < len(stack) and sign * stack[place].price >= sign * extreme.price:
        return False
    end = bisect_right(stack, extreme.at, key=_AT)
    first = place
    while first > 0 and sign * stack[first - 1].price <= sign * extreme.price:
        first -= 1
    stack[first:end] = [extreme]
    return True
