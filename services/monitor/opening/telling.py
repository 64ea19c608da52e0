"""Tells the books of orders that opened nothing yet, or never did, so that they show among a user's transactions.

Invariant: an order never waits for this, and nothing depends on it; of one opening the latest state is told last.
"""

import asyncio
from typing import Protocol
from uuid import UUID

import structlog

from services.common.errors import DomainError
from services.monitor.domain.opening import Opening, OpeningState

_log = structlog.get_logger(__name__)

_TRIES = 5
_PAUSE_SECONDS = 1.0


class TellsOrders(Protocol):
    """The books."""

    async def record_order(self, opening: Opening) -> None:
        """Note where the order of an opening stands; the same again changes nothing. Raises ServiceUnavailable."""
        ...


class OrderTelling:
    """Tells in the background, one state of an opening after the other."""

    def __init__(self, books: TellsOrders, *, pause_seconds: float = _PAUSE_SECONDS) -> None:
        self._books = books
        self._pause_seconds = pause_seconds
        self._latest: dict[UUID, Opening] = {}
        self._tasks: dict[UUID, asyncio.Task[None]] = {}

    def tell(self, opening: Opening) -> None:
        """Quick, and never waits. What has no order, or has its fills on their way to the books, is not told of."""
        if opening.deadline is None or opening.state is OpeningState.FILLED:
            return
        self._latest[opening.intent_id] = opening
        if opening.intent_id not in self._tasks:
            task = asyncio.create_task(self._tell(opening.intent_id), name=f"tell {opening.intent_id}")
            self._tasks[opening.intent_id] = task
            task.add_done_callback(lambda _: self._tasks.pop(opening.intent_id, None))

    async def drain(self) -> None:
        """Tell nothing more."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _tell(self, intent_id: UUID) -> None:
        tries = 0
        while intent_id in self._latest:
            opening = self._latest.pop(intent_id)
            try:
                await self._books.record_order(opening)
            except DomainError as error:
                tries += 1
                _log.info("order not told", intent_id=str(intent_id), state=opening.state, reason=error.reason)
                if tries < _TRIES:
                    self._latest.setdefault(intent_id, opening)
                    await asyncio.sleep(self._pause_seconds)
