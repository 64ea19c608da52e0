"""Whether anything has changed since a position was looked at that an advisor could see.

Invariants: a situation never differs from itself; whatever is quiet is looked at again once `forced_after` is over.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from services.common.trading.level import LevelRules
from services.monitor.domain.evaluation.rules import DEAR_FUNDING, STRONG_TREND, TURNED_TREND
from services.monitor.domain.evaluation.situation import Situation

PRICE_RANGES = Decimal("0.25")
"""In ATRs: a smaller step of the price changes nothing."""
UNMEASURED_STEP = Decimal("0.00125")
"""A fraction of the price: the same, where no ATR is known."""
SENTIMENT_STEP = Decimal("0.2")
LIQUIDATION_BANDS = (Decimal("0.02"), Decimal("0.05"), Decimal("0.1"), Decimal("0.25"))
TREND_BANDS = (-STRONG_TREND, Decimal(-1), TURNED_TREND, Decimal(1), STRONG_TREND)


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a position."""

    at: datetime
    mark: Decimal
    range: Decimal | None
    quantity: Decimal
    entry_price: Decimal | None
    levels: LevelRules
    managed: bool
    trend: int
    liquidation: int
    funding: bool
    sentiment: Decimal | None


def look(situation: Situation) -> Look:
    """What there is to be seen now."""
    position, conditions = situation.subject.position, situation.conditions
    away = situation.to_liquidation
    return Look(
        at=situation.at,
        mark=conditions.mark,
        range=conditions.range,
        quantity=position.quantity,
        entry_price=position.entry_price,
        levels=position.levels,
        managed=situation.subject.managed,
        trend=_band(situation.trend, TREND_BANDS),
        liquidation=-1 if away is None else _band(away, LIQUIDATION_BANDS),
        funding=conditions.funding_rate is not None and abs(conditions.funding_rate) >= DEAR_FUNDING,
        sentiment=situation.sentiment,
    )


def material_change(before: Look | None, now: Look, forced_after: timedelta) -> str:  # noqa: PLR0911 - one line a cause
    """Why it should be looked into; empty where nothing of substance has changed."""
    if before is None:
        return "first"
    if now.at - before.at >= forced_after:
        return "forced"
    if (before.quantity, before.entry_price) != (now.quantity, now.entry_price):
        return "size"
    if (before.levels, before.managed) != (now.levels, now.managed):
        return "levels"
    if (before.range is None) != (now.range is None):
        return "measured"
    if abs(now.mark - before.mark) >= _step(before):
        return "price"
    if before.liquidation != now.liquidation:
        return "liquidation"
    if before.trend != now.trend:
        return "trend"
    if _heard(before.sentiment, now.sentiment):
        return "sentiment"
    return "funding" if before.funding != now.funding else ""


def _step(before: Look) -> Decimal:
    """The least step of the price that counts, quote currency."""
    return before.mark * UNMEASURED_STEP if before.range is None else before.range * PRICE_RANGES


def _heard(before: Decimal | None, now: Decimal | None) -> bool:
    if before is None or now is None:
        return before is not now
    return abs(now - before) >= SENTIMENT_STEP


def _band(number: Decimal, bands: tuple[Decimal, ...]) -> int:
    """The edges that are reached, each from the side on which the rules take it for reached."""
    return sum(number > edge if edge < 0 else number >= edge for edge in bands)
