"""Readings in, one row per account and UTC day out.

Nothing is asked for here: every complete reading that has the account's margin is noted, and what was noted is written
together now and then. What a process that dies has not written yet, the next reading of the day makes good.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from datetime import date

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.database import transaction
from services.common.errors import DomainError
from services.common.trading.reading import AccountReading
from services.positions.store.equity import EquitySnapshot, write_snapshots

_log = structlog.get_logger(__name__)

Write = Callable[[Collection[EquitySnapshot]], Awaitable[None]]


class EquityRecorder:
    """Notes readings, and writes what it has noted."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._noted: dict[tuple[str, date], EquitySnapshot] = {}

    def note(self, account_id: str, reading: AccountReading) -> None:
        """Take a reading in; one that is not complete, or lacks the margin, is no word on equity."""
        if not reading.complete or reading.margin is None:
            return
        at, equity = reading.taken_at, reading.margin.equity
        key = (account_id, at.date())
        noted = self._noted.get(key)
        if noted is None:
            self._noted[key] = EquitySnapshot(account_id, at.date(), equity, at, equity, at)
            return
        if at >= noted.closed_at:
            noted = replace(noted, closed_equity=equity, closed_at=at)
        if at < noted.opened_at:
            noted = replace(noted, opened_equity=equity, opened_at=at)
        self._noted[key] = noted

    async def flush(self) -> None:
        """Write what was noted since the last time. Raises DatabaseUnavailable; nothing is lost then."""
        noted, self._noted = self._noted, {}
        try:
            await self._write(tuple(noted.values()))
        except BaseException:
            later = self._noted
            self._noted = noted
            for one in later.values():
                self._merge(one)
            raise

    async def run(self, interval_seconds: float) -> None:
        """Write again and again, until cancelled."""
        while True:
            await asyncio.sleep(interval_seconds)
            try:
                await self.flush()
            except DomainError as error:
                _log.info("equity waits", reason=error.reason)

    async def drain(self) -> None:
        """Write what is left, if it can be."""
        try:
            await self.flush()
        except DomainError as error:
            _log.info("equity not written", reason=error.reason)

    def _merge(self, one: EquitySnapshot) -> None:
        key = (one.account_id, one.day)
        noted = self._noted.get(key)
        if noted is None:
            self._noted[key] = one
        elif one.closed_at >= noted.closed_at:
            self._noted[key] = replace(noted, closed_equity=one.closed_equity, closed_at=one.closed_at)


async def record_equity(engine: AsyncEngine, snapshots: Collection[EquitySnapshot]) -> None:
    """Write snapshots in one transaction. Raises DatabaseUnavailable."""
    async with transaction(engine) as connection:
        await write_snapshots(connection, snapshots)
