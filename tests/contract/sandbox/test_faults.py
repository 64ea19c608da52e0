"""Each fault, as a client of the venue meets it."""

import asyncio
import json
from typing import Any

import aiohttp
import ccxt
import pytest

from tests.contract.sandbox.conftest import Desk, until

ORDER = "POST /fapi/v1/order"


async def fault(desk: Desk, exchange: Any, kind: str, **wish: Any) -> None:
    venue = "binance" if exchange.id == "binanceusdm" else "bybit"
    await desk.ask("POST", "/sandbox/faults", kind=kind, exchange=venue, apiKey=exchange.apiKey, **wish)


async def open_one(desk: Desk, venue: str = "binance") -> tuple[Any, str, str]:
    name, symbol = await desk.symbol()
    position = {"symbol": name, "side": "long", "quantity": "1"}
    exchange = await desk.account(venue, fresh_markets=True, positions=[position])
    return exchange, name, symbol


async def orders_of(desk: Desk, exchange: Any) -> int:
    return len((await desk.truth(exchange))["orders"])


async def test_a_timeout_before_the_order_leaves_none(desk: Desk) -> None:
    exchange, _, symbol = await open_one(desk)
    await fault(desk, exchange, "timeout", endpoint=ORDER, seconds=5)
    exchange.timeout = 200
    with pytest.raises(ccxt.RequestTimeout):
        await exchange.create_order(symbol, "market", "buy", 1)
    assert await orders_of(desk, exchange) == 1


async def test_a_timeout_after_the_order_leaves_it_filled(desk: Desk) -> None:
    exchange, _, symbol = await open_one(desk)
    await fault(desk, exchange, "timeout", endpoint=ORDER, when="after", seconds=5, times=1)
    exchange.timeout = 1000
    with pytest.raises(ccxt.RequestTimeout):
        await exchange.create_order(symbol, "market", "buy", 1, None, {"newClientOrderId": "lost"})
    exchange.timeout = 5000
    assert (await exchange.fetch_order(None, symbol, {"origClientOrderId": "lost"}))["status"] == "closed"


async def test_a_dropped_connection(desk: Desk) -> None:
    exchange, _, symbol = await open_one(desk)
    await fault(desk, exchange, "drop", endpoint=ORDER, when="after")
    with pytest.raises(ccxt.ExchangeNotAvailable):
        await exchange.create_order(symbol, "market", "buy", 1)
    assert await orders_of(desk, exchange) == 2


@pytest.mark.parametrize("venue", ["binance", "bybit"])
async def test_an_order_that_takes_effect_late(desk: Desk, venue: str) -> None:
    exchange, _, symbol = await open_one(desk, venue)
    endpoint = ORDER if venue == "binance" else "POST /v5/order/create"
    await fault(desk, exchange, "late", endpoint=endpoint, seconds=1.5, times=1)
    # The venue took it in within the window, and works on it after the window is over.
    exchange.options["recvWindow"] = 1000

    with pytest.raises(ccxt.ExchangeError if venue == "bybit" else ccxt.OperationFailed):
        await exchange.create_order(symbol, "market", "buy", 1)
    at_once = await orders_of(desk, exchange)

    async def arrived() -> bool:
        return await orders_of(desk, exchange) > at_once

    await until(arrived)

    assert at_once == 1


async def test_delay_in_transit_runs_into_the_receive_window(desk: Desk) -> None:
    exchange, _, symbol = await open_one(desk)
    await fault(desk, exchange, "delay", endpoint=ORDER, seconds=0.3)
    with pytest.raises(ccxt.InvalidNonce, match="-1021"):
        await exchange.create_order(symbol, "market", "buy", 1, None, {"recvWindow": 100})
    assert await orders_of(desk, exchange) == 1


@pytest.mark.parametrize(
    ("venue", "status", "code", "expected"),
    [
        ("binance", 429, -1003, ccxt.DDoSProtection),
        ("binance", 418, -1003, ccxt.DDoSProtection),
        ("binance", 408, -1007, ccxt.RequestTimeout),
        ("binance", 503, None, ccxt.OperationFailed),
        ("bybit", 403, 10018, ccxt.RateLimitExceeded),
        ("bybit", 200, 10016, ccxt.ExchangeError),
    ],
)
async def test_errors_of_the_venue(desk: Desk, venue: str, status: int, code: int | None, expected: type) -> None:
    exchange, _, _ = await open_one(desk, venue)
    await fault(desk, exchange, "status", status=status, code=code, retryAfter=7)
    with pytest.raises(expected):
        await exchange.fetch_balance()
    assert exchange.last_response_headers["Retry-After"] == "7"


