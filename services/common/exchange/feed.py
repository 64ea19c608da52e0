"""A venue's prices as they come, for the symbols that are wanted now.

One stream for all symbols, read by one loop that does nothing else, so no symbol waits for another. A socket that
falls silent is replaced; while there is none, and for any symbol that has gone stale, prices are asked for instead. A
price is never replaced by one that the venue stamped earlier, unless its own stamp lies in the future: one such would
keep out all that follow. Mark and last prices are kept apart.
"""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass

from services.common.exchange.binance.price_stream import BinancePriceStream
from services.common.exchange.budget import Lane
from services.common.exchange.bybit.price_stream import BybitPriceStream
from services.common.exchange.errors import VenueError
from services.common.exchange.fields import to_milliseconds
from services.common.exchange.price_dialect import PriceDialect
from services.common.exchange.prices import FeedMode, FeedState, OnPrice, Price, PriceKind
from services.common.exchange.sockets import Backoff, Send, SocketTimes, StreamLost, read_socket
from services.common.exchange.venues import Venues
from services.common.trading.side import Venue

_AHEAD_MS = 5_000
"""How far a venue's clock may be ahead of ours; a stamp beyond that was not true."""
_DAY_MS = 86_400_000
"""A stamp that is further away than this is in another unit, or none."""

_DIALECTS: dict[Venue, Callable[[], PriceDialect]] = {Venue.BINANCE: BinancePriceStream, Venue.BYBIT: BybitPriceStream}


@dataclass(frozen=True, slots=True)
class FeedTimes:
    """In seconds: when a silent socket is given up, when a symbol's mark is stale, and how often prices are polled."""

    silence_seconds: float = 5.0
    stale_seconds: float = 4.0
    poll_seconds: float = 2.0
    ping_seconds: float = 2.0


class PriceFeed:
    """Implements PriceSource. `run` is to be a supervised task; `on_price` is called from it."""

    def __init__(self, venues: Venues, venue: Venue, on_price: OnPrice, times: FeedTimes | None = None) -> None:
        self.venue = venue
        self._venues = venues
        self._on_price = on_price
        self._times = times or FeedTimes()
        self._dialect = _DIALECTS[venue]()
        self._wanted: frozenset[str] = frozenset()
        self._wanted_since: dict[str, int] = {}
        self._latest: dict[tuple[str, PriceKind], Price] = {}
        self._changed = asyncio.Event()
        self._connected = False
        self._connections = 0
        self._last_message_ms = 0
        self._last_streamed_ms = 0
        self._dry_since_ms = 0
        self._last_poll_ms = 0

    def subscribe(self, symbols: Collection[str]) -> None:
        """Make these the symbols that are followed, and no others."""
        wanted = frozenset(symbols)
        if wanted == self._wanted:
            return
        now = self._now_ms()
        self._wanted_since = {symbol: self._wanted_since.get(symbol, now) for symbol in wanted}
        for symbol in self._wanted - wanted:
            for kind in PriceKind:
                self._latest.pop((symbol, kind), None)
        self._wanted = wanted
        self._changed.set()

    def latest(self, symbol: str, kind: PriceKind) -> Price | None:
        """The newest price that arrived, however old."""
        return self._latest.get((symbol, kind))

    def state(self) -> FeedState:
        """How the feed does now."""
        now = self._now_ms()
        if self._streams(now):
            mode = FeedMode.STREAM
        elif now - self._last_poll_ms < self._times.poll_seconds * 3000:
            mode = FeedMode.POLLING
        else:
            mode = FeedMode.DOWN
        return FeedState(
            venue=self.venue,
            mode=mode,
            stale=self._stale(now),
            reconnects=max(0, self._connections - 1),
        )

    async def run(self) -> None:
        """Follow prices until cancelled. Raises only what `on_price` raises."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._stream())
            tasks.create_task(self._poll())

    async def _stream(self) -> None:
        backoff = Backoff()
        times = SocketTimes(
            silence_seconds=self._times.silence_seconds,
            heartbeat_seconds=self._times.silence_seconds,
            ping_seconds=self._times.ping_seconds,
        )
        while True:
            backoff.started()
            sender: asyncio.Task[None] | None = None
            try:

                async def opened(send: Send) -> None:
                    nonlocal sender
                    for message in self._dialect.greeting():
                        await send(message)
                    sender = asyncio.create_task(self._keep_subscribed(send))
                    self._connections += 1
                    self._connected = True
                    self._dry_since_ms = self._now_ms()

                await read_socket(
                    self._venues.public(self.venue).session,
                    self._dialect.url,
                    opened=opened,
                    receive=self._receive,
                    times=times,
                    ping=self._dialect.ping,
                )
            except StreamLost:
                pass
            finally:
                self._connected = False
                if sender is not None:
                    sender.cancel()
            await backoff.wait()

    async def _keep_subscribed(self, send: Send) -> None:
        """Tell the venue of each change of what is wanted."""
        subscribed: frozenset[str] = frozenset()
        self._changed.set()
        with suppress(StreamLost):
            while True:
                await self._changed.wait()
                self._changed.clear()
                wanted = self._wanted
                for message in self._dialect.changes(wanted - subscribed, subscribed - wanted):
                    await send(message)
                subscribed = wanted

    def _receive(self, message: str) -> list[str]:
        now = self._now_ms()
        self._last_message_ms = now
        for price in self._dialect.read(message, self._wanted, now):
            self._last_streamed_ms = self._dry_since_ms = now
            self._take(price)
        if self._has_dried_up(now):
            # The socket lives, but the prices on it have stopped.
            raise StreamLost("no prices")
        return self._dialect.replies()

    async def _poll(self) -> None:
        """Ask for what the stream does not give."""
        while True:
            await asyncio.sleep(self._times.poll_seconds)
            now = self._now_ms()
            symbols = self._stale(now) if self._streams(now) else self._wanted
            if not symbols:
                continue
            try:
                prices = await self._dialect.poll(
                    self._venues.public(self.venue), symbols, Lane.LIVE, self._venues.now()
                )
            except VenueError:
                continue
            self._last_poll_ms = self._now_ms()
            for price in prices:
                if price.symbol in self._wanted:
                    self._take(price)

    def _take(self, price: Price) -> None:
        now = price.received_time_ms
        if price.price <= 0 or abs(price.venue_time_ms - now) > _DAY_MS:
            return
        key = (price.symbol, price.kind)
        before = self._latest.get(key)
        if before is not None and price.venue_time_ms < before.venue_time_ms <= now + _AHEAD_MS:
            return
        self._latest[key] = price
        self._on_price(price)

    def _streams(self, now: int) -> bool:
        heard = self._last_streamed_ms if self._wanted else self._last_message_ms
        return self._connected and now - heard < self._times.silence_seconds * 1000

    def _stale(self, now: int) -> frozenset[str]:
        limit = now - self._times.stale_seconds * 1000
        return frozenset(symbol for symbol in self._wanted if self._heard_at(symbol) < limit)

    def _has_dried_up(self, now: int) -> bool:
        newest_wish = max(self._wanted_since.values(), default=now)
        return now - max(self._dry_since_ms, newest_wish) > self._times.silence_seconds * 1000

    def _heard_at(self, symbol: str) -> int:
        mark = self._latest.get((symbol, PriceKind.MARK))
        return mark.received_time_ms if mark is not None else self._wanted_since[symbol]

    def _now_ms(self) -> int:
        return to_milliseconds(self._venues.now())
