"""The control routes, the limits, and the state over restarts."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import ccxt
import pytest

from deploy.sandbox.server import NotLoopback, running_sandbox
from deploy.sandbox.state import StateInUse
from tests.contract.sandbox.conftest import PLENTY, Desk, until


async def test_a_held_price_stays_until_it_is_released(desk: Desk) -> None:
    name, _ = await desk.symbol("50", exchange="bybit")
    held = await desk.ask("POST", "/sandbox/price", symbol=name, price="51.23456")
    exchange = await desk.account("bybit")

    async def last() -> str:
        answer = await exchange.publicGetV5MarketTickers({"category": "linear", "symbol": name})
        return str(answer["result"]["list"][0]["lastPrice"])

    before = await last()
    await desk.ask("POST", "/sandbox/price", symbol=name, release=True)

    async def moved() -> bool:
        return await last() != before

    await until(moved)

    assert held["prices"] == {"bybit": {"last": "51.23456", "mark": "51.23456", "held": True}}


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/sandbox/price", {"symbol": "NOSUCHUSDT", "price": "1"}, 404, "POST /sandbox/symbols makes one"),
        ("/sandbox/price", {"symbol": "BTCUSDT"}, 400, '"release": true'),
        ("/sandbox/price", {"symbol": "BTCUSDT", "price": "-1"}, 400, "must be positive"),
        ("/sandbox/price", {"symbol": "BTCUSDT", "prise": "1"}, 400, "unknown field"),
        ("/sandbox/accounts", {"exchange": "kraken"}, 400, "kraken"),
        ("/sandbox/accounts", {}, 400, '"exchange"'),
        ("/sandbox/symbols", {"price": "1", "symbol": "BTCUSDT"}, 409, "exists"),
        ("/sandbox/symbols", {"price": "1", "symbol": "bad"}, 400, "ends in USDT"),
        (
            "/sandbox/trade",
            {"exchange": "bybit", "apiKey": "x", "symbol": "B", "side": "buy", "quantity": "1"},
            404,
            "no such",
        ),
    ],
)
async def test_bad_requests_say_what_to_do(desk: Desk, path: str, body: Any, status: int, words: str) -> None:
    async with desk.session.post(desk.url + path, json=body) as response:
        answer = await response.json()
    assert response.status == status
    assert words in answer["error"]


async def test_the_same_key_twice_is_one_account(desk: Desk) -> None:
    wish: dict[str, Any] = {"exchange": "binance", "apiKey": "demo-key", "secret": "demo-secret", "balance": "500"}
    first = await desk.ask("POST", "/sandbox/accounts", **wish)
    again = await desk.ask("POST", "/sandbox/accounts", **wish)
    assert first == again
    assert (first["apiKey"], first["balance"]) == ("demo-key", "500")


async def test_the_users_own_hand(desk: Desk) -> None:
    name, _ = await desk.symbol()
    exchange = await desk.account("bybit", hedgeMode=True)
    wish: dict[str, Any] = {"exchange": "bybit", "apiKey": exchange.apiKey, "symbol": name, "side": "buy"}

    refused = await desk.ask("POST", "/sandbox/trade", expect=400, **wish, quantity="1")
    done = await desk.ask("POST", "/sandbox/trade", **wish, quantity="1", positionSide="LONG")

    assert "positionSide" in refused["error"]
    assert (done["order"]["status"], done["fills"][0]["price"]) == ("FILLED", "100.001")


async def test_requests_are_counted_by_endpoint_and_key(desk: Desk) -> None:
    exchange = await desk.account("binance")
    await exchange.fetch_balance()
    await exchange.fetch_balance()
    counters = (await desk.ask("GET", "/sandbox/requests"))["binance"]
    assert counters["byKey"][exchange.apiKey]["GET /fapi/v3/account"] == 2
    assert counters["endpoints"]["GET /fapi/v3/account"] >= 2


async def test_prices_are_replayed(desk: Desk) -> None:
    name, symbol = await desk.symbol()
    exchange = await desk.account("binance", fresh_markets=True)
    rows = f"time,symbol,price,mark,exchange\n0,{name},101,,\n1,{name},110,109,binance\n2,{name},105,,binance\n"

    started = await desk.ask("POST", "/sandbox/replay", csv=rows, speed=50)

    async def over() -> bool:
        return bool((await exchange.fetch_last_prices())[symbol]["price"] == 105.0)

    await until(over)
    [*_, candle] = await exchange.fetch_ohlcv(symbol, "1h")
    assert started == {"steps": 3, "seconds": 0.04}
    assert candle[2] == 110.0
    refused = await desk.ask("POST", "/sandbox/replay", expect=400, csv="time,symbol,price\n0,NOSUCH,1\n")
    assert "line 2" in refused["error"]


async def test_weights_are_counted_refused_and_banned(tmp_path: Path) -> None:
    async with running_sandbox(tmp_path, binance_weight=30) as url, aiohttp.ClientSession() as session:
        desk = Desk(url, session)
        exchange = await desk.account("binance")
        for _ in range(5):
            await exchange.fetch_balance()
        used = int(exchange.last_response_headers["X-MBX-USED-WEIGHT-1M"])
        with pytest.raises(ccxt.DDoSProtection, match="-1003"):
            while True:
                await exchange.fetch_balance()
        assert used == 26
        assert 0 < int(exchange.last_response_headers["Retry-After"]) <= 60
        with pytest.raises(ccxt.DDoSProtection, match="418"):
            while True:
                try:
                    await exchange.fetch_balance()
                except ccxt.DDoSProtection as error:
                    if " 418 " in str(error):
                        raise
        await exchange.close()


async def test_bybit_counts_requests_of_the_address_and_of_the_account(tmp_path: Path) -> None:
    async with running_sandbox(tmp_path, bybit_requests=40) as url, aiohttp.ClientSession() as session:
        desk = Desk(url, session)
        exchange = await desk.account("bybit")
        await exchange.fetch_balance()
        headers = exchange.last_response_headers
        assert (headers["X-Bapi-Limit"], headers["X-Bapi-Limit-Status"]) == ("50", "49")
        with pytest.raises(ccxt.RateLimitExceeded):
            while True:
                await exchange.fetch_balance()
        await exchange.close()


@asynccontextmanager
async def process_on(directory: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A sandbox process and its URL; it does not outlive the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.sandbox", "--data", str(directory), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            yield process, (await process.stdout.readline()).decode().strip()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_state_survives_a_kill(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as session:
        async with process_on(tmp_path) as (process, url):
            desk = Desk(url, session)
            name, symbol = await desk.symbol("77")
            exchange = await desk.account("binance", fresh_markets=True)
            await exchange.create_order(symbol, "market", "buy", 2)
            await exchange.create_order(symbol, "limit", "buy", 1, 75, {"newClientOrderId": "resting"})
            other = await desk.account("bybit")
            await desk.ask("POST", "/sandbox/funding", symbol=name, rate="0.001")
            await desk.ask("POST", "/sandbox/transfer", exchange="bybit", apiKey=other.apiKey, amount="12.5")
            before = [await desk.truth(one) for one in (exchange, other)]
            process.send_signal(signal.SIGKILL)
            await process.wait()

        async with process_on(tmp_path) as (process, url):
            again = Desk(url, session)
            after = [await again.truth(one) for one in (exchange, other)]
            await again.set_price(name, "74")
            reconnected = await again.connect("binance", exchange.apiKey, exchange.secret)
            filled = await reconnected.fetch_order(None, symbol, {"origClientOrderId": "resting"})
            for one in (exchange, other, reconnected):
                await one.close()
            process.send_signal(signal.SIGTERM)
            stopped = await process.wait()

    assert before == after
    assert filled["status"] == "closed"
    assert Decimal(after[0]["positions"][0]["quantity"]) == 2
    assert stopped == 0


async def test_one_directory_has_one_sandbox(tmp_path: Path) -> None:
    async with running_sandbox(tmp_path, binance_weight=PLENTY):
        with pytest.raises(StateInUse, match="another --data"):
            async with running_sandbox(tmp_path):
                pass


async def test_it_listens_on_loopback_only(tmp_path: Path) -> None:
    with pytest.raises(NotLoopback, match="use 127"):
        async with running_sandbox(tmp_path, host="0.0.0.0"):  # noqa: S104 - which is what is refused
            pass
    assert os.listdir(tmp_path) == []
