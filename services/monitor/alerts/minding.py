"""Keeps what is watched in step: with the partitions that are held, the alerts that are stored, the books, and time.

Invariants: a partition's thresholds are in force only after its alerts were read under its lease, and what nobody
watched before that is asked of the venue; what could not be read is read again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from services.common.clock import Clock
from services.common.errors import DomainError
from services.common.exchange.errors import VenueError
from services.common.exchange.prices import PriceKind, PriceReader
from services.monitor.alerts.bounded import for_each
from services.monitor.alerts.store import PostgresAlerts
from services.monitor.alerts.watches import PostgresWatches
from services.monitor.alerts.watching import Watching
from services.monitor.carrying.work import Claims
from services.monitor.domain.position import Instrument, Position
from services.monitor.domain.unwatched import Candle

_log = structlog.get_logger(__name__)

_FINE = timedelta(days=1)
_NOTE_TURNS = 5
_VENUE_RETRY = timedelta(seconds=30)
_VENUE_AT_ONCE = 4
_BOOKS_AT_ONCE = 16


class UserBooks(Protocol):
    """The books of one user."""

    def list_open(self, user_id: str) -> AsyncIterator[Position]:
        """Their open positions. Raises ServiceUnavailable."""
        ...


class Minding:
    """`run` it as a task. `enforced` gives the followed positions with an enforced level; `nudge` wakes the writer."""

    def __init__(
        self,
        watching: Watching,
        store: PostgresAlerts,
        watches: PostgresWatches,
        books: UserBooks,
        reader: PriceReader,
        claims: Claims,
        clock: Clock,
        enforced: Callable[[], tuple[Position, ...]],
        nudge: Callable[[], None],
        *,
        relist: timedelta,
    ) -> None:
        self._watching = watching
        self._store = store
        self._watches = watches
        self._books = books
        self._reader = reader
        self._claims = claims
        self._clock = clock
        self._enforced = enforced
        self._nudge = nudge
        self._relist = relist
        self._relist_at: datetime | None = None
        self._asked: dict[Instrument, datetime] = {}
        # What is read is taken in before anything is read later.
        self._turn = asyncio.Lock()

    async def run(self, interval_seconds: float) -> None:
        """Mind everything again and again, until cancelled."""
        turn = 0
        while True:
            turn += 1
            try:
                await self.mind()
                if turn % _NOTE_TURNS == 0:
                    await self.note()
            except DomainError as error:
                _log.info("alerts not minded", reason=error.reason)
            await asyncio.sleep(interval_seconds)

    async def look_back_again(self, interval_seconds: float) -> None:
        """Ask about what is owed again and again, until cancelled: beside everything else, as it may take long."""
        while True:
            await self.look_back()
            await asyncio.sleep(interval_seconds)

    async def mind(self) -> None:
        """Once. Raises what is unavailable."""
        now, held = self._clock.now(), frozenset(self._claims.claims())
        before = self._watching.held()
        taken = held - before
        if before - held:
            self._watching.hold(held & before)
        if taken:
            self._watching.hold(held)
            try:
                await self._load()
                self._watching.take(taken, *await self._watches.read(taken))
            except DomainError:
                self._watching.hold(before & held)  # taken again the next time
                raise
        elif self._relist_at is None or now >= self._relist_at:
            await self._load()
        self._watching.recheck()
        if self._watching.due or self._watching.arming:
            self._nudge()

    async def reload(self, user_id: str) -> None:
        """Read the alerts of one user anew. Raises what is unavailable."""
        followed = self._watching.follows(user_id)
        async with self._turn:
            self._watching.load(*await self._store.active(user_id), user_id)
        if not followed and self._watching.follows(user_id):
            await self._list(user_id)
        self._watching.recheck()

    async def relist(self) -> None:
        """Facts were missed: everything is read anew in the next turn."""
        self._relist_at = None

    async def note(self) -> None:
        """Write down how far everything was watched. Raises DatabaseUnavailable."""
        now = self._clock.now()
        await self._watches.note(self._watching.held(), now, self._watching.watched(now))

    async def look_back(self) -> None:
        """Ask the venues about the time that nobody watched; what they do not tell is asked for again later."""
        now = self._clock.now()
        asking = [one for one in self._watching.owed if now - self._asked.get(one, now - _VENUE_RETRY) >= _VENUE_RETRY]
        await for_each(asking, self._look_back, _VENUE_AT_ONCE)

    async def _look_back(self, instrument: Instrument) -> None:
        since, now = self._watching.ask(instrument), self._clock.now()
        if since is None:
            return
        try:
            candles = await self._read(instrument, since, now)
        except VenueError as error:
            self._asked[instrument] = now
            self._watching.not_told(instrument)
            _log.warning("the past is not known", symbol=instrument.symbol, since=since, why=error.kind)
            return
        self._asked.pop(instrument, None)
        fired = self._watching.looked_back(instrument, candles)
        _log.info("alerts looked back", symbol=instrument.symbol, venue=instrument.venue, since=since, fired=fired)

    async def _load(self) -> None:
        async with self._turn:
            self._watching.load(*await self._store.active())
        for position in self._enforced():
            self._watching.positions.apply(position)
        await for_each(self._watching.users(), self._list, _BOOKS_AT_ONCE)
        self._relist_at = self._clock.now() + self._relist

    async def _list(self, user_id: str) -> None:
        before = {position.position_id for position in self._watching.positions.of_user(user_id)}
        async for position in self._books.list_open(user_id):
            before.discard(position.position_id)
            self._watching.positions.apply(position)
        for position_id in before:
            self._watching.positions.drop(position_id)

    async def _read(self, instrument: Instrument, since: datetime, until: datetime) -> tuple[Candle, ...]:
        minutes = 1 if until - since <= _FINE else 60
        rows = await self._reader.read_candles(
            instrument.venue,
            instrument.symbol,
            interval_minutes=minutes,
            since=since.replace(minute=0 if minutes > 1 else since.minute, second=0, microsecond=0),
            until=until,
            kind=PriceKind.MARK,
        )
        return tuple(Candle(row.opened_at, row.high, row.low) for row in rows)
