"""What the exchange door costs, beside ccxt's own cost for the same: `python -m tests.bench.door`.

Memory is what Python allocates; time is this process's own CPU time, with the sandbox in a process of its own. Readings
take turns among accounts, as a service's do: one account may not be asked as often as the bench asks.
"""

import asyncio
import gc
import itertools
import json
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import ccxt.async_support
import ccxt.pro

from services.common.exchange.binance.price_stream import BinancePriceStream
from services.common.exchange.bybit.price_stream import BybitPriceStream
from services.common.exchange.credentials import Credentials
from services.common.exchange.price_dialect import PriceDialect
from services.common.exchange.reader import VenueReader
from services.common.exchange.redirect import RedirectingSession
from services.common.exchange.venues import ExchangeSettings, Venues, open_venues
from services.common.trading.side import Venue

POSITIONS = 10
MARKS = 600
MESSAGE_TARGET = {Venue.BINANCE: 800.0, Venue.BYBIT: 20.0}
READINGS = 200
TURNS = 25
"""How many accounts are read in turn. Bybit lets one account list its positions 50 times a second."""
ACCOUNTS = {"door": 500, "ccxt": 40}
CCXT = {Venue.BINANCE: "binanceusdm", Venue.BYBIT: "bybit"}
CCXT_OPTIONS: dict[Venue, dict[str, Any]] = {
    Venue.BINANCE: {"fetchCurrencies": False},
    Venue.BYBIT: {
        "fetchCurrencies": False,
        "fetchMarkets": {"types": ["linear"]},
        "enableUnifiedMargin": False,
        "enableUnifiedAccount": True,
    },
}


@dataclass(frozen=True)
class Line:
    what: str
    venue: Venue
    door: float
    ccxt: float | None
    unit: str
    target: float | None


class Bench:
    """One sandbox, the door to it, and ccxt's own instances on the same session."""

    def __init__(self, url: str, http: aiohttp.ClientSession, venues: Venues) -> None:
        self._url = url
        self._http = http
        self._session = RedirectingSession(http, url)
        self._venues = venues

    async def run(self) -> list[Line]:
        lines = []
        for venue in Venue:
            await self._control("limits", {"exchange": venue.value, "limit": 10**6})
            symbols = [str((await self._control("symbols", {"price": "100"}))["symbol"]) for _ in range(POSITIONS)]
            positions = [{"symbol": symbol, "side": "long", "quantity": "1"} for symbol in symbols]
            wish = {"exchange": venue.value, "positions": positions}
            accounts = [await self._control("accounts", wish) for _ in range(TURNS)]
            users = [Credentials(account["apiKey"], account["secret"]) for account in accounts]
            first = await self._ccxt(venue, users[0])
            lines.append(await self._memory(venue, first))
            lines += await self._reading(venue, users, first)
            lines.append(await self._prices(venue))
            first.session = None
        return lines

    async def _memory(self, venue: Venue, first: Any) -> Line:
        kept: list[Any] = []

        async def with_door(number: int) -> None:
            client = self._venues.client(venue, Credentials(f"key-{number}", f"secret-{number}"))
            client.venue_milliseconds()

        async def with_ccxt(number: int) -> None:
            kept.append(await self._ccxt(venue, Credentials(f"key-{number}", f"secret-{number}"), shared=first))

        door = await _megabytes_each(with_door, ACCOUNTS["door"])
        own = await _megabytes_each(with_ccxt, ACCOUNTS["ccxt"])
        for exchange in kept:
            exchange.session = None
        return Line("memory of one more account", venue, door, own, "MB", 0.3)

    async def _reading(self, venue: Venue, users: list[Credentials], first: Any) -> list[Line]:
        reader, turns = VenueReader(self._venues), itertools.cycle(users)
        instances = [await self._ccxt(venue, user, shared=first) for user in users]
        own_turns = itertools.cycle(instances)

        async def read(*, with_margin: bool) -> None:
            reading = await reader.read_account(venue, next(turns), with_margin=with_margin)
            assert reading.complete, reading.reason
            assert len(reading.positions) == POSITIONS

        async def read_with_ccxt() -> None:
            assert len(await next(own_turns).fetch_positions()) == POSITIONS

        plain = await _cpu_ms(lambda: read(with_margin=False), READINGS)
        margin = await _cpu_ms(lambda: read(with_margin=True), READINGS)
        own = await _cpu_ms(read_with_ccxt, READINGS)
        for exchange in instances:
            exchange.session = None
        return [
            Line(f"reading of {POSITIONS} positions", venue, plain, own, "ms CPU", 1.5),
            Line(f"reading of {POSITIONS} positions and margin", venue, margin, None, "ms CPU", None),
        ]

    async def _prices(self, venue: Venue) -> Line:
        symbols = [f"X{number}USDT" for number in range(MARKS)]
        wanted = frozenset(symbols[:50])
        if venue is Venue.BINANCE:
            messages = [json.dumps([_mark(symbol) for symbol in symbols])]
        else:
            messages = [json.dumps(_ticker(symbol)) for symbol in symbols]
        dialect: PriceDialect = BinancePriceStream() if venue is Venue.BINANCE else BybitPriceStream()

        async def with_door() -> None:
            for message in messages:
                for _ in dialect.read(message, wanted, 1):
                    pass

        pro = getattr(ccxt.pro, CCXT[venue])({"session": self._session, "options": CCXT_OPTIONS[venue]})
        pro.set_markets([_market(pro, symbol) for symbol in symbols])
        client = pro.client("wss://example.invalid/market/ws/0")

        async def with_ccxt() -> None:
            for message in messages:
                pro.handle_message(client, json.loads(message))

        door = await _cpu_ms(with_door, 30)
        own = await _cpu_ms(with_ccxt, 10)
        pro.session = None
        each = 1000 / len(messages)
        what = "message of 600 prices, 50 wanted" if len(messages) == 1 else "message of one price, one in 12 wanted"
        return Line(what, venue, door * each, own * each, "us CPU", MESSAGE_TARGET[venue])

    async def _ccxt(self, venue: Venue, credentials: Credentials, shared: Any = None) -> Any:
        exchange = getattr(ccxt.async_support, CCXT[venue])({
            "apiKey": credentials.api_key,
            "secret": credentials.secret,
            "session": self._session,
            "enableRateLimit": False,
            "options": CCXT_OPTIONS[venue],
        })  # fmt: skip
        if shared is None:
            await exchange.load_markets()
            return exchange
        exchange.ssl_context = shared.ssl_context
        for name in ("markets", "markets_by_id", "currencies", "currencies_by_id", "symbols", "ids"):
            setattr(exchange, name, getattr(shared, name))
        return exchange

    async def _control(self, path: str, body: dict[str, Any]) -> Any:
        async with self._http.post(f"{self._url}/sandbox/{path}", json=body) as response:
            response.raise_for_status()
            return await response.json()


