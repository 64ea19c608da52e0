"""An account as the reconciler looks at it: the books first, then the venue, then the fills where the two differ."""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.database import statement, transaction
from services.common.errors import DomainError, PositionNotFound
from services.common.exchange.budget import Lane
from services.common.exchange.fills import FillsReader
from services.common.trading.fill import Fill
from services.common.trading.opening import fills_that_led_to
from services.common.trading.reading import AccountReading, PositionKey, ReadingStatus, VenuePosition
from services.positions.domain.account import Account
from services.positions.domain.position import BookedFill, Position
from services.positions.readings import AccountReadings, Keys
from services.positions.store import accounts
from services.positions.store import positions as rows
from services.positions.store.fills import list_fills, unbooked

_log = structlog.get_logger(__name__)

_CLOCK_MARGIN = timedelta(seconds=5)
"""How far this machine's clock may be from the venue's."""

_OPENED_WITHIN = (timedelta(days=1), timedelta(days=7), timedelta(days=28))
"""How far back the opening of a position is looked for, from its last change: further where nearer ones do not show
it. A venue gives fills by the week, so that the furthest costs four questions.
"""

_LISTED_WITHIN = timedelta(days=7)
"""How far back fills are looked for that were not listed when a size was booked: a venue gives fills by the week."""

_LATE_PATIENCE_SECONDS = 2.0
"""How long the booking of an order waits for what else a venue may list."""

_MOST_OPENINGS = 10
"""Of how many new positions the opening is looked for at a time: it costs as much of the rate budget as a reading, and
an account that is new here may bring a hundred. The others are adopted without."""

_BELIEVED = frozenset({ReadingStatus.COMPLETE, ReadingStatus.PARTIAL})


@dataclass(frozen=True, slots=True)
class ObservedRow:
    """An open row of the books; where the venue does not confirm it, the fills since it was settled.

    Fills that are booked on it already are left out. `fills_complete` is False where the venue did not give them all.
    """

    position: Position
    fills: tuple[Fill, ...] = ()
    fills_complete: bool = True


@dataclass(frozen=True, slots=True)
class UnbookedPosition:
    """A position of the reading without an open row, and the fills that led to it from nothing, where they show it."""

    key: PositionKey
    fills: tuple[Fill, ...]


@dataclass(frozen=True, slots=True)
class Observation:
    """The books beside a reading.

    `estimated` are rows closed without fills that were asked for, with the fills known now, `unbooked` what opened the
    positions that the books do not know.
    """

    account: Account
    booked: tuple[ObservedRow, ...]
    reading: AccountReading
    estimated: tuple[ObservedRow, ...] = ()
    unbooked: tuple[UnbookedPosition, ...] = ()


