"""The one place where a level's rule becomes a price: what fires (monitor) and what is shown (positions) agree.

A trailing stop that is enforced is measured from the best price since it was armed, so it only ever moves in the
position's favour. Everything that is indicative, and every trailing target, is measured from the current price.
"""

from dataclasses import dataclass
from decimal import Decimal

from services.common.trading.level import Level, LevelKind, LevelRules, NoLevel, Pinned, Trailing
from services.common.trading.side import Side


@dataclass(frozen=True, slots=True)
class EffectiveLevels:
    """Prices in quote currency, None where the position has no such level."""

    stop_loss: Decimal | None
    take_profit: Decimal | None


def effective_levels(
    side: Side, rules: LevelRules, current_price: Decimal, watermark: Decimal | None = None
) -> EffectiveLevels:
    """Turn a position's rules into prices.

    `current_price` is the trigger price now; `watermark` is the best price in the position's favour since its stop
    was armed, where one is known.
    """
    return EffectiveLevels(
        stop_loss=_stop_price(side, rules, current_price, watermark),
        take_profit=_target_price(side, rules.take_profit, current_price),
    )


def reached_level(
    side: Side, rules: LevelRules, price: Decimal, watermark: Decimal | None = None
) -> tuple[LevelKind, Decimal] | None:
    """The enforced level that this price has reached, and where that level is.

    The stop goes first; a trailing target never fires.
    """
    if rules.stop_loss.armed_at is not None:
        stop = _stop_price(side, rules, price, watermark)
        if stop is not None and is_beyond_stop(side, stop, price):
            return LevelKind.STOP_LOSS, stop
    target = rules.take_profit
    if target.armed_at is not None:
        rule = target.rule
        if isinstance(rule, Pinned) and is_beyond_target(side, rule.price, price):
            return LevelKind.TAKE_PROFIT, rule.price
    return None


def is_beyond_stop(side: Side, stop: Decimal, price: Decimal) -> bool:
    """A stop is reached when the price touches it or is past it."""
    return price <= stop if side is Side.LONG else price >= stop


def is_beyond_target(side: Side, target: Decimal, price: Decimal) -> bool:
    """A target is reached when the price touches it or is past it."""
    return price >= target if side is Side.LONG else price <= target


def _stop_price(side: Side, rules: LevelRules, current_price: Decimal, watermark: Decimal | None) -> Decimal | None:
    # Asked for every candidate that a price may trigger: isinstance takes half as long as match.
    stop = rules.stop_loss
    rule = stop.rule
    if isinstance(rule, Trailing):
        reference = _trailing_reference(side, stop, current_price, watermark)
        trail = reference * (1 - rule.distance if side is Side.LONG else 1 + rule.distance)
        return trail if rules.floor is None else _better(side, trail, rules.floor)
    return rule.price if isinstance(rule, Pinned) else None


def _target_price(side: Side, target: Level, current_price: Decimal) -> Decimal | None:
    match target.rule:
        case NoLevel():
            return None
        case Pinned(price):
            return price
        case Trailing(distance):
            return current_price * (1 + side.sign * distance)


def _trailing_reference(side: Side, stop: Level, current_price: Decimal, watermark: Decimal | None) -> Decimal:
    if stop.armed_at is None:
        return current_price
    reference = stop.armed_mark if stop.armed_mark is not None else current_price
    return reference if watermark is None else _better(side, reference, watermark)


def _better(side: Side, one: Decimal, other: Decimal) -> Decimal:
    return one if (one >= other) is (side is Side.LONG) else other
