"""Whether a price may trigger anything.

Invariants: a price that is not positive, is older than the limit, or is dated that far ahead, never counts: one stamp
from the future would make all that follow seem late; a price that has nothing before it, or lies more than the limit
away from the one before, counts only once a second source says nearly the same.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum, auto

from services.monitor.domain.position import Instrument


class Verdict(Enum):
    ACCEPTED = auto()
    REFUSED = auto()
    DOUBTED = auto()


@dataclass(frozen=True, slots=True)
class Price:
    """One price of an instrument in quote currency, and when it was true."""

    instrument: Instrument
    value: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class PriceLimits:
    """`largest_step` is a fraction of the price before: 0.02 is 2 %. `oldest`: how old a price may be, or ahead."""

    largest_step: Decimal = Decimal("0.02")
    oldest: timedelta = timedelta(seconds=10)


def judge_price(price: Price, before: Price | None, now: datetime, limits: PriceLimits) -> Verdict:
    """What to make of a price, given the last one that was accepted."""
    if not _counts(price, now, limits):
        return Verdict.REFUSED
    if before is None:
        return Verdict.DOUBTED
    if price.at < before.at:
        return Verdict.REFUSED
    return Verdict.ACCEPTED if are_near(price.value, before.value, limits.largest_step) else Verdict.DOUBTED


def is_confirmed(doubted: Price, second: Price, now: datetime, limits: PriceLimits) -> bool:
    """Whether a second source bears out a price that was doubted."""
    return _counts(second, now, limits) and are_near(doubted.value, second.value, limits.largest_step)


def are_near(one: Decimal, other: Decimal, largest_step: Decimal) -> bool:
    """Whether two prices are at most a fraction of the second apart."""
    return abs(one - other) <= largest_step * other


def _counts(price: Price, now: datetime, limits: PriceLimits) -> bool:
    return price.value.is_finite() and price.value > 0 and abs(now - price.at) <= limits.oldest
