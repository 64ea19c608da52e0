"""The open positions of the users whom somebody watches, observed ones too: from listings, and events between them.

Invariants: a position never goes back to an older version, and one that was closed stays closed, whatever a late
listing says; what a user has open is listed when the user comes to be watched, and again now and then, since the size
of a position changes without an event; of users whom nobody watches nothing is kept.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from services.common.clock import Clock
from services.common.errors import DomainError
from services.common.trading.side import Venue
from services.monitor.domain.position import Position

_log = structlog.get_logger(__name__)

WATCHED_FOR = timedelta(seconds=30)
"""How long a user counts as watched after the gateway said so last; it says so every ten seconds."""
LISTED_FOR = timedelta(seconds=30)
"""How old a listing may become."""


class Listing(Protocol):
    """Who lists what a user has open."""

    def list_open(self, user_id: str) -> AsyncIterator[Position]:
        """Every open position of a user. Raises ServiceUnavailable."""
        ...


class _Watched:
    """A user: heard of last, listed last, and the newest version of each position; closed ones until the next list."""

    __slots__ = ("heard_at", "listed_at", "positions")

    def __init__(self, heard_at: datetime) -> None:
        self.heard_at = heard_at
        self.listed_at: datetime | None = None
        self.positions: dict[str, Position] = {}


class WatchedPositions:
    """`hear` each user_watched, `apply` each fact, `run` it as a task; `on_symbols` hears which symbols it needs."""

    def __init__(
        self, listing: Listing, clock: Clock, on_symbols: Callable[[Mapping[Venue, frozenset[str]]], None]
    ) -> None:
        self._listing = listing
        self._clock = clock
        self._on_symbols = on_symbols
        self._users: dict[str, _Watched] = {}
        self._symbols: dict[Venue, frozenset[str]] = {}
        self._news = asyncio.Event()

    def hear(self, user_id: str) -> None:
        """Somebody watches this user."""
        watched = self._users.get(user_id)
        if watched is None:
            self._users[user_id] = _Watched(self._clock.now())
            self._news.set()
        else:
            watched.heard_at = self._clock.now()

    def apply(self, position: Position) -> None:
        """Take in a version of a position, as an event brings it."""
        watched = self._users.get(position.user_id)
        if watched is not None and _take(watched.positions, position):
            self._tell_symbols()

    def open(self) -> tuple[Position, ...]:
        """The open positions of everybody who is watched now."""
        oldest = self._clock.now() - WATCHED_FOR
        return tuple(
            position
            for watched in self._users.values()
            if watched.heard_at >= oldest
            for position in watched.positions.values()
            if position.is_open
        )

    async def run(self, interval_seconds: float) -> None:
        """List what is due, until cancelled: at once for whoever comes to be watched."""
        while True:
            self._news.clear()
            await self.refresh()
            try:
                async with asyncio.timeout(interval_seconds):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def refresh(self) -> None:
        """Forget whom nobody watches any more, and list what the others have open where that is due."""
        now = self._clock.now()
        for user_id in [known for known, watched in self._users.items() if now - watched.heard_at > WATCHED_FOR]:
            del self._users[user_id]
        for user_id, watched in tuple(self._users.items()):
            if watched.listed_at is None or now - watched.listed_at >= LISTED_FOR:
                try:
                    await self._list(user_id, watched)
                except DomainError as error:
                    _log.info("positions of a watched user not listed", reason=error.reason)
        self._tell_symbols()

    async def _list(self, user_id: str, watched: _Watched) -> None:
        before = dict(watched.positions)
        listed = {position.position_id: position async for position in self._listing.list_open(user_id)}
        for position_id, position in before.items():
            # What an event brought while the list was asked for is newer than the list.
            if position_id not in listed and watched.positions.get(position_id) is position:
                del watched.positions[position_id]
        for position in listed.values():
            _take(watched.positions, position)
        watched.listed_at = self._clock.now()

    def _tell_symbols(self) -> None:
        wanted: dict[Venue, set[str]] = {venue: set() for venue in Venue}
        for position in self.open():
            wanted[position.venue].add(position.symbol)
        symbols = {venue: frozenset(names) for venue, names in wanted.items()}
        if symbols != self._symbols:
            self._symbols = symbols
            self._on_symbols(symbols)


def _take(positions: dict[str, Position], position: Position) -> bool:
    known = positions.get(position.position_id)
    if known is not None and known.version >= position.version:
        return False
    positions[position.position_id] = position
    return True
