"""Tells the books how orders stand that have no fills: beside the closing, which never waits for it.

Invariants: news goes in the order in which it came; while the books are away it waits, the newest of it; an order that
was filled at once is told by its fills alone.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

import structlog

from services.common.errors import DomainError, Unavailable
from services.monitor.domain.intent import Intent

_log = structlog.get_logger(__name__)

_KEPT = 1000
_RETRY_SECONDS = 1.0


class OrderStanding(Enum):
    """How an order stands."""

    PENDING = auto()
    FILLED = auto()
    CANCELLED = auto()


@dataclass(frozen=True, slots=True)
class OrderNews:
    """How the order of an intent stands."""

    intent: Intent
    standing: OrderStanding


class OrderBooks(Protocol):
    """The books, as far as they are told of orders."""

    async def record_order(self, news: OrderNews) -> None:
        """Take in how an order stands; the same again changes nothing. Raises DomainError."""
        ...


class Reporter:
    """`tell` is quick and never fails; `run` it as a task."""

    def __init__(self, books: OrderBooks, *, retry_seconds: float = _RETRY_SECONDS) -> None:
        self._books = books
        self._retry_seconds = retry_seconds
        self._news: deque[OrderNews] = deque(maxlen=_KEPT)
        self._more = asyncio.Event()

    def tell(self, intent: Intent, standing: OrderStanding) -> None:
        """Take note of news."""
        self._news.append(OrderNews(intent, standing))
        self._more.set()

    async def run(self) -> None:
        """Hand news on, until cancelled."""
        while True:
            await self._more.wait()
            self._more.clear()
            while self._news:
                news = self._news[0]
                try:
                    await self._books.record_order(news)
                except Unavailable:
                    await asyncio.sleep(self._retry_seconds)
                    continue
                except DomainError as error:
                    _log.info("order not recorded", intent_id=str(news.intent.intent_id), reason=error.reason)
                if self._news and self._news[0] is news:
                    self._news.popleft()
