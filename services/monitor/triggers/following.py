"""Keeps the followed positions in step with the books: events first, then listings, again and again.

Invariants: levels count as loaded only by a listing that was asked for after the events were followed, so nothing falls
in between; while events cannot be followed, and after a listing told what no event had, listings come more often.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Protocol

import structlog

from services.common.errors import DomainError
from services.common.trading.extremes import TriggerPrice
from services.common.trading.side import Venue
from services.monitor.domain.following import Change, Following
from services.monitor.domain.position import Instrument, Position

_log = structlog.get_logger(__name__)


class Listing(Protocol):
    """Who lists the positions with enforced levels."""

    def list_enforced(self) -> AsyncIterator[Position]:
        """All of them. Raises ServiceUnavailable."""
        ...


class LevelFollower:
    """Applies events and listings, and tells `on_change` what each did and `on_symbols` which symbols are needed."""

    def __init__(
        self,
        listing: Listing,
        on_change: Callable[[Change], None],
        on_symbols: Callable[[dict[Venue, frozenset[str]]], None],
        *,
        relist_seconds: float,
        retry_seconds: float = 1.0,
        doubtful_seconds: float = 5.0,
    ) -> None:
        self.loaded = False
        """Whether a whole listing was applied that was asked for while the events were followed."""
        self._listing = listing
        self._on_change = on_change
        self._on_symbols = on_symbols
        self._relist_seconds = relist_seconds
        self._retry_seconds = retry_seconds
        self._doubtful_seconds = doubtful_seconds
        self._following = Following()
        self._instruments: dict[Instrument, int] = {}
        self._listing_now = asyncio.Lock()

    def positions(self) -> tuple[Position, ...]:
        """All that are followed."""
        return self._following.positions()

    def apply(self, position: Position) -> bool:
        """Take in a version of a position, as an event brings it; whether that changed anything."""
        change = self._following.apply(position)
        if change is not None:
            self._changed(change)
        return change is not None

    async def relist(self) -> int:
        """Ask for every enforced position and put right what differs; how many did. Raises ServiceUnavailable."""
        async with self._listing_now:
            differing = 0
            number = self._following.begin_listing()
            async for position in self._listing.list_enforced():
                differing += self.apply(position)
            for change in self._following.end_listing(number):
                differing += 1
                self._changed(change)
            return differing

    async def run(self, events_followed: Callable[[], Coroutine[None, None, None]]) -> None:
        """List again and again, until cancelled; `events_followed` returns once nothing published is missed."""
        followed = asyncio.create_task(events_followed())
        failures = 0
        try:
            while True:
                complete = followed.done()
                try:
                    differing = await self.relist()
                    wait = self._listed(differing, complete=complete)
                    failures = 0
                except DomainError as error:
                    failures += 1
                    wait = self._retry_seconds
                    if failures in {1, 10} or failures % 60 == 0:
                        _log.warning("levels not listed", reason=error.reason, failures=failures)
                if complete:
                    await asyncio.sleep(wait)
                else:
                    await asyncio.wait([followed], timeout=wait)
        finally:
            followed.cancel()

    def _listed(self, differing: int, *, complete: bool) -> float:
        """Take note of a listing; the seconds until the next one."""
        if not complete:
            return self._doubtful_seconds
        if not self.loaded:
            self.loaded = True
            _log.info("levels loaded", positions=len(self.positions()))
        elif differing:
            _log.warning("a listing told what no event had", positions=differing)
            return min(self._doubtful_seconds, self._relist_seconds)
        return self._relist_seconds

    def _changed(self, change: Change) -> None:
        self._on_change(change)
        before = change.before.instrument if change.before else None
        after = change.after.instrument if change.after else None
        if before == after:
            return
        known = len(self._instruments)
        if after is not None:
            self._instruments[after] = self._instruments.get(after, 0) + 1
        if before is not None:
            left = self._instruments[before] - 1
            if left:
                self._instruments[before] = left
            else:
                del self._instruments[before]
        if len(self._instruments) != known or (before is not None and after is not None):
            self._on_symbols(self.symbols())

    def by_last(self) -> frozenset[Instrument]:
        """The instruments whose levels the last price triggers."""
        return frozenset(known for known in self._instruments if known.trigger_price is TriggerPrice.LAST)

    def symbols(self) -> dict[Venue, frozenset[str]]:
        """The symbols whose prices are needed, by venue."""
        return {
            venue: frozenset(instrument.symbol for instrument in self._instruments if instrument.venue is venue)
            for venue in Venue
        }
