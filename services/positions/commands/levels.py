"""Set a stop-loss or take-profit: enforced from then on, that one alone."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.clock import Clock
from services.common.errors import PositionAlreadyClosed, PositionNotFound, TradingNotEnabled
from services.common.trading.effective_levels import is_beyond_stop, is_beyond_target
from services.common.trading.level import Level, LevelKind, NoLevel, Pinned
from services.common.trading.money import format_decimal
from services.common.trading.reading import VenuePosition
from services.positions.commands.journal import Journal, write_change
from services.positions.domain.errors import LevelAlreadyCrossed, PriceUnavailable, VersionConflict
from services.positions.domain.position import Position, set_level
from services.positions.domain.timeline import Actor, Change
from services.positions.readings import AccountReadings
from services.positions.store import accounts
from services.positions.store import positions as rows

_NAMES = {LevelKind.STOP_LOSS: "stop-loss", LevelKind.TAKE_PROFIT: "take-profit"}


class LevelCommands:
    """Changes of levels by their user."""

    def __init__(self, journal: Journal, readings: AccountReadings, clock: Clock) -> None:
        self._journal = journal
        self._readings = readings
        self._clock = clock

    async def set_level(
        self, user_id: str, position_id: str, kind: LevelKind, rule: Pinned | NoLevel, expected_version: int | None
    ) -> Position:
        """Pin a level at a price, or take it away.

        Raises PositionNotFound, PositionAlreadyClosed, VersionConflict, TradingNotEnabled, PriceUnavailable, and
        LevelAlreadyCrossed where the price is past the level already: that would be a close, not a level.
        """
        async with self._journal.writing() as connection:
            position = await rows.find_position(connection, position_id, user_id)
            if position is None:
                raise PositionNotFound(position_id=position_id)
            if not position.is_open:
                raise PositionAlreadyClosed(position_id=position_id)
            account = await accounts.get_account(connection, position.account_id)
        if isinstance(rule, Pinned) and not account.trading_enabled:
            raise TradingNotEnabled(account_id=position.account_id)
        level = await self._level(position, kind, rule)
        async with self._journal.writing() as connection:
            return await self._write(connection, position, kind, level, expected_version, self._clock.now())

    async def _level(self, position: Position, kind: LevelKind, rule: Pinned | NoLevel) -> Level:
        if isinstance(rule, NoLevel):
            return Level(rule)
        seen = await self._seen(position)
        beyond = is_beyond_stop if kind is LevelKind.STOP_LOSS else is_beyond_target
        if beyond(position.side, rule.price, seen.mark_price):
            raise LevelAlreadyCrossed(
                price=format_decimal(seen.mark_price), level=_NAMES[kind], level_price=format_decimal(rule.price)
            )
        return Level(rule, armed_at=self._clock.now(), armed_mark=seen.mark_price)

    async def _seen(self, position: Position) -> VenuePosition:
        reading = await self._readings.read(position.venue, position.account_id)
        for seen in reading.positions:
            if seen.key == position.key and seen.side is position.side:
                return seen
        raise PriceUnavailable(exchange=position.venue.value.capitalize(), symbol=position.symbol)

    async def _write(
        self,
        connection: AsyncConnection,
        read: Position,
        kind: LevelKind,
        level: Level,
        expected_version: int | None,
        now: datetime,
    ) -> Position:
        current = await rows.lock_position(connection, read.position_id)
        if expected_version is not None and current.version != expected_version:
            raise VersionConflict(position_id=current.position_id, version=current.version)
        changed = set_level(current, kind, level)
        if changed is not current:
            await write_change(
                connection,
                changed,
                actor=Actor.USER,
                change=Change.LEVEL_SET,
                evidence=_evidence(kind, level),
                now=now,
            )
        return changed


def _evidence(kind: LevelKind, level: Level) -> str:
    if isinstance(level.rule, Pinned) and level.armed_mark is not None:
        return (
            f"The user set the {_NAMES[kind]} to {format_decimal(level.rule.price)}"
            f" while the mark price was {format_decimal(level.armed_mark)}."
        )
    return f"The user took the {_NAMES[kind]} away."
