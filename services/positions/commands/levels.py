"""Levels of positions: set one, state both, or give the position back.

A level is judged by a price that was read before the transaction; the row and the switches of its account are held
while it is written.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from services.common.clock import Clock
from services.common.errors import PositionAlreadyClosed, PositionNotFound, TradingNotEnabled, VersionConflict
from services.common.trading.extremes import TriggerPrice
from services.common.trading.level import Level, LevelKind, LevelRule, LevelRules, NoLevel, Pinned, Trailing
from services.common.trading.money import format_decimal
from services.positions.commands.journal import Journal, write_change
from services.positions.domain.care import (
    LEVEL_NAMES,
    Market,
    StatedLevels,
    arm,
    judge_level,
    manage,
    release,
    with_floor,
)
from services.positions.domain.errors import PriceUnavailable
from services.positions.domain.position import Position, set_level
from services.positions.domain.provenance import CloseAdvice
from services.positions.domain.timeline import Actor, Change
from services.positions.prices import TriggerPrices
from services.positions.readings import AccountReadings
from services.positions.store import accounts
from services.positions.store import positions as rows


@dataclass(frozen=True, slots=True)
class Request:
    """Who wants a change of which position, and why. `expected_version` None takes whatever is there."""

    user_id: str
    position_id: str
    expected_version: int | None = None
    author: Actor = Actor.USER
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Changed:
    """The position after a change, and what a person should know about it."""

    position: Position
    warnings: tuple[str, ...] = ()


class LevelCommands:
    """Changes of levels by a user, or by a flow or the AI in the user's name.

    All raise PositionNotFound, PositionAlreadyClosed, VersionConflict; what enforces a level raises TradingNotEnabled,
    PriceUnavailable, LevelAlreadyCrossed (that would be a close, not a level) and StopBeyondLiquidation.
    """

    def __init__(self, journal: Journal, readings: AccountReadings, prices: TriggerPrices, clock: Clock) -> None:
        self._journal = journal
        self._readings = readings
        self._prices = prices
        self._clock = clock

    async def set_level(
        self, user_id: str, position_id: str, kind: LevelKind, rule: LevelRule, expected_version: int | None
    ) -> Position:
        """Set one level by the user's hand; it alone is enforced from then on."""
        return (await self.set(Request(user_id, position_id, expected_version), kind, rule)).position

    async def set(self, request: Request, kind: LevelKind, rule: LevelRule) -> Changed:
        """Set one level; it alone is enforced from then on."""
        position = await self._find(request)
        if isinstance(rule, NoLevel):
            evidence = f"The {request.author.value} took the {LEVEL_NAMES[kind]} away."
            return await self._write(
                request, lambda row: _with_level(row, kind, Level(rule), request.author), Change.LEVEL_SET, evidence
            )
        market = await self._market(position)
        warnings = judge_level(position.side, kind, rule, market, request.author)
        level = arm(kind, rule, market.price, self._clock.now())
        evidence = f"The {request.author.value} set the {LEVEL_NAMES[kind]} to {_words(rule)} while {market}."
        return await self._write(
            request,
            lambda row: _with_level(row, kind, level, request.author),
            Change.LEVEL_SET,
            evidence,
            warnings,
            by=market.source,
        )

    async def set_floor(self, request: Request, floor: Decimal | None) -> Changed:
        """Set the price that an enforced trailing stop may not fall behind; None takes it away.

        Raises FloorWithoutTrailingStop.
        """
        position = await self._find(request)
        with_floor(position, floor)
        if floor is None:
            evidence = f"The {request.author.value} took the floor under the stop-loss away."
            return await self._write(
                request, lambda row: _versioned(row, with_floor(row, None)), Change.LEVEL_SET, evidence
            )
        market = await self._market(position)
        warnings = judge_level(position.side, LevelKind.STOP_LOSS, Pinned(floor), market, request.author)
        evidence = (
            f"The {request.author.value} set a floor of {format_decimal(floor)} under the stop-loss while {market}."
        )
        return await self._write(
            request,
            lambda row: _versioned(row, with_floor(row, floor)),
            Change.LEVEL_SET,
            evidence,
            warnings,
            by=market.source,
        )

    async def manage(self, request: Request, stated: StatedLevels) -> Changed:
        """Take a position into care: both levels are stated, and enforced where they can fire."""
        position = await self._find(request)
        market = await self._market(position)
        warnings = [
            *judge_level(position.side, LevelKind.STOP_LOSS, stated.stop_loss, market, request.author),
            *judge_level(position.side, LevelKind.TAKE_PROFIT, stated.take_profit, market, request.author),
        ]
        now = self._clock.now()
        evidence = (
            f"The {request.author.value} gave it into Tandem's care: stop-loss {_words(stated.stop_loss)}, take-profit"
            f" {_words(stated.take_profit)}, while {market}."
        )
        return await self._write(
            request,
            lambda row: _versioned(row, _managed(row, stated, market.price, request.author, now)),
            Change.MANAGED,
            evidence,
            warnings,
            by=market.source,
        )

    async def release(self, request: Request) -> Changed:
        """Give a position back: it is observed from then on."""
        evidence = f"The {request.author.value} took it out of Tandem's care: nothing of it is enforced."
        return await self._write(request, lambda row: _versioned(row, release(row)), Change.RELEASED, evidence)

    async def advise(self, request: Request, advice: CloseAdvice | None) -> Changed:
        """Keep an AI's advice to close, or take it back."""
        if advice is None:
            evidence = "The AI took its advice back."
        else:
            evidence = (
                f"The AI advises to close it (urgency {advice.urgency.value},"
                f" confidence {format_decimal(advice.confidence)})."
            )
            request = replace(request, reason=advice.reason)
        return await self._write(request, lambda row: _advised(row, advice), Change.ADVISED, evidence)

    async def _find(self, request: Request) -> Position:
        async with self._journal.reading() as connection:
            position = await rows.find_position(connection, request.position_id, request.user_id)
        if position is None:
            raise PositionNotFound(position_id=request.position_id)
        if not position.is_open:
            raise PositionAlreadyClosed(position_id=request.position_id)
        return position

    async def _market(self, position: Position) -> Market:
        async with self._journal.reading() as connection:
            account = await accounts.get_account(connection, position.account_id)
        if not account.trading_enabled:
            raise TradingNotEnabled(account_id=position.account_id)
        reading = await self._readings.read(position.venue, position.account_id)
        for seen in reading.positions:
            if seen.key == position.key and seen.side is position.side:
                source = account.trigger_price
                by_mark = source is TriggerPrice.MARK
                price = seen.mark_price if by_mark else await self._prices.read(account.venue, position.symbol, source)
                return Market(price, seen.liquidation_price, source)
        raise PriceUnavailable(exchange=position.venue.value.capitalize(), symbol=position.symbol)

    async def _write(
        self,
        request: Request,
        change: Callable[[Position], Position],
        kind: Change,
        evidence: str,
        warnings: list[str] | None = None,
        *,
        by: TriggerPrice | None = None,
    ) -> Changed:
        async with self._journal.writing() as connection:
            current = await rows.lock_position(connection, request.position_id, request.user_id)
            if request.expected_version is not None and current.version != request.expected_version:
                raise VersionConflict(position_id=current.position_id, version=current.version)
            if by is not None:
                # What is armed is judged by the price that triggers it.
                if current.trigger_price is not by:
                    raise VersionConflict(position_id=current.position_id, version=current.version)
                # Held, so that its account is not removed or switched off while a level of it is armed.
                account = await accounts.get_account(connection, current.account_id, lock=True)
                if not account.trading_enabled:
                    raise TradingNotEnabled(account_id=current.account_id)
            changed = change(current)
            if changed is not current:
                await write_change(
                    connection,
                    changed,
                    actor=request.author,
                    change=kind,
                    evidence=evidence,
                    reason=request.reason,
                    now=self._clock.now(),
                )
        return Changed(changed, tuple(warnings or ()))