async def test_html_with_status_200_and_truncated_json(desk: Desk) -> None:
    exchange, _, symbol = await open_one(desk)
    await fault(desk, exchange, "html", endpoint=ORDER, times=1)
    answer = await exchange.create_order(symbol, "market", "buy", 1)
    await fault(desk, exchange, "truncated", endpoint="/fapi/v3/positionRisk", times=1)
    broken = await exchange.fapiPrivateV3GetPositionRisk()

    # ccxt does not raise: it gives an order without an id, and bare text.
    assert answer["id"] is None
    assert isinstance(broken, str)
    assert await orders_of(desk, exchange) == 2


@pytest.mark.parametrize("venue", ["binance", "bybit"])
async def test_position_lists_that_lie(desk: Desk, venue: str) -> None:
    exchange, name, symbol = await open_one(desk, venue)
    await fault(desk, exchange, "empty_positions", times=1)
    empty = await exchange.fetch_positions()
    await fault(desk, exchange, "missing_positions", symbols=[name], times=1)
    missing = await exchange.fetch_positions()
    await fault(desk, exchange, "stale_positions", times=1)
    await exchange.create_order(symbol, "market", "sell", 1)

    async def flat() -> bool:
        return not (await desk.truth(exchange))["positions"]

    await until(flat)
    stale = await exchange.fetch_positions()

    assert (empty, missing) == ([], [])
    assert [position["contracts"] for position in stale] == [1.0]
    assert await exchange.fetch_positions() == []


async def test_a_partial_fill(desk: Desk) -> None:
    exchange, _, symbol = await open_one(desk)
    await fault(desk, exchange, "partial_fill", endpoint=ORDER, fraction="0.4", times=1)
    order = await exchange.create_order(symbol, "market", "buy", 10)
    assert (order["status"], order["filled"], order["remaining"]) == ("expired", 4.0, 6.0)


async def test_a_skewed_clock(desk: Desk) -> None:
    exchange, _, _ = await open_one(desk)
    await desk.ask("POST", "/sandbox/faults", kind="clock_skew", exchange="binance", milliseconds=-3000)
    with pytest.raises(ccxt.InvalidNonce, match="-1021"):
        await exchange.fetch_balance()
    await desk.ask("DELETE", "/sandbox/faults")
    assert await exchange.fetch_balance()


async def test_streams_fall_silent_double_and_close(desk: Desk) -> None:
    name, _ = await desk.symbol()
    stream = f"{name.lower()}@bookTicker"
    socket = await desk.session.ws_connect(f"{desk.url}/public/ws/1", autoping=False)
    await socket.send_json({"method": "SUBSCRIBE", "params": [stream], "id": 1})

    async def prices(count: int) -> list[str]:
        async with asyncio.timeout(5):
            found: list[str] = []
            while len(found) < count:
                message = json.loads((await socket.receive()).data)
                found += [message["b"]] if "b" in message else []
            return found

    await prices(1)
    silence = await desk.ask("POST", "/sandbox/faults", kind="stream_silence", endpoint=stream)
    await desk.set_price(name, "150")
    await desk.ask("DELETE", f"/sandbox/faults/{silence['id']}")
    await desk.set_price(name, "160")
    heard = await prices(3)
    await desk.ask("POST", "/sandbox/faults", kind="stream_duplicate", endpoint=stream, times=1)
    await desk.set_price(name, "170")
    doubled = await prices(2)
    await desk.ask("POST", "/sandbox/faults", kind="stream_close", endpoint=stream, times=1)
    async with asyncio.timeout(5):
        while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            pass

    assert "149.999" not in heard
    assert "159.999" in heard
    assert doubled == ["169.999", "169.999"]
    assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


async def test_a_fault_that_does_not_exist_is_refused(desk: Desk) -> None:
    assert "Invalid enum value" in (await desk.ask("POST", "/sandbox/faults", expect=400, kind="earthquake"))["error"]