class ObservationQueries:
    """Answers for the reconciler."""

    def __init__(self, engine: AsyncEngine, readings: AccountReadings, fills: FillsReader, keys: Keys) -> None:
        self._engine = engine
        self._readings = readings
        self._fills = fills
        self._keys = keys

    async def list_observable(self, user_id: str | None, after: str, limit: int) -> list[Account]:
        """Accounts with a verified key, by id."""
        async with transaction(self._engine) as connection:
            return await accounts.list_verified(connection, user_id, after, limit)

    async def observe(
        self,
        account_id: str,
        *,
        with_margin: bool = True,
        estimated_ids: Collection[str] = (),
        lane: Lane = Lane.RECONCILIATION,
    ) -> Observation:
        """The open rows as they were before the venue was asked, and what it said. Raises AccountNotFound.

        `estimated_ids` are closed rows to bring with their fills, as far as their exits are still estimated.
        """
        async with transaction(self._engine) as connection:
            account = await accounts.get_account(connection, account_id)
            booked = await rows.list_open(connection, account_id=account_id)
        reading = await self._readings.read_now(
            account.venue, account_id, lane, with_margin=with_margin, held=bool(booked)
        )
        async with transaction(self._engine) as connection:
            estimated = await rows.list_estimated(connection, account_id, estimated_ids) if estimated_ids else []
        if reading.status not in _BELIEVED:
            # Nothing is decided on it, so its fills are not asked for.
            unread = tuple(ObservedRow(row, fills_complete=False) for row in estimated)
            return Observation(account, tuple(ObservedRow(row) for row in booked), reading, unread)
        known = {row.key for row in booked}
        rest = [seen for seen in reading.positions if seen.key not in known]
        observed = await asyncio.gather(*(self._observe_row(account, row, reading, lane) for row in booked))
        completable = await asyncio.gather(*(self._read_fills_of(account, row, lane) for row in estimated))
        opened = await asyncio.gather(*(self._read_opening(account, seen, lane) for seen in rest[:_MOST_OPENINGS]))
        return Observation(account, tuple(observed), reading, tuple(completable), tuple(opened))

    async def read_late(self, position_id: str) -> tuple[Fill, ...]:
        """Fills of an open row that were not listed yet when its size was booked, as far as its venue lists them now.

        Empty where none are missing, and where the venue does not tell soon. Raises PositionNotFound.
        """
        async with statement(self._engine) as connection:
            row = await rows.find_position(connection, position_id, None)
            booked = await list_fills(connection, position_id)
        if row is None:
            raise PositionNotFound(position_id=position_id)
        since = row.settlement.since
        if not row.is_open or _missing_since(row, booked) >= since:
            return ()
        return tuple(fill for fill in await self._read_soon(row) if fill.executed_at <= since)

    async def read_rest(self, ended: Position) -> tuple[Fill, ...]:
        """Fills in the slot of a row that has ended, since it was settled, which are booked nowhere.

        Empty where its venue does not tell soon.
        """
        return tuple(fill for fill in await self._read_soon(ended) if fill.executed_at > ended.settlement.since)

    async def _read_soon(self, row: Position) -> tuple[Fill, ...]:
        try:
            async with asyncio.timeout(_LATE_PATIENCE_SECONDS):
                async with transaction(self._engine) as connection:
                    account = await accounts.get_account(connection, row.account_id)
                found = await self._read_fills_of(account, row, Lane.LIVE)
        except (TimeoutError, DomainError) as error:
            _log.warning("what a venue lists besides is not known", position_id=row.position_id, error=repr(error))
            return ()
        return found.fills if found.fills_complete else ()

    async def _observe_row(self, account: Account, row: Position, reading: AccountReading, lane: Lane) -> ObservedRow:
        seen = next((one for one in reading.positions if one.key == row.key), None)
        if seen is not None and row.agrees_with(seen) and not row.is_settled_before(seen):
            return ObservedRow(row)
        return await self._read_fills_of(account, row, lane)

    async def _read_fills_of(self, account: Account, row: Position, lane: Lane) -> ObservedRow:
        async with transaction(self._engine) as connection:
            booked = await list_fills(connection, row.position_id)
        found, complete = await self._read_fills(account, row.key, _missing_since(row, booked) - _CLOCK_MARGIN, lane)
        known = {one.fill.fill_id for one in booked}
        async with transaction(self._engine) as connection:
            rest = [fill for fill in found if fill.fill_id not in known]
            fills = await unbooked(connection, account.account_id, row.symbol, rest)
        return ObservedRow(row, fills, complete)

    async def _read_opening(self, account: Account, seen: VenuePosition, lane: Lane) -> UnbookedPosition:
        if seen.updated_at is None:
            return UnbookedPosition(seen.key, ())
        for within in _OPENED_WITHIN:
            found, complete = await self._read_fills(account, seen.key, seen.updated_at - within, lane)
            if not complete:
                break
            until = [fill for fill in found if fill.executed_at <= seen.updated_at]
            opened = fills_that_led_to(until, seen.side.sign * seen.quantity)
            if opened:
                return UnbookedPosition(seen.key, opened)
        return UnbookedPosition(seen.key, ())

    async def _read_fills(
        self, account: Account, key: PositionKey, since: datetime, lane: Lane
    ) -> tuple[tuple[Fill, ...], bool]:
        credentials = await self._keys.credentials(account.account_id)
        answer = await self._fills.read_fills(account.venue, credentials, key.symbol, since, lane=lane)
        fills = tuple(fill for fill in answer.fills if fill.position_side is key.position_side)
        return fills, answer.status is ReadingStatus.COMPLETE


def _missing_since(row: Position, booked: Iterable[BookedFill]) -> datetime:
    """From when on fills of a row may be missing: since it was settled, unless those booked do not make up its size.

    Then a venue said of another size before it listed what had led to it, and may list that by now.
    """
    size = sum((-one.fill.quantity if one.reduced else one.fill.quantity for one in booked), start=Decimal(0))
    if size == row.quantity:
        return row.settlement.since
    return max(row.opened_at, row.settlement.since - _LISTED_WITHIN)
