"""Bybit's streams: /v5/public/linear (tickers, klines, trades) and /v5/private (order, execution, position, wallet).

Invariants: `tickers` is a snapshot at subscription and after that only what changed; private topics are
served after `auth` alone. An account's messages are the hub's topic `<topic>:<account id>`.
"""

import hashlib
import hmac
import json
import uuid
from typing import Any

from aiohttp import web

from deploy.sandbox.core.book import Book
from deploy.sandbox.core.prices import merge_candles
from deploy.sandbox.core.records import Fill, Income, Order, Position, Quote
from deploy.sandbox.core.venue import Venue
from deploy.sandbox.hub import Connection, Hub
from deploy.sandbox.wire import on_grid, plain

from .documents import execution_document, funding_document, order_document, position_document, wallet_document
from .instruments import ticker_document
from .market import INTERVALS_MS

PRIVATE_TOPICS = ("order", "execution", "position", "wallet")


class BybitStreams:
    """A listener of the venue that tells the venue's followers."""

    def __init__(self, venue: Venue, hub: Hub) -> None:
        self._venue = venue
        self._board = venue.board
        self._hub = hub
        # What was last told of each symbol: deltas are against it.
        self._told: dict[str, dict[str, Any]] = {}
        venue.listeners.append(self)

    # Connections.

    async def serve(self, request: web.Request) -> web.StreamResponse:
        private = request.path.startswith("/v5/private")
        receive = self._receive_private if private else self._receive_public
        return await self._hub.accept(request, receive, lambda _connection: None)

    def _receive_public(self, connection: Connection, text: str) -> None:
        message = _read(text)
        if self._common(connection, message, "ping"):
            return
        topics = [str(topic) for topic in message.get("args", [])]
        unknown = [topic for topic in topics if not self._known(topic)]
        if unknown:
            self._reply(connection, message, success=False, words=f"error:handler not found,topic:{unknown[0]}")
            return
        tickers = [topic for topic in topics if topic.startswith("tickers.") and message["op"] == "subscribe"]
        for topic in tickers:
            # Brings those who follow it already up to date, so that all are told the same from here on.
            self._publish_symbol(self._board.quotes[topic.split(".")[1]])
        self._change(connection, message, topics)
        self._reply(connection, message)
        for topic in tickers:
            connection.send(topic, self._ticker_snapshot(topic))

    def _receive_private(self, connection: Connection, text: str) -> None:
        message = _read(text)
        if message.get("op") == "auth":
            self._authenticate(connection, message)
            return
        if self._common(connection, message, "pong"):
            return
        topics = [str(topic) for topic in message.get("args", [])]
        if not connection.account_id:
            self._reply(connection, message, success=False, words="Request not authorized")
            return
        bases = [topic.split(".")[0] for topic in topics]
        if any(base not in PRIVATE_TOPICS for base in bases):
            self._reply(connection, message, success=False, words="error:handler not found")
            return
        self._change(connection, message, [f"{base}:{connection.account_id}" for base in bases])
        self._reply(connection, message)

    def _common(self, connection: Connection, message: dict[str, Any], pong_form: str) -> bool:
        """Answer pings and refuse what is no operation; True if that was all."""
        operation = message.get("op")
        if operation == "ping":
            if pong_form == "ping":
                self._reply(connection, message, words="pong")
            else:
                pong = {"req_id": str(message.get("req_id", "")), "op": "pong", "args": [str(self._venue.now_ms())]}
                connection.send("", {**pong, "conn_id": self._name(connection)})
            return True
        if operation not in ("subscribe", "unsubscribe"):
            self._reply(connection, message, success=False, words="error:invalid op")
            return True
        return False

    def _change(self, connection: Connection, message: dict[str, Any], topics: list[str]) -> None:
        for topic in topics:
            (self._hub.follow if message["op"] == "subscribe" else self._hub.unfollow)(connection, topic)

    def _authenticate(self, connection: Connection, message: dict[str, Any]) -> None:
        arguments = [str(argument) for argument in message.get("args", [])]
        key = self._venue.keys.get(arguments[0]) if len(arguments) == 3 else None
        if key is None or not arguments[1].isdigit() or int(arguments[1]) <= self._venue.now_ms():
            self._reply(connection, message, success=False, words="Params Error")
            return
        expected = hmac.new(key.secret.encode(), f"GET/realtime{arguments[1]}".encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, arguments[2]):
            self._reply(connection, message, success=False, words="error:USVC1111")
            return
        connection.account_id = key.account_id
        connection.api_keys = {one.api_key for one in self._venue.keys.values() if one.account_id == key.account_id}
        self._reply(connection, message)

    def _reply(self, connection: Connection, message: dict[str, Any], *, success: bool = True, words: str = "") -> None:
        reply = {"success": success, "ret_msg": words, "conn_id": self._name(connection)}
        if "req_id" in message:
            reply["req_id"] = str(message["req_id"])
        connection.send("", {**reply, "op": message.get("op", "")})

    def _name(self, connection: Connection) -> str:
        return f"sandbox-{id(connection):x}"

    def _known(self, topic: str) -> bool:
        parts = topic.split(".")
        if parts[-1] not in self._board.quotes:
            return False
        return parts[0] in ("tickers", "publicTrade", "allLiquidation") or (
            parts[0] == "kline" and len(parts) == 3 and parts[1] in INTERVALS_MS
        )

    # Prices.

    def on_price(self, quote: Quote) -> None:
        self._publish_symbol(quote)

    def pulse(self) -> None:
        """The messages of each second."""
        for quote in self._board.quotes.values():
            self._publish_symbol(quote)

    def _publish_symbol(self, quote: Quote) -> None:
        topic = f"tickers.{quote.symbol}"
        if self._hub.followed(topic):
            document = ticker_document(quote, self._board)
            told = self._told.get(quote.symbol, {})
            changed = {name: value for name, value in document.items() if told.get(name) != value}
            self._told[quote.symbol] = document
            if changed:
                self._hub.publish(topic, lambda: self._ticker("delta", {"symbol": quote.symbol, **changed}, quote))
        self._hub.publish(f"publicTrade.{quote.symbol}", lambda: self._trade(quote))
        for interval, interval_ms in INTERVALS_MS.items():
            self._hub.publish(f"kline.{interval}.{quote.symbol}", lambda: self._candle(quote, interval, interval_ms))  # noqa: B023 - called at once

    def _ticker_snapshot(self, topic: str) -> dict[str, Any]:
        quote = self._board.quotes[topic.split(".")[1]]
        self._told[quote.symbol] = ticker_document(quote, self._board)
        return self._ticker("snapshot", self._told[quote.symbol], quote)

    def _ticker(self, kind: str, data: dict[str, Any], quote: Quote) -> dict[str, Any]:
        topic = f"tickers.{quote.symbol}"
        return {"topic": topic, "type": kind, "data": data, "cs": quote.sequence, "ts": self._venue.now_ms()}

    def _trade(self, quote: Quote) -> dict[str, Any]:
        contract, now_ms = self._board.contracts[quote.symbol], self._venue.now_ms()
        trade = {
            "T": quote.time_ms, "s": quote.symbol, "S": "Buy", "v": plain(contract.step),
            "p": on_grid(quote.last, contract.tick), "L": "PlusTick", "i": str(uuid.uuid4()), "BT": False,
        }  # fmt: skip
        return {"topic": f"publicTrade.{quote.symbol}", "type": "snapshot", "ts": now_ms, "data": [trade]}

    def _candle(self, quote: Quote, interval: str, interval_ms: int) -> dict[str, Any]:
        candle = merge_candles(self._board.candles(quote.symbol, mark=False), interval_ms)[-1]
        tick, now_ms = self._board.contracts[quote.symbol].tick, self._venue.now_ms()
        row = {
            "start": candle.start_ms, "end": candle.start_ms + interval_ms - 1, "interval": interval,
            "open": on_grid(candle.open, tick), "close": on_grid(candle.close, tick),
            "high": on_grid(candle.high, tick), "low": on_grid(candle.low, tick), "volume": "100",
            "turnover": plain(candle.close * 100), "confirm": False, "timestamp": now_ms,
        }  # fmt: skip
        return {"topic": f"kline.{interval}.{quote.symbol}", "type": "snapshot", "ts": now_ms, "data": [row]}

    # The account.

    def on_order(self, book: Book, order: Order, fill: Fill | None, execution: str) -> None:
        contract = self._board.contracts[order.symbol]
        if fill is not None:
            self._tell(book, "execution", lambda: [execution_document(fill, order, contract)])
        self._tell(book, "order", lambda: [order_document(order, contract)])

    def on_cash(self, book: Book, income: Income) -> None:
        if income.kind == "FUNDING_FEE":
            contract, position = self._board.contracts[income.symbol], book.positions[income.symbol, income.leg]
            self._tell(book, "execution", lambda: [funding_document(income, contract)])
            self._tell(book, "position", lambda: [position_document(book, position, self._board)])
        self._tell(book, "wallet", lambda: [wallet_document(book)])

    def on_leverage(self, book: Book, symbol: str) -> None:
        positions = [position for position in book.positions.values() if position.symbol == symbol]
        if positions:
            self._tell(
                book, "position", lambda: [position_document(book, position, self._board) for position in positions]
            )

    def on_account(self, book: Book, reason: str, positions: list[Position]) -> None:
        if reason == "MARGIN_CALL":
            return
        if positions:
            self._tell(
                book, "position", lambda: [position_document(book, position, self._board) for position in positions]
            )
        self._tell(book, "wallet", lambda: [wallet_document(book)])

    def _tell(self, book: Book, topic: str, make: Any) -> None:
        now_ms = self._venue.now_ms()
        self._hub.publish(
            f"{topic}:{book.account.id}",
            lambda: {"id": uuid.uuid4().hex, "topic": topic, "creationTime": now_ms, "data": make()},
        )


def _read(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
