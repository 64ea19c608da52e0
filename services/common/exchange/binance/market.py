"""Binance's public market data: prices and candles."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from services.common.exchange.budget import Lane
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import above_zero, from_milliseconds, instant, rows, text, to_milliseconds
from services.common.exchange.prices import Candle, CandleSpan, Price, PriceKind
from services.common.trading.money import parse_decimal
from services.common.trading.side import Venue

PREMIUM_INDEX = Endpoint("fapiPublic", "GET", "premiumIndex")
ALL_PREMIUM_INDEX = Endpoint("fapiPublic", "GET", "premiumIndex", weight=10, answer=list)
TICKER_PRICE = Endpoint("fapiPublicV2", "GET", "ticker/price")
ALL_TICKER_PRICES = Endpoint("fapiPublicV2", "GET", "ticker/price", weight=2, answer=list)
KLINES = Endpoint("fapiPublic", "GET", "klines", weight=5, answer=list)
MARK_PRICE_KLINES = Endpoint("fapiPublic", "GET", "markPriceKlines", weight=5, answer=list)

_INTERVALS = {1: "1m", 3: "3m", 5: "5m", 15: "15m", 30: "30m", 60: "1h", 120: "2h", 240: "4h", 1440: "1d"}
PAGE = 1000


async def read_price(client: VenueClient, symbol: str, kind: PriceKind, lane: Lane, now: datetime) -> Price:
    """One price. Raises VenueError."""
    endpoint = PREMIUM_INDEX if kind is PriceKind.MARK else TICKER_PRICE
    row = await client.call(endpoint, {"symbol": symbol}, lane=lane)
    return parse_price(row, kind, now)


async def read_all_prices(client: VenueClient, kind: PriceKind, lane: Lane, now: datetime) -> list[Price]:
    """The prices of all symbols in one call. Raises VenueError."""
    endpoint = ALL_PREMIUM_INDEX if kind is PriceKind.MARK else ALL_TICKER_PRICES
    prices = []
    for row in await client.call(endpoint, lane=lane):
        # A symbol that is not traded yet may have no price; that must not cost the others.
        with suppress(VenueError):
            prices.append(parse_price(row, kind, now))
    return prices


async def read_candles(client: VenueClient, span: CandleSpan, lane: Lane) -> tuple[Candle, ...]:
    """Bars opened in [since, until). Raises VenueError."""
    endpoint = MARK_PRICE_KLINES if span.kind is PriceKind.MARK else KLINES
    candles: dict[datetime, Candle] = {}
    start = span.since
    while start < span.until:
        params = {
            "symbol": span.symbol,
            "interval": interval_name(span.interval_minutes),
            "startTime": to_milliseconds(start),
            "endTime": to_milliseconds(span.until) - 1,
            "limit": PAGE,
        }
        bars = await client.call(endpoint, params, lane=lane)
        try:
            page = [parse_candle(bar, with_volume=span.kind is PriceKind.LAST) for bar in bars]
        except (ValueError, IndexError, TypeError) as error:
            raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, f"candles cannot be read: {error}") from None
        candles.update({candle.opened_at: candle for candle in page})
        if len(page) < PAGE:
            break
        following = max(candle.opened_at for candle in page) + timedelta(minutes=span.interval_minutes)
        if following <= start:
            raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, "the list of candles has no end")
        start = following
    return tuple(candles[at] for at in sorted(candles) if span.since <= at < span.until)


def interval_name(minutes: int) -> str:
    """Binance's name of an interval. Raises ValueError for one that it does not have."""
    if minutes not in _INTERVALS:
        raise ValueError(f"there is no interval of {minutes} minutes")
    return _INTERVALS[minutes]


def parse_candle(bar: Any, *, with_volume: bool) -> Candle:
    """One bar: [open time, open, high, low, close, volume, …]. Raises ValueError, IndexError, TypeError."""
    opening, high, low, close = (parse_decimal(str(value)) for value in bar[1:5])
    volume = parse_decimal(str(bar[5])) if with_volume else None
    return Candle(from_milliseconds(int(bar[0])), opening, high, low, close, volume)


def parse_price(row: Any, kind: PriceKind, now: datetime) -> Price:
    """One row of premiumIndex or of ticker/price. Raises VenueError."""
    try:
        [row] = rows([row])
        price = above_zero(row, "markPrice" if kind is PriceKind.MARK else "price")
        stamp = to_milliseconds(instant(row, "time"))
        return Price(Venue.BINANCE, text(row, "symbol"), kind, price, stamp, to_milliseconds(now), polled=True)
    except ValueError as error:
        raise VenueError(Venue.BINANCE, VenueErrorKind.BAD_ANSWER, f"a price cannot be read: {error}") from None
