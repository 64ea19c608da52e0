"""An account as the reconciler looks at it: the books first, then the venue, then the fills where the two differ."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.database import transaction
from services.common.exchange.budget import Lane
from services.common.exchange.fills import FillsReader
from services.common.trading.fill import Fill
from services.common.trading.reading import AccountReading, ReadingStatus
from services.positions.domain.account import Account
from services.positions.domain.position import Position
from services.positions.readings import AccountReadings, Keys
from services.positions.store import accounts
from services.positions.store import positions as rows

_CLOCK_MARGIN = timedelta(seconds=5)
"""How far this machine's clock may be from the venue's."""


@dataclass(frozen=True, slots=True)
class ObservedRow:
    """An open row of the books; where the venue does not confirm it, the fills since it was settled.

    Fills that are booked on it already are left out. `fills_complete` is False where the venue did not give them all.
    """

    position: Position
    fills: tuple[Fill, ...] = ()
    fills_complete: bool = True


@dataclass(frozen=True, slots=True)
class Observation:
    account: Account
    booked: tuple[ObservedRow, ...]
    reading: AccountReading


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
        observed = await asyncio.gather(*(self._observe_row(account, row, reading) for row in booked))
        return Observation(account, tuple(observed), reading)

    async def _observe_row(self, account: Account, row: Position, reading: AccountReading) -> ObservedRow:
        if reading.status is ReadingStatus.FAILED or any(
            seen.key == row.key and row.agrees_with(seen) for seen in reading.positions
        ):
            return ObservedRow(row)
        credentials = await self._keys.credentials(account.account_id)
        since = row.settlement.since - _CLOCK_MARGIN
        answer = await self._fills.read_fills(account.venue, credentials, row.symbol, since, lane=Lane.RECONCILIATION)
        async with transaction(self._engine) as connection:
            booked = {one.fill.fill_id for one in await rows.list_fills(connection, row.position_id)}
        fills = tuple(
            fill for fill in answer.fills if fill.fill_id not in booked and fill.position_side is row.position_side
        )
        return ObservedRow(row, fills, answer.status is ReadingStatus.COMPLETE)
