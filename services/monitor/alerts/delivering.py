"""Hands due deliveries to the poster, many at once, and notes how they went.

Invariant: a delivery whose outcome was not noted (the process died, Postgres was away) is attempted again: a receiver
may see an event more than once, and knows it by its id.
"""

import asyncio
import contextlib
from collections import Counter
from datetime import timedelta
from typing import Protocol

import structlog

from services.common.errors import DomainError
from services.monitor.alerts.posting import Posted
from services.monitor.alerts.webhooks import EACH_USER, Due, Webhooks
from services.monitor.domain.alerts.delivery import DeliveryState

_log = structlog.get_logger(__name__)


class Posts(Protocol):
    """Who posts."""

    async def post(self, due: Due) -> Posted: ...


class Counts(Protocol):
    """A counter by state."""

    def labels(self, state: str) -> "Counts": ...

    def inc(self) -> None: ...


class Delivering:
    """`run` it as a task; `nudge` after something became due."""

    def __init__(
        self,
        webhooks: Webhooks,
        poster: Posts,
        counts: Counts,
        *,
        concurrency: int,
        attempt_seconds: float,
        poll_seconds: float,
    ) -> None:
        self._webhooks = webhooks
        self._poster = poster
        self._counts = counts
        self._concurrency = concurrency
        # As long as an attempt may last, and then some: its outcome has to be written as well.
        self._attempt_lasts = timedelta(seconds=attempt_seconds + 10)
        self._poll_seconds = poll_seconds
        self._news = asyncio.Event()
        self._running: dict[asyncio.Task[None], str] = {}

    def nudge(self) -> None:
        """Look for what is due now."""
        self._news.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            while True:
                self._news.clear()
                try:
                    while await self.begin():
                        pass
                except DomainError as error:
                    _log.info("deliveries not read", reason=error.reason)
                # Not wait_for: it loses a cancellation that comes at the moment at which the news do.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_seconds):
                        await self._news.wait()
        finally:
            for task in self._running:
                task.cancel()

    async def begin(self) -> int:
        """Begin as many attempts as are due and there is room for; how many. Raises DatabaseUnavailable."""
        room = self._concurrency - len(self._running)
        busy = [user for user, count in Counter(self._running.values()).items() if count >= EACH_USER]
        due = await self._webhooks.take_due(room, busy, self._attempt_lasts)
        for one in due:
            task = asyncio.create_task(self._deliver(one), name=f"webhook {one.event_id}")
            self._running[task] = one.user_id
            task.add_done_callback(self._done)
        return len(due)

    async def settle(self) -> None:
        """Return once nothing is under way."""
        while self._running:
            await asyncio.wait(list(self._running))

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._news.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("delivery failed", exc_info=error)

    async def _deliver(self, due: Due) -> None:
        posted = await self._poster.post(due)
        try:
            state = await self._webhooks.note(due, posted.result, delivered=posted.delivered, hopeless=posted.hopeless)
        except DomainError as error:
            _log.info("delivery not noted", event_id=due.event_id, reason=error.reason)
            return
        self._counts.labels(state="retried" if state is DeliveryState.PENDING else state.value).inc()