def _with_level(row: Position, kind: LevelKind, level: Level, author: Actor) -> Position:
    changed = set_level(row, kind, level)
    if changed is row or kind is LevelKind.TAKE_PROFIT:
        return changed
    return replace(changed, stop_set_by=author)


def _managed(row: Position, stated: StatedLevels, mark_price: Decimal, author: Actor, now: datetime) -> Position:
    """In care with both levels as stated. A level that is enforced by the same rule already keeps what it has won."""
    managed = manage(row, stated, mark_price, author, now)
    stop, target = row.levels.stop_loss, row.levels.take_profit
    same_stop = stop.enforced and stop.rule == stated.stop_loss
    return replace(
        managed,
        stop_set_by=row.stop_set_by if same_stop else author,
        levels=LevelRules(
            stop_loss=stop if same_stop else managed.levels.stop_loss,
            take_profit=target if target.rule == stated.take_profit and target.enforced else managed.levels.take_profit,
            floor=row.levels.floor if same_stop else None,
        ),
    )


def _advised(row: Position, advice: CloseAdvice | None) -> Position:
    if not row.is_open:
        raise PositionAlreadyClosed(position_id=row.position_id)
    return _versioned(row, replace(row, close_advice=advice))


def _versioned(before: Position, after: Position) -> Position:
    """The next version, or the row itself where nothing changed."""
    return before if after == before else replace(after, version=before.version + 1)


def _words(rule: LevelRule) -> str:
    match rule:
        case Trailing(distance):
            return f"trailing {format_decimal(distance * 100)} %"
        case Pinned(price):
            return format_decimal(price)
        case NoLevel():
            return "none"
