"""Bybit's prices: one connection with a ticker topic for each wanted symbol, a snapshot and then what changed.

A change without a price says that the price has not changed; it is passed on as such, with the new time.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from itertools import count

import msgspec

from services.common.exchange.budget import Lane
from services.common.exchange.bybit.market import read_all_prices
from services.common.exchange.client import VenueClient
from services.common.exchange.prices import Price, PriceKind
from services.common.trading.money import parse_decimal
from services.common.trading.side import Venue

_BATCH = 100
_PREFIX = "tickers."


class _Ticker(msgspec.Struct, rename="camel"):
    symbol: str = ""
    mark_price: str = ""
    last_price: str = ""


class _Message(msgspec.Struct):
    topic: str = ""
    type: str = ""
    ts: int = 0
    data: _Ticker | None = None
    success: bool | None = None
    req_id: str = ""


class BybitPriceStream:
    """Implements PriceDialect."""

    url = "wss://stream.bybit.com/v5/public/linear"
    ping: str | None = '{"op":"ping"}'

    def __init__(self) -> None:
        self._messages = msgspec.json.Decoder(_Message)
        self._known: dict[tuple[str, PriceKind], Price] = {}
        self._asked: dict[str, list[str]] = {}
        self._replies: list[str] = []
        self._numbers = count(1)

    def greeting(self) -> list[str]:
        """Nothing yet: topics are asked for by symbol."""
        self._known.clear()
        self._asked.clear()
        self._replies.clear()
        return []

    def changes(self, added: Collection[str], removed: Collection[str]) -> list[str]:
        """Subscriptions in batches."""
        for symbol in removed:
            for kind in PriceKind:
                self._known.pop((symbol, kind), None)
        return [*self._requests("subscribe", added), *self._requests("unsubscribe", removed)]

    def replies(self) -> list[str]:
        """One by one again, what the venue refused as a batch: one unknown symbol must not cost the others."""
        replies, self._replies = self._replies, []
        return replies

    def read(self, message: str, wanted: Collection[str], received_time_ms: int) -> Iterator[Price]:
        """The prices in a snapshot or a change of one symbol's ticker."""
        try:
            content = self._messages.decode(message)
        except msgspec.DecodeError:
            return
        if content.success is False:
            self._take_refusal(content.req_id)
        ticker = content.data
        if ticker is None or not content.topic.startswith(_PREFIX):
            return
        symbol = content.topic[len(_PREFIX) :]
        if symbol not in wanted:
            return
        for kind, text in ((PriceKind.MARK, ticker.mark_price), (PriceKind.LAST, ticker.last_price)):
            price = self._next(symbol, kind, text, content.ts, received_time_ms)
            if price is not None:
                self._known[symbol, kind] = price
                yield price

    async def poll(self, client: VenueClient, symbols: Collection[str], lane: Lane, now: datetime) -> list[Price]:
        """Mark and last prices by REST, all in one request. Raises VenueError."""
        every = await read_all_prices(client, tuple(PriceKind), lane, now)
        return [price for price in every if price.symbol in symbols]

    def _next(self, symbol: str, kind: PriceKind, text: str, stamp: int, received_time_ms: int) -> Price | None:
        if text:
            try:
                return Price(Venue.BYBIT, symbol, kind, parse_decimal(text), stamp, received_time_ms)
            except ValueError:
                return None
        before = self._known.get((symbol, kind))
        return before and before._replace(venue_time_ms=stamp, received_time_ms=received_time_ms)

    def _requests(self, operation: str, symbols: Collection[str], size: int = _BATCH) -> list[str]:
        ordered = sorted(symbols)
        requests = []
        for start in range(0, len(ordered), size):
            batch = ordered[start : start + size]
            number = str(next(self._numbers))
            if operation == "subscribe":
                self._asked[number] = batch
            request = {"req_id": number, "op": operation, "args": [f"{_PREFIX}{symbol}" for symbol in batch]}
            requests.append(msgspec.json.encode(request).decode())
        return requests

    def _take_refusal(self, number: str) -> None:
        batch = self._asked.pop(number, [])
        if len(batch) > 1:
            self._replies += self._requests("subscribe", batch, size=1)
