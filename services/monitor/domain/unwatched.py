"""What the levels of a position would have seen while nobody watched, from the venue's candles of that time.

Invariants: within a candle the order of high and low is not known, so its adverse extreme is held against the watermark
from before it, and only then is the watermark raised; one that opened before a level was armed tells nothing of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.common.trading.effective_levels import reached_level
from services.common.trading.level import LevelKind
from services.common.trading.side import Side
from services.monitor.domain.position import Position


@dataclass(frozen=True, slots=True)
class Candle:
    """One bar of the price that triggers, in quote currency."""

    opened_at: datetime
    high: Decimal
    low: Decimal


@dataclass(frozen=True, slots=True)
class Unwatched:
    """The watermark after it all, and the first level that was crossed: which, where it was, by what and when."""

    watermark: Decimal | None
    crossed: LevelKind | None = None
    level_price: Decimal | None = None
    price: Decimal | None = None
    at: datetime | None = None


def look_back(position: Position, watermark: Decimal | None, candles: Iterable[Candle]) -> Unwatched:
    """Hold a position's levels against candles, the oldest first; `watermark` is the one from before them."""
    levels = position.levels
    armed = [level.armed_at for level in (levels.stop_loss, levels.take_profit) if level.armed_at is not None]
    since = max(armed, default=position.opened_at)
    seen = Unwatched(watermark)
    for candle in candles:
        if candle.opened_at < since:
            continue
        best, worst = (candle.high, candle.low) if position.side is Side.LONG else (candle.low, candle.high)
        mark = seen.watermark if seen.watermark is not None else levels.stop_loss.armed_mark
        if seen.crossed is None and mark is not None:
            for price in (worst, best):
                reached = reached_level(position.side, levels, price, mark)
                if reached is not None:
                    seen = Unwatched(seen.watermark, reached[0], reached[1], price, candle.opened_at)
                    break
        raised = best if mark is None else (max if position.side is Side.LONG else min)(mark, best)
        seen = Unwatched(raised, seen.crossed, seen.level_price, seen.price, seen.at)
    return seen
