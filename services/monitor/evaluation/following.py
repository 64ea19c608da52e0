"""Keeps the open positions in step with the books: events as they come, and a listing each minute."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Protocol

import structlog

from services.common.errors import DomainError
from services.monitor.domain.evaluation.situation import Subject
from services.monitor.domain.evaluation.subjects import Subjects

_log = structlog.get_logger(__name__)


class Listing(Protocol):
    """Who lists open positions."""

    def list_open(self) -> AsyncIterator[Subject]:
        """All of them. Raises ServiceUnavailable."""
        ...


class SubjectFollower:
    """Applies events and listings; tells `on_open` of each position that is there, `on_gone` of each that is not."""

    def __init__(
        self,
        listing: Listing,
        subjects: Subjects,
        on_open: Callable[[Subject], None],
        on_gone: Callable[[str], None],
        *,
        relist_seconds: float,
        retry_seconds: float = 1.0,
    ) -> None:
        self._listing = listing
        self._subjects = subjects
        self._on_open = on_open
        self._on_gone = on_gone
        self._relist_seconds = relist_seconds
        self._retry_seconds = retry_seconds

    def apply(self, subject: Subject) -> None:
        """Take in a version of a position, as an event brings it."""
        if not self._subjects.apply(subject):
            return
        if subject.position.is_open:
            self._on_open(subject)
        else:
            self._on_gone(subject.position.position_id)

    async def relist(self) -> None:
        """Ask for every open position and put right what differs. Raises ServiceUnavailable."""
        number = self._subjects.begin_listing()
        async for subject in self._listing.list_open():
            self.apply(subject)
        for subject in self._subjects.end_listing(number):
            self._on_gone(subject.position.position_id)

    async def run(self, events_followed: Callable[[], Coroutine[None, None, None]]) -> None:
        """List again and again, until cancelled; the first time once nothing that is published is missed."""
        await events_followed()
        while True:
            try:
                await self.relist()
                wait = self._relist_seconds
            except DomainError as error:
                _log.info("open positions not listed", reason=error.reason)
                wait = self._retry_seconds
            await asyncio.sleep(wait)
