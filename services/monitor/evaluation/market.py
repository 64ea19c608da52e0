"""What the markets of all positions are like: asked for once for each symbol, whoever is in it.

Invariants: candles are asked for when a bar has ended, never for a look; between two of them the mark price is the last
bar's close; a price that is too old is none.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

import structlog

from services.common.clock import Clock
from services.common.exchange.errors import VenueError
from services.common.exchange.prices import Candle, PriceKind, PriceReader
from services.common.exchange.symbols import SymbolReader
from services.common.trading.side import Venue
from services.monitor.domain.evaluation.measures import SLOW_BARS, Bar, measure
from services.monitor.domain.evaluation.situation import Conditions
from services.monitor.domain.position import Instrument
from services.monitor.domain.price_check import Price

_log = structlog.get_logger(__name__)

BARS = 2 * SLOW_BARS
FUNDING_EVERY = timedelta(minutes=5)
RETRY = timedelta(seconds=30)
MEASURED_FOR = timedelta(seconds=2)
"""How long what was measured of a symbol is good for all who ask."""
_AT_ONCE = 4
_LOOK_SECONDS = 0.5
_SETTLING = timedelta(seconds=2)
"""How long after its end a bar is asked for."""

Market = tuple[Venue, str]


class MarketReader(PriceReader, SymbolReader, Protocol):
    """Who is asked for prices, candles and the grid of prices."""


class Funding(Protocol):
    """Who is asked for funding rates."""

    async def read_funding(self, venue: Venue, symbol: str) -> Decimal:
        """A fraction of the notional. Raises VenueError."""
        ...


@dataclass(slots=True)
class _Kept:
    bars: tuple[Candle, ...] = ()
    bars_due: datetime | None = None
    funding: Decimal | None = None
    funding_due: datetime | None = None
    tick: Decimal | None = None
    tick_due: datetime | None = None
    price: tuple[Decimal, datetime] | None = None
    price_due: datetime | None = None
    measured: Conditions | None = None


class Markets:
    """`run` it; `conditions` then answers without waiting.

    `last_price` knows the prices that are followed anyway; others are asked for, every `price_seconds`.
    """

    def __init__(
        self,
        reader: MarketReader,
        funding: Funding,
        last_price: Callable[[Instrument], Price | None],
        clock: Clock,
        *,
        candle_minutes: int,
        price_seconds: float,
    ) -> None:
        self._reader = reader
        self._funding = funding
        self._last_price = last_price
        self._clock = clock
        self._minutes = candle_minutes
        self._price_every = timedelta(seconds=price_seconds)
        self._kept: dict[Market, _Kept] = {}
        self._some = asyncio.Semaphore(_AT_ONCE)

    def want(self, markets: Collection[Market]) -> None:
        """Follow these and no others."""
        for market in self._kept.keys() - set(markets):
            del self._kept[market]
        for market in markets:
            self._kept.setdefault(market, _Kept())

    def conditions(self, venue: Venue, symbol: str) -> Conditions | None:
        """What a market is like; None while nothing is known of it yet."""
        kept = self._kept.get((venue, symbol))
        if kept is None or kept.bars_due is None:
            return None
        now = self._clock.now()
        if kept.measured is not None and now - kept.measured.mark_at < MEASURED_FOR:
            return kept.measured
        mark = self._mark(venue, symbol, kept, now)
        if mark is None:
            return None
        known = kept.measured
        if known is not None and (known.mark, known.funding_rate, known.tick) == (mark[0], kept.funding, kept.tick):
            return known
        bars = [Bar(max(bar.high, bar.close), min(bar.low, bar.close), bar.close) for bar in kept.bars]
        if bars:
            last = bars[-1]
            bars[-1] = Bar(max(last.high, mark[0]), min(last.low, mark[0]), mark[0])
        kept.measured = Conditions(mark[0], mark[1], measure(bars), kept.funding, kept.tick)
        return kept.measured

    async def run(self) -> None:
        """Keep what is wanted up to date, until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(_LOOK_SECONDS)

    async def refresh(self) -> None:
        """Ask for what is due."""
        now = self._clock.now()
        await asyncio.gather(*(self._refresh(market, kept, now) for market, kept in tuple(self._kept.items())))

    async def _refresh(self, market: Market, kept: _Kept, now: datetime) -> None:
        venue, symbol = market
        if self._last_price(Instrument(venue, symbol)) is None and _due(kept.price_due, now):
            kept.price_due = now + await self._try(self._read_price(market, kept), self._price_every)
        if _due(kept.tick_due, now):
            kept.tick_due = now + await self._try(self._read_tick(market, kept), timedelta(hours=1))
        if _due(kept.funding_due, now):
            kept.funding_due = now + await self._try(self._read_funding(market, kept), FUNDING_EVERY)
        if _due(kept.bars_due, now):
            length = timedelta(minutes=self._minutes)
            begun = datetime.fromtimestamp(
                now.timestamp() // length.total_seconds() * length.total_seconds(), now.tzinfo
            )
            asked = await self._try(self._read_bars(market, kept, begun), begun + length + _SETTLING - now)
            kept.bars_due = now + asked
            kept.measured = None

    async def _try(self, reading: Awaitable[None], again: timedelta) -> timedelta:
        """Read something; how long until it is read again."""
        try:
            async with self._some:
                await reading
        except VenueError as error:
            _log.info("market not read", why=str(error))
            return RETRY
        return again

    async def _read_price(self, market: Market, kept: _Kept) -> None:
        price = await self._reader.read_price(*market, PriceKind.MARK)
        kept.price = (price.price, price.venue_time)

    async def _read_tick(self, market: Market, kept: _Kept) -> None:
        kept.tick = (await self._reader.read_symbol(*market)).tick_size

    async def _read_funding(self, market: Market, kept: _Kept) -> None:
        kept.funding = await self._funding.read_funding(*market)

    async def _read_bars(self, market: Market, kept: _Kept, begun: datetime) -> None:
        length = timedelta(minutes=self._minutes)
        kept.bars = await self._reader.read_candles(
            *market,
            interval_minutes=self._minutes,
            since=begun - BARS * length,
            until=begun + length,
            kind=PriceKind.MARK,
        )

    def _mark(self, venue: Venue, symbol: str, kept: _Kept, now: datetime) -> tuple[Decimal, datetime] | None:
        price = self._last_price(Instrument(venue, symbol))
        if price is not None:
            return price.value, price.at
        oldest = now - 2 * self._price_every - RETRY
        return kept.price if kept.price is not None and kept.price[1] >= oldest else None


def _due(at: datetime | None, now: datetime) -> bool:
    return at is None or now >= at
