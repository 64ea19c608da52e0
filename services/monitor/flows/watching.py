"""Lets those who watch executions sleep until there is something new.

Invariant: what is new is told from the rows, so it does not matter which replica made it; one question a second serves
all who watch in this process.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Protocol
from uuid import UUID

import structlog

from services.common.errors import DomainError

_log = structlog.get_logger(__name__)


class Sequences(Protocol):
    """Where executions are kept."""

    async def sequences(self, execution_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """The latest sequence of each."""
        ...


class Watching:
    """Who waits for what. Spawn `run`."""

    def __init__(self, executions: Sequences, *, poll_seconds: float = 1.0) -> None:
        self._executions = executions
        self._poll_seconds = poll_seconds
        self._waiting: dict[UUID, set[asyncio.Future[None]]] = {}
        self._after: dict[asyncio.Future[None], int] = {}
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There may be something new: look now instead of in a second."""
        self._wake.set()

    async def wait(self, execution_id: UUID, after: int) -> None:
        """Return once the execution has a step after that sequence. Cancel to stop waiting."""
        news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(execution_id, set()).add(news)
        self._after[news] = after
        self._wake.set()
        try:
            await news
        finally:
            del self._after[news]
            self._waiting[execution_id].discard(news)
            if not self._waiting[execution_id]:
                del self._waiting[execution_id]

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            self._wake.clear()
            if self._waiting:
                await self._look()
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _look(self) -> None:
        try:
            latest = await self._executions.sequences(tuple(self._waiting))
        except DomainError as error:
            _log.info("watching waits", reason=error.reason)
            await asyncio.sleep(self._poll_seconds)
            return
        for execution_id, sequence in latest.items():
            for news in self._waiting.get(execution_id, ()):
                if sequence > self._after[news] and not news.done():
                    news.set_result(None)
