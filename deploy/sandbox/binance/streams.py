"""Binance's market streams and user-data streams.

Market paths: /market/ws/<n>, /public/ws/<n>, /ws, /stream and their combined forms; user data:
/private/ws?listenKey=… and /ws/<listenKey>. Any stream may be subscribed on any market path (the venue
splits them over paths). An account's messages are the topic `user:<account id>`.
"""

import json
from typing import Any

from aiohttp import web

from deploy.sandbox.core.book import Book
from deploy.sandbox.core.prices import merge_candles
from deploy.sandbox.core.records import ZERO, Fill, Income, Order, Position, Quote
from deploy.sandbox.core.venue import Venue
from deploy.sandbox.hub import Connection, Hub
from deploy.sandbox.wire import fixed, on_grid, plain

from .documents import algo_time_in_force, decimals
from .listen_keys import ListenKeys
from .market import INTERVALS_MS, TOP_QUANTITY_NOTIONAL

FUNDING_MS = 28_800_000
# The `er` of an order that expired: knocked out by a reduce-only order or a flat position, liquidation,
# a market order that could not be filled, fill-or-kill.
EXPIRY_REASONS = {"REDUCE_ONLY": "4", "LIQUIDATION": "5", "NO_LIQUIDITY": "9", "FOK": "10"}


