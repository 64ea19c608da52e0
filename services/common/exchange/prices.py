"""Prices of a venue: mark and last are two things and never stand in for each other."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Protocol

from services.common.trading.side import Venue


class PriceKind(StrEnum):
    MARK = "mark"
    LAST = "last"


class Price(NamedTuple):
    """One price of one symbol. Times in milliseconds since 1970: the venue's stamp, and when it reached us."""

    venue: Venue
    symbol: str
    kind: PriceKind
    price: Decimal
    venue_time_ms: int
    received_time_ms: int
    polled: bool = False

    @property
    def venue_time(self) -> datetime:
        return datetime.fromtimestamp(self.venue_time_ms / 1000, UTC)

    @property
    def received_at(self) -> datetime:
        return datetime.fromtimestamp(self.received_time_ms / 1000, UTC)

    def age_seconds(self, now: datetime) -> float:
        """Seconds since the venue stamped it."""
        return now.timestamp() - self.venue_time_ms / 1000


OnPrice = Callable[[Price], None]
"""Called for each price as it arrives; it must be quick and may not block."""


@dataclass(frozen=True, slots=True)
class Candle:
    """One bar: prices in quote currency, `volume` in base units (None for bars of mark prices)."""

    opened_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal | None


@dataclass(frozen=True, slots=True)
class CandleSpan:
    """Which bars: those of a symbol and an interval that opened in [since, until)."""

    symbol: str
    interval_minutes: int
    since: datetime
    until: datetime
    kind: PriceKind


class FeedMode(StrEnum):
    """How prices reach us now."""

    DOWN = "down"
    STREAM = "stream"
    POLLING = "polling"


@dataclass(frozen=True, slots=True)
class FeedState:
    """How a feed does. `stale` are the subscribed symbols without a mark price young enough."""

    venue: Venue
    mode: FeedMode
    stale: frozenset[str]
    reconnects: int = 0


class PriceSource(Protocol):
    """A venue's stream of prices for the symbols that are subscribed."""

    def subscribe(self, symbols: Collection[str]) -> None:
        """Make these the symbols that are followed, and no others."""
        ...

    def latest(self, symbol: str, kind: PriceKind) -> Price | None:
        """The newest price that arrived, however old."""
        ...

    def state(self) -> FeedState:
        """How the feed does now."""
        ...


class PriceReader(Protocol):
    """Asks a venue for a price, outside of any stream."""

    async def read_price(self, venue: Venue, symbol: str, kind: PriceKind = PriceKind.MARK) -> Price:
        """The price now. Raises VenueError."""
        ...

    async def read_candles(
        self,
        venue: Venue,
        symbol: str,
        *,
        interval_minutes: int,
        since: datetime,
        until: datetime,
        kind: PriceKind = PriceKind.LAST,
    ) -> tuple[Candle, ...]:
        """Bars opened in [since, until), oldest first, all pages. Raises VenueError."""
        ...