async def _megabytes_each(make: Callable[[int], Awaitable[None]], count: int) -> float:
    await make(-1)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(count):
        await make(number)
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) / count / 1e6


async def _cpu_ms(work: Callable[[], Awaitable[Any]], count: int) -> float:
    for _ in range(TURNS):
        await work()
    before = time.process_time()
    for _ in range(count):
        await work()
    return (time.process_time() - before) / count * 1000


def _mark(symbol: str) -> dict[str, Any]:
    return {
        "e": "markPriceUpdate", "E": 1562305380000, "s": symbol, "p": "11794.15000000", "i": "11784.62659091",
        "P": "11784.25641265", "r": "0.00038167", "T": 1562306400000,
    }  # fmt: skip


def _ticker(symbol: str) -> dict[str, Any]:
    data = {
        "symbol": symbol, "tickDirection": "PlusTick", "price24hPcnt": "0.017103", "lastPrice": "17216.00",
        "prevPrice24h": "16926.50", "highPrice24h": "17281.50", "lowPrice24h": "16915.00", "markPrice": "17217.33",
        "indexPrice": "17227.36", "openInterest": "68744.761", "openInterestValue": "1183601235.91",
        "bid1Price": "17215.50", "bid1Size": "84.489", "ask1Price": "17216.00", "ask1Size": "83.020",
    }  # fmt: skip
    return {"topic": f"tickers.{symbol}", "type": "snapshot", "cs": 1, "ts": 1673272861686, "data": data}


def _market(exchange: Any, symbol: str) -> Any:
    base = symbol.removesuffix("USDT")
    return exchange.safe_market_structure({
        "id": symbol, "symbol": f"{base}/USDT:USDT", "base": base, "quote": "USDT", "settle": "USDT", "type": "swap",
        "spot": False, "swap": True, "contract": True, "linear": True, "inverse": False, "contractSize": 1.0,
        "precision": {"amount": 0.001, "price": 0.01},
    })  # fmt: skip


def show(lines: list[Line]) -> bool:
    """Print the table; whether every figure that has a target is within it."""
    print(f"{'':<44} {'venue':<8} {'door':>9} {'ccxt':>9} {'unit':<7} {'target':>8}")  # noqa: T201
    met = True
    for line in lines:
        own = "" if line.ccxt is None else f"{line.ccxt:9.3f}"
        target = "" if line.target is None else f"< {line.target:g}"
        late = line.target is not None and line.door >= line.target
        met = met and not late
        mark = "  OVER" if late else ""
        print(f"{line.what:<44} {line.venue:<8} {line.door:9.3f} {own:>9} {line.unit:<7} {target:>8}{mark}")  # noqa: T201
    return met


async def measure(url: str) -> list[Line]:
    settings = ExchangeSettings(
        mode="sandbox", sandbox_url=url, address_limits={Venue.BINANCE: 10**7, Venue.BYBIT: 10**6}
    )
    async with aiohttp.ClientSession() as http, open_venues(settings) as venues:
        return await Bench(url, http, venues).run()


def main() -> int:
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "deploy.sandbox", "--data", directory, "--tick-seconds", "60"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sandbox:
            try:
                assert sandbox.stdout is not None
                return 0 if show(asyncio.run(measure(sandbox.stdout.readline().strip()))) else 1
            finally:
                sandbox.terminate()


if __name__ == "__main__":
    sys.exit(main())
