"""Bybit's public market data: prices and candles."""

from contextlib import suppress
from datetime import datetime
from typing import Any

from services.common.exchange.budget import Lane
from services.common.exchange.bybit.pages import read_result
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import above_zero, from_milliseconds, instant, rows, text, to_milliseconds
from services.common.exchange.prices import Candle, CandleSpan, Price, PriceKind
from services.common.trading.money import parse_decimal

TICKERS = Endpoint("public", "GET", "v5/market/tickers")
KLINE = Endpoint("public", "GET", "v5/market/kline")
MARK_PRICE_KLINE = Endpoint("public", "GET", "v5/market/mark-price-kline")

_INTERVALS = {1: "1", 3: "3", 5: "5", 15: "15", 30: "30", 60: "60", 120: "120", 240: "240", 1440: "D"}
PAGE = 1000
_FIELDS = {PriceKind.MARK: "markPrice", PriceKind.LAST: "lastPrice"}


async def read_price(client: VenueClient, symbol: str, kind: PriceKind, lane: Lane, now: datetime) -> Price:
    """One price. Raises VenueError."""
    prices = await _read_tickers(client, {"symbol": symbol}, (kind,), lane, now)
    if len(prices) != 1:
        raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, f"no ticker for {symbol}")
    return prices[0]


async def read_all_prices(client: VenueClient, kinds: tuple[PriceKind, ...], lane: Lane, now: datetime) -> list[Price]:
    """The prices of all symbols in one call. Raises VenueError."""
    return await _read_tickers(client, {}, kinds, lane, now)


async def read_candles(client: VenueClient, span: CandleSpan, lane: Lane) -> tuple[Candle, ...]:
    """Bars opened in [since, until). Raises VenueError."""
    endpoint = MARK_PRICE_KLINE if span.kind is PriceKind.MARK else KLINE
    if span.interval_minutes not in _INTERVALS:
        raise ValueError(f"there is no interval of {span.interval_minutes} minutes")
    candles: dict[datetime, Candle] = {}
    end = span.until
    # The venue answers with the newest bars of a range, so pages go backwards.
    while span.since < end:
        params = {
            "category": "linear",
            "symbol": span.symbol,
            "interval": _INTERVALS[span.interval_minutes],
            "start": to_milliseconds(span.since),
            "end": to_milliseconds(end) - 1,
            "limit": PAGE,
        }
        answer = await client.call(endpoint, params, lane=lane)
        try:
            bars = read_result(answer).get("list")
            page = [parse_candle(bar, with_volume=span.kind is PriceKind.LAST) for bar in bars or ()]
        except (ValueError, IndexError, TypeError) as error:
            raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, f"candles cannot be read: {error}") from None
        candles.update({candle.opened_at: candle for candle in page})
        if len(page) < PAGE:
            break
        earliest = min(candle.opened_at for candle in page)
        if earliest >= end:
            raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, "the list of candles has no end")
        end = earliest
    return tuple(candles[at] for at in sorted(candles) if span.since <= at < span.until)


def parse_candle(bar: Any, *, with_volume: bool) -> Candle:
    """One bar: [start, open, high, low, close, volume, turnover]. Raises ValueError, IndexError, TypeError."""
    opening, high, low, close = (parse_decimal(str(value)) for value in bar[1:5])
    volume = parse_decimal(str(bar[5])) if with_volume else None
    return Candle(from_milliseconds(int(bar[0])), opening, high, low, close, volume)


async def _read_tickers(
    client: VenueClient, params: dict[str, str], kinds: tuple[PriceKind, ...], lane: Lane, now: datetime
) -> list[Price]:
    answer = await client.call(TICKERS, {"category": "linear", **params}, lane=lane)
    received = to_milliseconds(now)
    try:
        stamp = to_milliseconds(instant(answer, "time"))
        listed = rows(read_result(answer), "list")
    except ValueError as error:
        raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, f"tickers cannot be read: {error}") from None
    prices = []
    for row in listed:
        for kind in kinds:
            # A symbol that is not traded yet may have no price; that must not cost the others.
            with suppress(ValueError):
                price = above_zero(row, _FIELDS[kind])
                prices.append(Price(client.venue, text(row, "symbol"), kind, price, stamp, received, polled=True))
    return prices
