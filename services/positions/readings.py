"""Readings of accounts: one question at a time to a venue about an account, its answer good for a few seconds.

What changes an account drops what was read of it, so that nobody is shown what Tandem itself knows to be past. A
reading for the reconciler is always a fresh one.
"""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Protocol

from services.common.clock import Clock
from services.common.exchange.budget import Lane
from services.common.exchange.credentials import Credentials
from services.common.exchange.readings import AccountReader
from services.common.trading.reading import AccountReading, ReadingStatus
from services.common.trading.side import Venue


class Keys(Protocol):
    """Opens an account's credentials."""

    def credentials(self, account_id: str) -> Awaitable[Credentials]: ...


class AccountReadings:
    """The cache. `max_age` is how old a reading may be that is given to more than one caller."""

    def __init__(self, reader: AccountReader, keys: Keys, clock: Clock, max_age: timedelta) -> None:
        self._reader = reader
        self._keys = keys
        self._clock = clock
        self._max_age = max_age
        self._kept: dict[str, tuple[asyncio.Task[AccountReading], float]] = {}

    async def read(self, venue: Venue, account_id: str) -> AccountReading:
        """A reading not older than the cache allows; callers at the same time share one question to the venue."""
        kept = self._kept.get(account_id)
        now = self._clock.now().timestamp()
        if kept is not None and now - kept[1] < self._max_age.total_seconds():
            reading = await asyncio.shield(kept[0])
            if reading.status is not ReadingStatus.FAILED:
                return reading
        self._forget_old(now)
        current = self._kept.get(account_id)
        if current is None or current is kept:
            task = asyncio.create_task(self.read_now(venue, account_id, Lane.LIVE), name=f"reading of {account_id}")
            current = (task, now)
            self._kept[account_id] = current
        return await asyncio.shield(current[0])

    async def read_now(self, venue: Venue, account_id: str, lane: Lane) -> AccountReading:
        """A fresh reading, shared with nobody. Raises AccountNotFound."""
        credentials = await self._keys.credentials(account_id)
        return await self._reader.read_account(venue, credentials, lane=lane)

    def drop(self, account_id: str) -> None:
        """Forget what was read of an account."""
        self._kept.pop(account_id, None)

    def _forget_old(self, now: float) -> None:
        limit = self._max_age.total_seconds()
        for account_id in [one for one, (task, asked) in self._kept.items() if task.done() and now - asked >= limit]:
            del self._kept[account_id]
