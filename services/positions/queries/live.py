"""The live view of a user: every account that can be read, at once, merged with the books."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.clock import Clock
from services.common.database import transaction
from services.common.errors import NoVerifiedApiKeys
from services.common.trading.reading import AccountReading, ReadingStatus
from services.common.trading.side import Venue
from services.positions.domain.account import Account
from services.positions.domain.live import LiveRow, merge
from services.positions.domain.position import Position
from services.positions.guards import Guard, Guards
from services.positions.readings import AccountReadings
from services.positions.store import accounts
from services.positions.store import positions as rows

_READABLE = (ReadingStatus.COMPLETE, ReadingStatus.PARTIAL)


@dataclass(frozen=True, slots=True)
class AccountWarning:
    """An account whose venue could not be read in full just now."""

    account: Account
    status: ReadingStatus
    reason: str


@dataclass(frozen=True, slots=True)
class LivePosition:
    """A row of the live view and whether its enforced levels are watched."""

    row: LiveRow
    guard: Guard


@dataclass(frozen=True, slots=True)
class LiveView:
    """All of it. `from_exchange` is False where no venue answered: then every row is from the books."""

    positions: tuple[LivePosition, ...]
    warnings: tuple[AccountWarning, ...]
    from_exchange: bool
    taken_at: datetime


class LiveQueries:
    """Answers for people who look."""

    def __init__(self, engine: AsyncEngine, readings: AccountReadings, guards: Guards, clock: Clock) -> None:
        self._engine = engine
        self._readings = readings
        self._guards = guards
        self._clock = clock

    async def list_live(self, user_id: str, venue: Venue | None) -> LiveView:
        """What is open now. An account that cannot be read shows its rows of the books, with a warning.

        Raises NoVerifiedApiKeys.
        """
        async with transaction(self._engine) as connection:
            all_accounts = await accounts.list_accounts(connection, user_id)
            booked = await rows.list_open(connection, user_id=user_id)
        readable = [one for one in all_accounts if one.verified]
        if not readable:
            raise NoVerifiedApiKeys
        asked = [one for one in readable if venue in (None, one.venue)]
        readings = await asyncio.gather(*(self._readings.read(one.venue, one.account_id) for one in asked))
        now = self._clock.now()
        live: list[LivePosition] = []
        warnings = []
        for account, reading in zip(asked, readings, strict=True):
            own = [row for row in booked if row.account_id == account.account_id]
            live.extend(LivePosition(row, self._guard(row, now)) for row in _rows(account, reading, own))
            if not reading.complete:
                warnings.append(AccountWarning(account, reading.status, reading.reason))
        return LiveView(
            positions=tuple(live),
            warnings=tuple(warnings),
            from_exchange=not asked or any(reading.status in _READABLE for reading in readings),
            taken_at=now,
        )

    def _guard(self, row: LiveRow, now: datetime) -> Guard:
        if row.booked is None or not row.booked.enforced:
            return Guard(False, "no level of it is enforced")
        return self._guards.guard_of(row.account.account_id, now)


def _rows(account: Account, reading: AccountReading, booked: list[Position]) -> list[LiveRow]:
    """The venue's rows; where it did not say, those of the books as well. Absence is believed of a complete reading."""
    if reading.status not in _READABLE:
        return [LiveRow(account, None, position) for position in booked]
    merged = list(merge(account, reading.positions, booked))
    if reading.complete:
        return merged
    matched = {row.booked.position_id for row in merged if row.booked is not None}
    missing = [LiveRow(account, None, position) for position in booked if position.position_id not in matched]
    return merged + missing
