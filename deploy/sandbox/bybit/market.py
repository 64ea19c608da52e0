"""Public endpoints: server time, instruments, tickers, candles, risk limits."""

from decimal import Decimal
from typing import Any

from deploy.sandbox.core.prices import MINUTE_MS, merge_candles
from deploy.sandbox.core.venue import Venue
from deploy.sandbox.wire import Call, on_grid, plain

from .errors import BybitError, empty_list, invalid, require_category
from .instruments import contract_document, ticker_row
from .trading import read_int

INTERVALS_MS = {
    **{str(minutes): minutes * MINUTE_MS for minutes in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720)},
    "D": 86_400_000,
    "W": 7 * 86_400_000,
}


class Market:
    """Answers for everybody; signs nothing."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._board = venue.board

    def time(self, call: Call) -> Any:
        now_ms = self._venue.now_ms()
        return {"timeSecond": str(now_ms // 1000), "timeNano": str(now_ms * 1_000_000)}

    def instruments(self, call: Call) -> Any:
        # Other categories exist at the venue; here they have no instruments.
        played = call.text("category") == "linear" and call.text("status", "Trading") == "Trading"
        symbol = call.text("symbol")
        rows = [
            contract_document(contract)
            for contract in self._board.contracts.values()
            if played and symbol in ("", contract.symbol)
        ]
        limit = min(read_int(call, "limit", 500), 1000)
        start = read_int(call, "cursor", 0)
        cursor = str(start + limit) if start + limit < len(rows) else ""
        return {"category": call.text("category"), "list": rows[start : start + limit], "nextPageCursor": cursor}

    def tickers(self, call: Call) -> Any:
        if not require_category(call.text("category")):
            return empty_list(call.text("category"))
        symbol = call.text("symbol")
        if symbol and symbol not in self._board.quotes:
            raise BybitError(10001, "params error: symbol invalid")
        quotes = [quote for quote in self._board.quotes.values() if symbol in ("", quote.symbol)]
        return {"category": "linear", "list": [ticker_row(quote, self._board) for quote in quotes]}

    def candles(self, call: Call) -> Any:
        return self._candles(call, mark=False)

    def mark_candles(self, call: Call) -> Any:
        return self._candles(call, mark=True)

    def risk_limits(self, call: Call) -> Any:
        self._require_linear(call)
        symbol = call.text("symbol")
        rows = [
            {
                "id": number,
                "symbol": contract.symbol,
                "riskLimitValue": plain(bracket.cap),
                "maintenanceMargin": plain(bracket.rate),
                "initialMargin": plain((Decimal(1) / bracket.leverage).quantize(Decimal("0.0001"))),
                "isLowestRisk": int(number == 1),
                "maxLeverage": f"{bracket.leverage}.00",
                "mmDeduction": plain(bracket.cumulative),
            }
            for contract in self._board.contracts.values()
            for number, bracket in enumerate(contract.brackets, 1)
            if symbol in ("", contract.symbol)
        ]
        return {"category": "linear", "list": rows, "nextPageCursor": ""}

    def _candles(self, call: Call, *, mark: bool) -> Any:
        self._require_linear(call)
        symbol, interval_ms = call.text("symbol"), INTERVALS_MS.get(call.text("interval"))
        if symbol not in self._board.quotes:
            raise BybitError(10001, "params error: symbol invalid")
        if interval_ms is None:
            raise invalid("interval")
        start, end = read_int(call, "start", 0), read_int(call, "end", 2**53)
        candles = merge_candles(self._board.candles(symbol, mark=mark), interval_ms)
        chosen = [candle for candle in candles if start <= candle.start_ms <= end]
        tick = self._board.contracts[symbol].tick / (10 if mark else 1)
        rows = [
            [
                str(candle.start_ms),
                *(on_grid(price, tick) for price in (candle.open, candle.high, candle.low, candle.close)),
                *([] if mark else ["100", plain(candle.close * 100)]),
            ]
            for candle in reversed(chosen)
        ]
        limit = min(read_int(call, "limit", 200), 1000)
        return {"symbol": symbol, "category": "linear", "list": rows[:limit]}

    def _require_linear(self, call: Call) -> None:
        if call.text("category", "linear") != "linear":
            raise invalid("category")
