"""An account as the reconciler looks at it: the books first, then the venue, then the fills where the two differ."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.database import transaction
from services.common.exchange.budget import Lane
from services.common.exchange.fills import FillsReader
from services.common.trading.fill import Fill
from services.common.trading.opening import fills_that_led_to
from services.common.trading.reading import AccountReading, PositionKey, ReadingStatus, VenuePosition
from services.positions.domain.account import Account
from services.positions.domain.position import Position
from services.positions.readings import AccountReadings, Keys
from services.positions.store import accounts
from services.positions.store import positions as rows
from services.positions.store.fills import list_fills, unbooked

_CLOCK_MARGIN = timedelta(seconds=5)
"""How far this machine's clock may be from the venue's."""

_OPENED_WITHIN = timedelta(days=1)
"""How far back the opening of a position is looked for, from its last change."""

_ESTIMATED_FOR = timedelta(days=7)
"""How long fills are looked for that may complete an estimated exit."""

_MOST_ESTIMATED = 5
"""How many rows of an account are looked for at a time, the latest first."""


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

    `estimated` are rows closed without fills for which some have appeared since, `unbooked` what opened the positions
    that the books do not know.
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

    async def observe(self, account_id: str) -> Observation:
        """The open rows as they were before the venue was asked, and what it said. Raises AccountNotFound."""
        async with transaction(self._engine) as connection:
            account = await accounts.get_account(connection, account_id)
            booked = await rows.list_open(connection, account_id=account_id)
        reading = await self._readings.read_now(account.venue, account_id, Lane.RECONCILIATION)
        if reading.status is ReadingStatus.FAILED:
            return Observation(account, tuple(ObservedRow(row) for row in booked), reading)
        async with transaction(self._engine) as connection:
            since = reading.asked_at - _ESTIMATED_FOR
            estimated = await rows.list_estimated(connection, account_id, since, _MOST_ESTIMATED)
        known = {row.key for row in booked}
        rest = [seen for seen in reading.positions if seen.key not in known]
        observed = await asyncio.gather(*(self._observe_row(account, row, reading) for row in booked))
        completable = await asyncio.gather(*(self._read_fills_of(account, row) for row in estimated))
        opened = await asyncio.gather(*(self._read_opening(account, seen) for seen in rest))
        appeared = tuple(row for row in completable if row.fills)
        return Observation(account, tuple(observed), reading, appeared, tuple(opened))

    async def _observe_row(self, account: Account, row: Position, reading: AccountReading) -> ObservedRow:
        seen = next((one for one in reading.positions if one.key == row.key), None)
        if seen is not None and row.agrees_with(seen) and not row.is_settled_before(seen):
            return ObservedRow(row)
        return await self._read_fills_of(account, row)

    async def _read_fills_of(self, account: Account, row: Position) -> ObservedRow:
        found, complete = await self._read_fills(account, row.key, row.settlement.since - _CLOCK_MARGIN)
        async with transaction(self._engine) as connection:
            booked = {one.fill.fill_id for one in await list_fills(connection, row.position_id)}
            rest = [fill for fill in found if fill.fill_id not in booked]
            fills = await unbooked(connection, account.account_id, row.symbol, rest)
        return ObservedRow(row, fills, complete)

    async def _read_opening(self, account: Account, seen: VenuePosition) -> UnbookedPosition:
        if seen.updated_at is None:
            return UnbookedPosition(seen.key, ())
        found, complete = await self._read_fills(account, seen.key, seen.updated_at - _OPENED_WITHIN)
        if not complete:
            return UnbookedPosition(seen.key, ())
        until = [fill for fill in found if fill.executed_at <= seen.updated_at]
        return UnbookedPosition(seen.key, fills_that_led_to(until, seen.side.sign * seen.quantity))

    async def _read_fills(self, account: Account, key: PositionKey, since: datetime) -> tuple[tuple[Fill, ...], bool]:
        credentials = await self._keys.credentials(account.account_id)
        answer = await self._fills.read_fills(account.venue, credentials, key.symbol, since, lane=Lane.RECONCILIATION)
        fills = tuple(fill for fill in answer.fills if fill.position_side is key.position_side)
        return fills, answer.status is ReadingStatus.COMPLETE
