"""Taking a position into Tandem's care and giving it back; what may be said of a level before it is enforced.

A trailing target is a projection: it is shown and never fires, so it is never armed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from services.common.errors import PositionAlreadyClosed
from services.common.trading.client_order_id import OrderCause, parse_client_order_id
from services.common.trading.effective_levels import effective_levels, is_beyond_stop, is_beyond_target
from services.common.trading.extremes import TriggerPrice
from services.common.trading.fill import Fill
from services.common.trading.level import (
    DEFAULT_STOP_DISTANCE,
    DEFAULT_TARGET_DISTANCE,
    INDICATIVE_LEVELS,
    Level,
    LevelKind,
    LevelRule,
    LevelRules,
    NoLevel,
    Pinned,
    Trailing,
)
from services.common.trading.money import format_decimal
from services.common.trading.side import Side
from services.positions.domain.errors import FloorWithoutTrailingStop, LevelAlreadyCrossed, StopBeyondLiquidation
from services.positions.domain.position import Position
from services.positions.domain.timeline import Actor

LEVEL_NAMES = {LevelKind.STOP_LOSS: "stop-loss", LevelKind.TAKE_PROFIT: "take-profit"}


@dataclass(frozen=True, slots=True)
class Market:
    """What a level is judged by: the price that triggers it, and that of liquidation where the venue says one."""

    price: Decimal
    liquidation_price: Decimal | None = None
    source: TriggerPrice = TriggerPrice.MARK

    def __str__(self) -> str:
        return f"the {self.source.value} price was {format_decimal(self.price)}"


@dataclass(frozen=True, slots=True)
class StatedLevels:
    """The rules of both levels."""

    stop_loss: LevelRule
    take_profit: LevelRule


DEFAULT_LEVELS = StatedLevels(Trailing(DEFAULT_STOP_DISTANCE), Trailing(DEFAULT_TARGET_DISTANCE))


def arm(kind: LevelKind, rule: LevelRule, price: Decimal, now: datetime) -> Level:
    """The level, enforced from now on where its rule can fire. `price` is the one that triggers it."""
    if isinstance(rule, NoLevel) or (kind is LevelKind.TAKE_PROFIT and isinstance(rule, Trailing)):
        return Level(rule)
    return Level(rule, armed_at=now, armed_mark=price)


def triggered_by(position: Position, source: TriggerPrice, price: Decimal, now: datetime) -> Position:
    """The row with its levels triggered by another price, those that are enforced armed anew at what it is now."""
    stop, target = (
        replace(level, armed_at=now, armed_mark=price) if level.enforced else level
        for level in (position.levels.stop_loss, position.levels.take_profit)
    )
    levels = replace(position.levels, stop_loss=stop, take_profit=target)
    return replace(position, trigger_price=source, levels=levels, version=position.version + 1)


def judge_enforced(position: Position, price: Decimal) -> None:
    """Whether what is enforced of a position may be triggered by this price. Raises LevelAlreadyCrossed."""
    levels = position.levels
    stop = levels.stop_loss if levels.floor is None else Level(Pinned(levels.floor), levels.stop_loss.armed_at)
    for kind, level in ((LevelKind.STOP_LOSS, stop), (LevelKind.TAKE_PROFIT, levels.take_profit)):
        if level.enforced:
            judge_level(position.side, kind, level.rule, Market(price), Actor.USER)


def manage(position: Position, stated: StatedLevels, price: Decimal, author: Actor, now: datetime) -> Position:
    """The row in Tandem's care, with both levels as stated; the version stays: it is part of a change."""
    if not position.is_open:
        raise PositionAlreadyClosed(position_id=position.position_id)
    levels = LevelRules(
        stop_loss=arm(LevelKind.STOP_LOSS, stated.stop_loss, price, now),
        take_profit=arm(LevelKind.TAKE_PROFIT, stated.take_profit, price, now),
    )
    return replace(position, managed=True, levels=levels, stop_set_by=author)


def go_on(before: Position, position: Position, price: Decimal, now: datetime) -> Position:
    """A row for the position that another row was, which has not ended: whose it is and its levels stay as they were.

    `price` is the one that triggers its levels now: they are armed at it where another kind of price did before.
    """
    same = replace(
        position,
        origin=before.origin,
        managed=before.managed,
        opened_at=before.opened_at,
        intent_id=before.intent_id,
        provenance=before.provenance,
        stop_set_by=before.stop_set_by,
        levels=before.levels,
    )
    if before.trigger_price is position.trigger_price:
        return same
    return replace(triggered_by(same, position.trigger_price, price, now), version=position.version)


def release(position: Position) -> Position:
    """The row given back: observed, with indicative levels."""
    if not position.is_open:
        raise PositionAlreadyClosed(position_id=position.position_id)
    return replace(position, managed=False, levels=INDICATIVE_LEVELS, stop_set_by=None)


def with_floor(position: Position, floor: Decimal | None) -> Position:
    """The row with another floor under its trailing stop. Raises FloorWithoutTrailingStop."""
    if not position.is_open:
        raise PositionAlreadyClosed(position_id=position.position_id)
    stop = position.levels.stop_loss
    if floor is not None and not (stop.enforced and isinstance(stop.rule, Trailing)):
        raise FloorWithoutTrailingStop(position_id=position.position_id)
    return replace(position, levels=replace(position.levels, floor=floor))


def judge_level(side: Side, kind: LevelKind, rule: LevelRule, market: Market, author: Actor) -> list[str]:
    """Warnings about a level that is to be enforced.

    Raises LevelAlreadyCrossed where the price is past it already, StopBeyondLiquidation where a flow or the AI states a
    stop that the venue's liquidation would come before; a person is warned of that.
    """
    if isinstance(rule, Pinned):
        beyond = is_beyond_stop if kind is LevelKind.STOP_LOSS else is_beyond_target
        if beyond(side, rule.price, market.price):
            raise LevelAlreadyCrossed(
                price=format_decimal(market.price),
                level=LEVEL_NAMES[kind],
                level_price=format_decimal(rule.price),
            )
    if kind is LevelKind.TAKE_PROFIT:
        return []
    stop = effective_levels(side, LevelRules(Level(rule), Level(NoLevel())), market.price).stop_loss
    liquidation = market.liquidation_price
    if stop is None or liquidation is None or not is_beyond_stop(side, liquidation, stop):
        return []
    if author in (Actor.FLOW, Actor.AI):
        raise StopBeyondLiquidation(stop=format_decimal(stop), liquidation_price=format_decimal(liquidation))
    warning = (
        f"The stop at {format_decimal(stop)} lies beyond the liquidation price {format_decimal(liquidation)}:"
        " the venue would liquidate the position before it is reached."
    )
    return [warning]


def opening_intent(fills: Iterable[Fill]) -> str | None:
    """The intent of Tandem whose order opened a position, told from its fills; None where it was none of ours."""
    for fill in fills:
        ours = parse_client_order_id(fill.client_order_id)
        if ours is not None and ours.cause is OrderCause.OPEN:
            return str(ours.intent_id)
    return None
