"""What bars tell of a market: how far it goes in a bar, where it is heading, how much it shakes.

Invariants: a range is positive or not there; without enough bars there is nothing to say, rather than something weak.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

RANGE_BARS = 14
FAST_BARS = 10
SLOW_BARS = 30
FEWEST_BARS = RANGE_BARS + 1
"""The first bar has no close before it."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, prices in quote currency."""

    high: Decimal
    low: Decimal
    close: Decimal


@dataclass(frozen=True, slots=True)
class Measures:
    """`atr`: the average true range of a bar, quote currency (Wilder's smoothing). `trend`: how far the fast average
    of the closes is above the slow one, in ATRs. `volatility`: root mean square of the closes' steps, a fraction.
    `change`: from the first close to the last, a fraction."""

    atr: Decimal
    trend: Decimal
    volatility: Decimal
    change: Decimal


def measure(bars: Sequence[Bar]) -> Measures | None:
    """The measures of bars, the oldest first; None for too few, and for a market that has not moved at all."""
    if len(bars) < FEWEST_BARS or any(bar.low <= 0 for bar in bars):
        return None
    atr = _average_true_range(bars)
    if atr <= 0:
        return None
    closes = [bar.close for bar in bars]
    steps = [after / before - 1 for before, after in pairwise(closes)]
    return Measures(
        atr=atr,
        trend=(_average(closes, FAST_BARS) - _average(closes, SLOW_BARS)) / atr,
        volatility=(sum((step * step for step in steps), start=Decimal(0)) / len(steps)).sqrt(),
        change=closes[-1] / closes[0] - 1,
    )


def _average_true_range(bars: Sequence[Bar]) -> Decimal:
    ranges = [max(bar.high, before.close) - min(bar.low, before.close) for before, bar in pairwise(bars)]
    average = sum(ranges[:RANGE_BARS], start=Decimal(0)) / RANGE_BARS
    for one in ranges[RANGE_BARS:]:
        average += (one - average) / RANGE_BARS
    return average


def _average(closes: Sequence[Decimal], bars: int) -> Decimal:
    """The exponential average over so many bars."""
    share = Decimal(2) / (bars + 1)
    average = closes[0]
    for close in closes[1:]:
        average += (close - average) * share
    return average
