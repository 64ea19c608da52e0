"""Hands news on to the books beside the work, which never waits for it.

Invariants: news is told in the order in which it came, each until the books have taken it or refused it; while they are
away it waits, the newest of it; what is left when the process drains is told before it ends, if the books answer; how
the last orders of a partition ended is told again by whoever takes it, since who held it before may have died with
that written and not told.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import Generic, Protocol, TypeVar
from uuid import UUID

import structlog

from services.common.errors import Conflict, DomainError, Unavailable
from services.common.process import Process
from services.monitor.carrying.work import Claims
from services.monitor.domain.intent import Claim

_log = structlog.get_logger(__name__)

_KEPT = 1000
_DRAIN_SECONDS = 1.0
_TOLD_AGAIN = 200
"""How many of the last orders of what is taken are told again: more than a process has to tell when it dies."""


class News(Protocol):
    """How the order of an intent stands."""

    @property
    def intent_id(self) -> UUID: ...


N = TypeVar("N", bound=News)


class Reporter(Generic[N]):
    """`tell` is quick and never fails; `start` it, or `run` it as a task."""

    def __init__(
        self, record: Callable[[N], Awaitable[None]], *, kept: int = _KEPT, retry_seconds: float = 1.0
    ) -> None:
        """`record` hands one piece of news to the books, to whom the same again changes nothing. Raises DomainError."""
        self._record = record
        self._retry_seconds = retry_seconds
        self._news: asyncio.Queue[N] = asyncio.Queue(kept)

    def tell(self, news: N) -> None:
        """Take note of news."""
        if self._news.full():
            _log.warning("order not told", intent_id=str(self._news.get_nowait().intent_id), reason="too many wait")
            self._news.task_done()
        self._news.put_nowait(news)

    def start(self, process: Process, name: str) -> None:
        """Run for as long as the process lives. What is told while parts that are started later drain is handed on."""
        process.attend(name, self.run)
        process.on_drain(partial(self.drain, _DRAIN_SECONDS), name)

    async def run(self) -> None:
        """Hand news on, until cancelled."""
        while True:
            news = await self._news.get()
            try:
                await self._hand_on(news)
            finally:
                self._news.task_done()

    async def drain(self, timeout_seconds: float) -> None:
        """Wait for a while until everything is told, while `run` still runs."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._news.join()
        except TimeoutError:
            _log.warning("orders not told", waiting=self._news.qsize())

    async def _hand_on(self, news: N) -> None:
        while True:
            try:
                await self._record(news)
            except (Unavailable, Conflict):
                await asyncio.sleep(self._retry_seconds)
            except DomainError as error:
                _log.info("order not told", intent_id=str(news.intent_id), reason=error.reason)
                return
            else:
                return


class Reminder(Generic[N]):
    """Tells again how orders ended in the partitions that this process takes. `run` it as a task."""

    def __init__(
        self,
        unfilled: Callable[[Collection[int], int], Awaitable[Sequence[N]]],
        tell: Callable[[N], None],
        claims: Claims,
        *,
        scan_seconds: float = 1.0,
    ) -> None:
        """`unfilled` answers the last orders of partitions that ended without a fill, at most so many, and `tell` takes
        note of one; the books know most of it.
        """
        self._unfilled = unfilled
        self._tell = tell
        self._claims = claims
        self._scan_seconds = scan_seconds
        self._reminded: frozenset[Claim] = frozenset()

    async def run(self) -> None:
        """Look for what was taken again and again, until cancelled."""
        while True:
            held = self._claims.claims()
            taken = [partition for partition, claim in held.items() if claim not in self._reminded]
            if taken:
                try:
                    for news in await self._unfilled(taken, _TOLD_AGAIN):
                        self._tell(news)
                except DomainError as error:
                    _log.info("orders are not told again yet", reason=error.reason)
                else:
                    self._reminded = frozenset(held.values())
            await asyncio.sleep(self._scan_seconds)
