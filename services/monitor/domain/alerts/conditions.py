"""What a threshold comes down to: a price that is reached from one side, and the price from which it may be again.

Invariants: `back` lies strictly on the other side of `level`, so that no price both fires and arms; a condition on a
position is a price of this version of it alone; a profit is measured without fees and funding, as live marks are.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.common.trading.side import Side
from services.monitor.domain.alert import AlertKind
from services.monitor.domain.alerts.rule import Direction, Rule, default_hysteresis
from services.monitor.domain.position import Position
from services.monitor.domain.unwatched import Candle

_HUNDRED = Decimal(100)
_AROUND_ZERO = Decimal("0.05")
"""Percent of the entry notional: how far a profit has to go back from a threshold of zero."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Reached by a price at `level` or past it, upwards where `rising`; to be reached again only after `back`."""

    rising: bool
    level: Decimal
    back: Decimal

    def reached(self, price: Decimal) -> bool:
        return price >= self.level if self.rising else price <= self.level

    def gone_back(self, price: Decimal) -> bool:
        return price <= self.back if self.rising else price >= self.back


def price_condition(rule: Rule) -> Condition:
    """Of a price target."""
    level, direction = _stated(rule)
    percent = rule.hysteresis if rule.hysteresis is not None else default_hysteresis(rule.kind, level)
    return Condition(direction is Direction.ABOVE, level, level * (1 - direction.sign * percent / _HUNDRED))


def profit_condition(rule: Rule, position: Position) -> Condition | None:
    """Of a profit or loss, for one version of a position; None where its entry price is not known."""
    entry, quantity = position.entry_price, position.quantity
    threshold, direction = _stated(rule)
    if not entry or quantity <= 0:
        return None
    notional = entry * quantity
    unit = Decimal(1) if rule.kind is AlertKind.PROFIT_AMOUNT else notional / _HUNDRED
    hysteresis = rule.hysteresis
    if hysteresis is None:
        hysteresis = default_hysteresis(rule.kind, threshold) or notional / unit * _AROUND_ZERO / _HUNDRED
    back = threshold - direction.sign * hysteresis
    sign = position.side.sign
    return Condition(
        rising=direction.sign * sign > 0,
        level=entry + sign * threshold * unit / quantity,
        back=entry + sign * back * unit / quantity,
    )


def liquidation_condition(percent: Decimal, hysteresis: Decimal | None, side: Side, liquidation: Decimal) -> Condition:
    """Reached where no more than `percent` of the price is left of the way to the liquidation price."""
    more = hysteresis if hysteresis is not None else default_hysteresis(AlertKind.LIQUIDATION_NEAR, percent)
    return Condition(
        rising=side is Side.SHORT,
        level=liquidation / (1 - side.sign * percent / _HUNDRED),
        back=liquidation / (1 - side.sign * (percent + more) / _HUNDRED),
    )


def first_armed(rule: Rule) -> bool:
    """Whether an alert may fire before the value has once been on the other side.

    A profit is zero where a position begins: a threshold that zero has not reached may fire from there on.
    """
    if rule.kind not in {AlertKind.PROFIT_AMOUNT, AlertKind.PROFIT_PERCENT}:
        return True
    threshold, direction = _stated(rule)
    return direction.sign * threshold > 0


@dataclass(frozen=True, slots=True)
class Looked:
    """What candles say: whether it is armed after them, and the first price that fired, if one did, and when."""

    armed: bool
    price: Decimal | None = None
    at: datetime | None = None


def look_back(condition: Condition, candles: Iterable[Candle], since: datetime, *, armed: bool) -> Looked:
    """Hold a condition against candles of a time when nobody watched, the oldest first.

    A candle that opened before `since` tells nothing of it. Within a candle the order of high and low is unknown: one
    that arms it does not fire it as well.
    """
    for candle in candles:
        if candle.opened_at < since:
            continue
        far, near = (candle.high, candle.low) if condition.rising else (candle.low, candle.high)
        if armed and condition.reached(far):
            return Looked(True, far, candle.opened_at)
        armed = armed or condition.gone_back(near)
    return Looked(armed)


def _stated(rule: Rule) -> tuple[Decimal, Direction]:
    if rule.threshold is None or rule.direction is None:
        raise ValueError(f"{rule.kind} without a threshold or direction")
    return rule.threshold, rule.direction