class BinanceStreams:
    """A listener of the venue that tells the venue's followers."""

    def __init__(self, venue: Venue, hub: Hub, listen_keys: ListenKeys) -> None:
        self._venue = venue
        self._board = venue.board
        self._hub = hub
        self._listen_keys = listen_keys
        listen_keys.expired = self._on_listen_key_expired
        venue.listeners.append(self)

    # Connections.

    async def serve(self, request: web.Request) -> web.StreamResponse:
        tail = request.path.rsplit("/", 1)[1]
        listen_key = request.query.get("listenKey", tail if len(tail) == 64 else "")
        combined = "stream" in request.path.split("/")

        def greet(connection: Connection) -> None:
            account_id = self._listen_keys.account_of(listen_key) if listen_key else None
            if account_id is not None:
                connection.account_id = account_id
                keys = self._venue.keys.values()
                connection.api_keys = {key.api_key for key in keys if key.account_id == account_id}
                self._hub.follow(connection, f"user:{account_id}")
            for stream in request.query.get("streams", "").split("/"):
                if stream:
                    self._hub.follow(connection, stream)

        return await self._hub.accept(request, self._receive, greet, combined=combined)

    def _receive(self, connection: Connection, text: str) -> None:
        try:
            message = json.loads(text)
            identity, method, streams = message.get("id"), message["method"], message.get("params", [])
        except (ValueError, KeyError, AttributeError, TypeError):
            connection.send("", {"error": {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}})
            return
        if method == "LIST_SUBSCRIPTIONS":
            connection.send("", {"result": sorted(connection.topics), "id": identity})
            return
        if method not in ("SUBSCRIBE", "UNSUBSCRIBE"):
            error = {"code": 2, "msg": f"Invalid request: unknown variant `{method}`"}
            connection.send("", {"error": error, "id": identity})
            return
        for stream in streams:
            (self._hub.follow if method == "SUBSCRIBE" else self._hub.unfollow)(connection, stream)
        connection.send("", {"result": None, "id": identity})

    # Prices.

    def on_price(self, quote: Quote) -> None:
        """A price was set: everybody who follows the symbol hears of it now."""
        self._publish_symbol(quote)
        for every in ("!markPrice@arr", "!markPrice@arr@1s"):
            self._hub.publish(every, lambda: [self._mark_price(quote)])
        self._hub.publish("!ticker@arr", lambda: [self._ticker(quote)])
        self._hub.publish("!miniTicker@arr", lambda: [self._mini_ticker(quote)])

    def pulse(self) -> None:
        """The messages of each second."""
        quotes = list(self._board.quotes.values())
        for quote in quotes:
            self._publish_symbol(quote)
        for every in ("!markPrice@arr", "!markPrice@arr@1s"):
            self._hub.publish(every, lambda: [self._mark_price(quote) for quote in quotes])
        self._hub.publish("!ticker@arr", lambda: [self._ticker(quote) for quote in quotes])
        self._hub.publish("!miniTicker@arr", lambda: [self._mini_ticker(quote) for quote in quotes])
        self._listen_keys.expire()

    def _publish_symbol(self, quote: Quote) -> None:
        lower = quote.symbol.lower()
        for stream in (f"{lower}@markPrice", f"{lower}@markPrice@1s"):
            self._hub.publish(stream, lambda: self._mark_price(quote))
        for stream in (f"{lower}@bookTicker", "!bookTicker"):
            self._hub.publish(stream, lambda: self._book_ticker(quote))
        self._hub.publish(f"{lower}@ticker", lambda: self._ticker(quote))
        self._hub.publish(f"{lower}@miniTicker", lambda: self._mini_ticker(quote))
        for stream in (f"{lower}@aggTrade", f"{lower}@trade"):
            self._hub.publish(stream, lambda: self._trade(quote))
        for interval, interval_ms in INTERVALS_MS.items():
            self._hub.publish(f"{lower}@kline_{interval}", lambda: self._candle(quote, interval, interval_ms))  # noqa: B023 - called at once

    def _mark_price(self, quote: Quote) -> dict[str, Any]:
        now_ms = self._venue.now_ms()
        mark = fixed(quote.mark, 8)
        return {
            "e": "markPriceUpdate", "E": now_ms, "s": quote.symbol, "p": mark, "ap": mark, "P": mark, "i": mark,
            "r": "0.00000000", "T": now_ms - now_ms % FUNDING_MS + FUNDING_MS,
        }  # fmt: skip

    def _book_ticker(self, quote: Quote) -> dict[str, Any]:
        contract, depth = self._board.contracts[quote.symbol], self._board.depth(quote.symbol)
        size = on_grid(TOP_QUANTITY_NOTIONAL / quote.last, contract.step)
        return {
            "e": "bookTicker", "u": quote.sequence, "E": self._venue.now_ms(), "T": quote.time_ms, "s": quote.symbol,
            "b": on_grid(depth.bid, contract.tick), "B": size, "a": on_grid(depth.ask, contract.tick), "A": size,
        }  # fmt: skip

    def _mini_ticker(self, quote: Quote) -> dict[str, Any]:
        tick = self._board.contracts[quote.symbol].tick
        return {
            "e": "24hrMiniTicker", "E": self._venue.now_ms(), "s": quote.symbol, "c": on_grid(quote.last, tick),
            "o": on_grid(quote.opening, tick), "h": on_grid(quote.high, tick), "l": on_grid(quote.low, tick),
            "v": "100000", "q": plain(quote.last * 100000),
        }  # fmt: skip

    def _ticker(self, quote: Quote) -> dict[str, Any]:
        contract, now_ms = self._board.contracts[quote.symbol], self._venue.now_ms()
        change = quote.last - quote.opening
        return {
            **self._mini_ticker(quote),
            "e": "24hrTicker", "p": on_grid(change, contract.tick), "P": fixed(change / quote.opening * 100, 2),
            "w": on_grid((quote.high + quote.low) / 2, contract.tick), "Q": plain(contract.step),
            "O": now_ms - 86_400_000, "C": now_ms, "F": 1, "L": 1 + quote.sequence, "n": 1 + quote.sequence,
        }  # fmt: skip

    def _trade(self, quote: Quote) -> dict[str, Any]:
        contract = self._board.contracts[quote.symbol]
        return {
            "e": "aggTrade", "E": self._venue.now_ms(), "s": quote.symbol, "a": quote.sequence,
            "p": on_grid(quote.last, contract.tick), "q": plain(contract.step), "f": quote.sequence,
            "l": quote.sequence, "T": quote.time_ms, "m": False,
        }  # fmt: skip

    def _candle(self, quote: Quote, interval: str, interval_ms: int) -> dict[str, Any]:
        candle = merge_candles(self._board.candles(quote.symbol, mark=False), interval_ms)[-1]
        tick = self._board.contracts[quote.symbol].tick
        return {
            "e": "kline", "E": self._venue.now_ms(), "s": quote.symbol,
            "k": {
                "t": candle.start_ms, "T": candle.start_ms + interval_ms - 1, "s": quote.symbol, "i": interval,
                "f": 1, "L": 1, "o": on_grid(candle.open, tick), "c": on_grid(candle.close, tick),
                "h": on_grid(candle.high, tick), "l": on_grid(candle.low, tick), "v": "100", "n": 60, "x": False,
                "q": plain(candle.close * 100), "V": "50", "Q": plain(candle.close * 50), "B": "0",
            },
        }  # fmt: skip

    # User data.

    def on_order(self, book: Book, order: Order, fill: Fill | None, execution: str) -> None:
        topic = f"user:{book.account.id}"
        if fill is not None and execution == "TRADE":
            self._hub.publish(topic, lambda: self._trade_lite(order, fill))
        make = self._algo_update if order.conditional else self._order_update
        self._hub.publish(topic, lambda: make(order, fill, execution))

    def on_cash(self, book: Book, income: Income) -> None:
        # Of a crossed position's funding the venue tells the balance alone.
        reasons = {"FUNDING_FEE": "FUNDING_FEE", "TRANSFER": "DEPOSIT" if income.amount > 0 else "WITHDRAW"}
        change, reason = fixed(income.amount, 8), reasons[income.kind]
        self._hub.publish(f"user:{book.account.id}", lambda: self._account_update(book, reason, [], change))

    def on_leverage(self, book: Book, symbol: str) -> None:
        now_ms, change = self._venue.now_ms(), {"s": symbol, "l": book.leverage(symbol)}
        message = {"e": "ACCOUNT_CONFIG_UPDATE", "E": now_ms, "T": now_ms, "ac": change}
        self._hub.publish(f"user:{book.account.id}", lambda: message)

    def on_account(self, book: Book, reason: str, positions: list[Position]) -> None:
        make = self._margin_call if reason == "MARGIN_CALL" else self._account_update
        self._hub.publish(f"user:{book.account.id}", lambda: make(book, reason, positions))

    def _on_listen_key_expired(self, account_id: str, listen_key: str) -> None:
        topic = f"user:{account_id}"
        message = {"e": "listenKeyExpired", "E": self._venue.now_ms(), "listenKey": listen_key}
        self._hub.publish(topic, lambda: message)
        # The socket stays open and says nothing more, as at the venue.
        for connection in [one for one in self._hub.connections if topic in one.topics]:
            self._hub.unfollow(connection, topic)

    def _account_update(self, book: Book, reason: str, positions: list[Position], change: str = "0") -> dict[str, Any]:
        now_ms = self._venue.now_ms()
        wallet = fixed(book.account.wallet, 8)
        return {
            "e": "ACCOUNT_UPDATE", "E": now_ms, "T": now_ms,
            "a": {
                "m": reason,
                "B": [{"a": "USDT", "wb": wallet, "cw": wallet, "bc": change}],
                "P": [
                    {
                        "s": position.symbol,
                        "pa": on_grid(position.amount, self._board.contracts[position.symbol].step),
                        "ep": plain(position.entry), "bep": plain(position.entry),
                        "cr": fixed(position.realised, 8), "up": fixed(book.unrealised(position), 8),
                        "mt": "cross", "iw": "0", "ps": position.leg, "ma": "USDT",
                    }
                    for position in positions
                ],
            },
        }  # fmt: skip

    def _margin_call(self, book: Book, reason: str, positions: list[Position]) -> dict[str, Any]:
        return {
            "e": "MARGIN_CALL", "E": self._venue.now_ms(), "cw": fixed(book.account.wallet, 8),
            "p": [
                {
                    "s": position.symbol, "ps": position.leg, "mt": "CROSSED", "iw": "0",
                    "pa": on_grid(position.amount, self._board.contracts[position.symbol].step),
                    "mp": fixed(self._board.quotes[position.symbol].mark, 8),
                    "up": fixed(book.unrealised(position), 8), "mm": fixed(book.maintenance(position), 8),
                }
                for position in positions
            ],
        }  # fmt: skip

    def _order_update(self, order: Order, fill: Fill | None, execution: str) -> dict[str, Any]:
        contract, now_ms = self._board.contracts[order.symbol], self._venue.now_ms()
        kind = "LIMIT" if order.kind == "LIMIT" else "MARKET"
        kind = "LIQUIDATION" if order.cause == "LIQUIDATION" else kind
        # The message tells of one step: a new order is NEW even if it has been filled by the time it is sent.
        status = "NEW" if execution == "NEW" else order.status
        executed = ZERO if execution == "NEW" else order.executed
        body: dict[str, Any] = {
            "s": order.symbol, "c": order.client_id, "S": order.side, "o": kind, "f": order.time_in_force,
            "q": on_grid(order.quantity, contract.step), "p": on_grid(order.price, contract.tick),
            "ap": fixed(order.average, decimals(contract.tick) + 4), "sp": "0",
            "x": execution, "X": status, "i": int(order.id),
            "l": on_grid(fill.quantity if fill else ZERO, contract.step), "z": on_grid(executed, contract.step),
            "L": on_grid(fill.price if fill else ZERO, contract.tick),
            "T": fill.time_ms if fill else order.updated_ms, "t": int(fill.id) if fill else 0,
            "b": "0", "a": "0", "m": bool(fill and fill.maker), "R": order.reduce_only and order.cause == "USER",
            "wt": "CONTRACT_PRICE",
            "ot": kind, "ps": order.leg, "cp": order.close_position, "pP": False, "si": 0, "ss": 0,
            "rp": fixed(fill.realised if fill else ZERO, 8), "V": "EXPIRE_MAKER", "pm": "NONE", "gtd": 0,
            "er": EXPIRY_REASONS.get(order.reason, "0"),
        }  # fmt: skip
        if fill:
            body["n"], body["N"] = fixed(fill.fee, 8), "USDT"
        return {"e": "ORDER_TRADE_UPDATE", "E": now_ms, "T": body["T"], "o": body}

    def _trade_lite(self, order: Order, fill: Fill) -> dict[str, Any]:
        contract = self._board.contracts[order.symbol]
        return {
            "e": "TRADE_LITE", "E": self._venue.now_ms(), "T": fill.time_ms, "s": order.symbol,
            "q": on_grid(order.quantity, contract.step), "p": on_grid(order.price, contract.tick), "m": fill.maker,
            "c": order.client_id, "S": order.side, "L": on_grid(fill.price, contract.tick),
            "l": on_grid(fill.quantity, contract.step), "t": int(fill.id), "i": int(order.id),
        }  # fmt: skip

    def _algo_update(self, order: Order, fill: Fill | None, execution: str) -> dict[str, Any]:
        contract, now_ms = self._board.contracts[order.symbol], self._venue.now_ms()
        result = self._venue.books[order.account_id].orders.get(order.result_id)
        return {
            "e": "ALGO_UPDATE", "E": now_ms, "T": order.updated_ms,
            "o": {
                "caid": order.client_id, "aid": int(order.id), "at": "CONDITIONAL", "o": order.trigger_label,
                "s": order.symbol, "S": order.side, "ps": order.leg, "f": algo_time_in_force(order),
                "q": on_grid(order.quantity, contract.step), "X": execution, "ai": order.result_id,
                "ap": fixed(result.average, 5) if result else "0.00000",
                "aq": on_grid(result.executed if result else ZERO, contract.step),
                "act": result.kind if result else "0",
                "tp": on_grid(order.trigger_price or ZERO, contract.tick),
                "p": on_grid(order.price, contract.tick), "V": "EXPIRE_MAKER",
                "wt": "MARK_PRICE" if order.trigger_by == "MARK" else "CONTRACT_PRICE", "pm": "NONE",
                "cp": order.close_position, "pP": False, "R": order.reduce_only, "tt": order.triggered_ms, "gtd": 0,
                "rm": order.reason,
            },
        }  # fmt: skip
