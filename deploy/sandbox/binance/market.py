"""Public endpoints: exchange information, prices, candles."""

from typing import Any

from deploy.sandbox.core.prices import MINUTE_MS, merge_candles
from deploy.sandbox.core.records import Quote
from deploy.sandbox.core.venue import Venue
from deploy.sandbox.wire import Call, fixed, on_grid, plain

from .documents import contract_document
from .errors import BinanceError, missing
from .trading import read_int

DAY_MS = 86_400_000
INTERVALS_MS = {
    "1m": MINUTE_MS, "3m": 3 * MINUTE_MS, "5m": 5 * MINUTE_MS, "15m": 15 * MINUTE_MS, "30m": 30 * MINUTE_MS,
    "1h": 60 * MINUTE_MS, "2h": 120 * MINUTE_MS, "4h": 240 * MINUTE_MS, "6h": 360 * MINUTE_MS,
    "8h": 480 * MINUTE_MS, "12h": 720 * MINUTE_MS, "1d": DAY_MS, "3d": 3 * DAY_MS, "1w": 7 * DAY_MS,
}  # fmt: skip
FUNDING_MS = 28_800_000
TOP_QUANTITY_NOTIONAL = 250_000


class Market:
    """Answers for everybody; signs nothing."""

    def __init__(self, venue: Venue, weight_limit: int) -> None:
        self._venue = venue
        self._board = venue.board
        self._weight_limit = weight_limit

    def ping(self, call: Call) -> Any:
        return {}

    def time(self, call: Call) -> Any:
        return {"serverTime": self._venue.now_ms()}

    def exchange_info(self, call: Call) -> Any:
        return {
            "timezone": "UTC",
            "serverTime": self._venue.now_ms(),
            "futuresType": "U_MARGINED",
            "rateLimits": [
                _limit("REQUEST_WEIGHT", "MINUTE", 1, self._weight_limit),
                _limit("ORDERS", "MINUTE", 1, 1200),
                _limit("ORDERS", "SECOND", 10, 300),
            ],
            "exchangeFilters": [],
            "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
            "symbols": [
                contract_document(contract, self._board.quotes[symbol].anchor)
                for symbol, contract in self._board.contracts.items()
            ],
        }

    def day_ticker(self, call: Call) -> Any:
        return self._each(call, self._day_ticker)

    def price(self, call: Call) -> Any:
        return self._each(
            call,
            lambda quote: {"symbol": quote.symbol, "price": self._price(quote), "time": quote.time_ms},
        )

    def book_ticker(self, call: Call) -> Any:
        return self._each(call, self._book_ticker)

    def premium_index(self, call: Call) -> Any:
        return self._each(call, self._premium_index)

    def funding_info(self, call: Call) -> Any:
        return []

    def depth(self, call: Call) -> Any:
        quote, contract = self._quote(call), self._board.contracts[call.text("symbol")]
        depth, levels = self._board.depth(quote.symbol), min(read_int(call, "limit", 500), 20)
        size = self._size(quote)
        return {
            "lastUpdateId": self._venue.next_number(),
            "E": self._venue.now_ms(),
            "T": quote.time_ms,
            "bids": [[on_grid(depth.bid - contract.tick * n, contract.tick), size] for n in range(levels)],
            "asks": [[on_grid(depth.ask + contract.tick * n, contract.tick), size] for n in range(levels)],
        }

    def candles(self, call: Call) -> Any:
        return self._candles(call, mark=False)

    def mark_candles(self, call: Call) -> Any:
        return self._candles(call, mark=True)

    def _candles(self, call: Call, *, mark: bool) -> Any:
        quote = self._quote(call)
        interval_ms = INTERVALS_MS.get(call.text("interval"))
        if interval_ms is None:
            raise BinanceError(-1120, "Invalid interval.")
        start, end = read_int(call, "startTime", 0), read_int(call, "endTime", 2**53)
        limit = min(read_int(call, "limit", 500), 1500)
        candles = merge_candles(self._board.candles(quote.symbol, mark=mark), interval_ms)
        chosen = [candle for candle in candles if start <= candle.start_ms <= end]
        chosen = chosen[:limit] if "startTime" in call.params else chosen[-limit:]
        tick = self._board.contracts[quote.symbol].tick / (10 if mark else 1)
        return [
            [
                candle.start_ms,
                *(on_grid(price, tick) for price in (candle.open, candle.high, candle.low, candle.close)),
                "0" if mark else "100.000",
                candle.start_ms + interval_ms - 1,
                "0" if mark else plain(candle.close * 100),
                60,
                "0" if mark else "50.000",
                "0" if mark else plain(candle.close * 50),
                "0",
            ]
            for candle in chosen
        ]

    def _quote(self, call: Call) -> Quote:
        symbol = call.text("symbol")
        if not symbol:
            raise missing("symbol")
        if symbol not in self._board.quotes:
            raise BinanceError(-1121, "Invalid symbol.")
        return self._board.quotes[symbol]

    def _each(self, call: Call, make: Any) -> Any:
        if "symbol" in call.params:
            return make(self._quote(call))
        return [make(quote) for quote in self._board.quotes.values()]

    def _price(self, quote: Quote) -> str:
        return on_grid(quote.last, self._board.contracts[quote.symbol].tick)

    def _size(self, quote: Quote) -> str:
        return on_grid(TOP_QUANTITY_NOTIONAL / quote.last, self._board.contracts[quote.symbol].step)

    def _day_ticker(self, quote: Quote) -> dict[str, Any]:
        contract = self._board.contracts[quote.symbol]
        change = quote.last - quote.opening
        return {
            "symbol": quote.symbol,
            "priceChange": on_grid(change, contract.tick),
            "priceChangePercent": fixed(change / quote.opening * 100, 3),
            "weightedAvgPrice": on_grid((quote.high + quote.low) / 2, contract.tick),
            "lastPrice": self._price(quote),
            "lastQty": plain(contract.step),
            "openPrice": on_grid(quote.opening, contract.tick),
            "highPrice": on_grid(quote.high, contract.tick),
            "lowPrice": on_grid(quote.low, contract.tick),
            "volume": "100000",
            "quoteVolume": plain(quote.last * 100000),
            "openTime": quote.time_ms - DAY_MS,
            "closeTime": quote.time_ms,
            "firstId": 1,
            "lastId": 1 + quote.sequence,
            "count": 1 + quote.sequence,
        }

    def _book_ticker(self, quote: Quote) -> dict[str, Any]:
        tick, depth = self._board.contracts[quote.symbol].tick, self._board.depth(quote.symbol)
        return {
            "symbol": quote.symbol,
            "bidPrice": on_grid(depth.bid, tick),
            "bidQty": self._size(quote),
            "askPrice": on_grid(depth.ask, tick),
            "askQty": self._size(quote),
            "time": quote.time_ms,
            "lastUpdateId": quote.sequence,
        }

    def _premium_index(self, quote: Quote) -> dict[str, Any]:
        return {
            "symbol": quote.symbol,
            "markPrice": fixed(quote.mark, 8),
            "indexPrice": fixed(quote.mark, 8),
            "estimatedSettlePrice": fixed(quote.mark, 8),
            "lastFundingRate": "0.00000000",
            "interestRate": "0.00010000",
            "nextFundingTime": quote.time_ms - quote.time_ms % FUNDING_MS + FUNDING_MS,
            "time": quote.time_ms,
        }


def _limit(kind: str, interval: str, number: int, limit: int) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}
