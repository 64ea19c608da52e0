"""The venues' streams through unmodified ccxt.pro."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import ccxt
import pytest

from deploy.sandbox.server import running_sandbox
from tests.contract.sandbox.conftest import Desk, until

DEADLINE = 5.0


async def connected(desk: Desk, path: str) -> Any:
    return await desk.session.ws_connect(desk.url + path)


async def receive(socket: Any, wanted: Any) -> Any:
    """The next message that satisfies."""
    async with asyncio.timeout(DEADLINE):
        while True:
            message = json.loads((await socket.receive()).data)
            if wanted(message):
                return message


async def test_binance_tells_a_set_price_at_once(tmp_path: Path) -> None:
    # No second passes at this sandbox, so what is told is told for the price's sake.
    async with running_sandbox(tmp_path, tick_seconds=3600) as url, aiohttp.ClientSession() as session:
        desk = Desk(url, session)
        name, _ = await desk.symbol()
        socket = await connected(desk, "/market/ws/1")
        await socket.send_json({"method": "SUBSCRIBE", "params": [f"{name.lower()}@markPrice@1s"], "id": 7})
        assert await receive(socket, lambda message: "result" in message) == {"result": None, "id": 7}

        await desk.set_price(name, "123.45", mark="123.4")
        update = await receive(socket, lambda _: True)

        assert (update["e"], update["s"], update["p"]) == ("markPriceUpdate", name, "123.40000000")
        await socket.close()


async def test_binance_price_streams_reach_ccxt(desk: Desk) -> None:
    _, symbol = await desk.symbol()
    exchange = await desk.account("binance", fresh_markets=True)
    watches = asyncio.gather(
        exchange.watch_mark_prices(),
        exchange.watch_mark_price(symbol),
        exchange.watch_ticker(symbol),
        exchange.watch_tickers([symbol], {"name": "miniTicker"}),
        exchange.watch_bids_asks([symbol]),
        exchange.watch_ohlcv(symbol, "1m"),
    )
    async with asyncio.timeout(DEADLINE):
        every, mark, ticker, mini, book, candles = await watches

    assert every[symbol]["markPrice"] == mark["markPrice"] == 100.0
    assert ticker["last"] == mini[symbol]["last"] == candles[-1][4] == 100.0
    assert (book[symbol]["bid"], book[symbol]["ask"]) == (99.9990, 100.001)


async def test_binance_user_stream_tells_orders_positions_and_the_end_of_its_key(desk: Desk) -> None:
    _, symbol = await desk.symbol()
    exchange = await desk.account("binance", fresh_markets=True)
    listen_key = (await exchange.fapiPrivatePostListenKey())["listenKey"]
    socket = await connected(desk, f"/private/ws?listenKey={listen_key}")

    await exchange.create_order(symbol, "market", "buy", 2, None, {"newClientOrderId": "mine"})
    steps = [json.loads((await socket.receive()).data) for _ in range(4)]
    await desk.ask("POST", "/sandbox/faults", kind="listen_key_expired", apiKey=exchange.apiKey)
    expired = await receive(socket, lambda _: True)

    assert [step["e"] for step in steps] == [
        "ORDER_TRADE_UPDATE",
        "ACCOUNT_UPDATE",
        "TRADE_LITE",
        "ORDER_TRADE_UPDATE",
    ]
    assert (steps[0]["o"]["x"], steps[0]["o"]["X"]) == ("NEW", "NEW")
    assert (steps[1]["a"]["m"], steps[1]["a"]["P"][0]["pa"]) == ("ORDER", "2.00")
    told = steps[3]["o"]
    assert (told["x"], told["X"], told["c"]) == ("TRADE", "FILLED", "mine")
    # The short message tells of the same fill.
    assert [steps[2][field] for field in "sqpmcSLlti"] == [told[field] for field in "sqpmcSLlti"]
    assert (expired["e"], expired["listenKey"]) == ("listenKeyExpired", listen_key)
    with pytest.raises(ccxt.ExchangeError, match="-1125"):
        await exchange.fapiPrivatePutListenKey()
    await socket.close()


async def test_binance_tells_a_changed_leverage(desk: Desk) -> None:
    name, symbol = await desk.symbol()
    exchange = await desk.account("binance", fresh_markets=True)
    listen_key = (await exchange.fapiPrivatePostListenKey())["listenKey"]
    socket = await connected(desk, f"/private/ws?listenKey={listen_key}")

    await exchange.set_leverage(5, symbol)
    told = await receive(socket, lambda _: True)

    assert (told["e"], told["ac"]) == ("ACCOUNT_CONFIG_UPDATE", {"s": name, "l": 5})
    await socket.close()


async def test_binance_tells_a_liquidation_step_by_step(desk: Desk) -> None:
    name, symbol = await desk.symbol()
    exchange = await desk.account("binance", fresh_markets=True, balance="1000")
    await exchange.create_order(symbol, "market", "buy", 100)
    listen_key = (await exchange.fapiPrivatePostListenKey())["listenKey"]
    socket = await connected(desk, f"/private/ws?listenKey={listen_key}")

    await desk.set_price(name, "90")
    steps = [json.loads((await socket.receive()).data) for _ in range(5)]

    assert [step["e"] for step in steps] == [
        "MARGIN_CALL",
        "ORDER_TRADE_UPDATE",
        "ACCOUNT_UPDATE",
        "ORDER_TRADE_UPDATE",
        "ACCOUNT_UPDATE",
    ]
    assert (steps[1]["o"]["o"], steps[1]["o"]["x"]) == ("LIQUIDATION", "NEW")
    assert (steps[3]["o"]["x"], steps[3]["o"]["X"]) == ("CALCULATED", "FILLED")
    assert steps[4]["a"]["m"] == "INSURANCE_CLEAR"
    await socket.close()


@pytest.mark.parametrize("venue", ["binance", "bybit"])
async def test_private_streams_reach_ccxt(desk: Desk, venue: str) -> None:
    name, symbol = await desk.symbol()
    exchange = await desk.account(venue, fresh_markets=True)
    watches = [
        asyncio.ensure_future(watch)
        for watch in (exchange.watch_orders(), exchange.watch_my_trades(), exchange.watch_positions([symbol]))
    ]

    async def traded() -> bool:
        """Until the streams stand, trades go unseen: trade until all three have spoken."""
        await desk.ask(
            "POST", "/sandbox/trade", exchange=venue, apiKey=exchange.apiKey, symbol=name, side="buy", quantity="1"
        )
        await asyncio.wait(watches, timeout=0.2)
        return all(watch.done() for watch in watches)

    await until(traded)
    orders, trades, positions = (watch.result() for watch in watches)

    assert orders[-1]["symbol"] == trades[-1]["symbol"] == positions[-1]["symbol"] == symbol
    assert trades[-1]["price"] == 100.001


async def test_bybit_tickers_are_a_snapshot_and_then_what_changed(desk: Desk) -> None:
    name, _ = await desk.symbol()
    socket = await connected(desk, "/v5/public/linear")
    await socket.send_json({"op": "subscribe", "req_id": "3", "args": [f"tickers.{name}"]})
    reply = await receive(socket, lambda message: "success" in message)
    snapshot = await receive(socket, lambda message: message.get("topic") == f"tickers.{name}")

    await desk.set_price(name, "101", mark="100.5")
    delta = await receive(socket, lambda message: "lastPrice" in message["data"])
    await desk.set_price(name, "101", mark="100.6")
    mark = await receive(socket, lambda message: message["data"].get("markPrice") == "100.6")

    assert (reply["success"], reply["req_id"]) == (True, "3")
    assert (snapshot["type"], snapshot["data"]["lastPrice"]) == ("snapshot", "100.000")
    assert (delta["type"], delta["data"]["lastPrice"], delta["data"]["markPrice"]) == ("delta", "101.000", "100.5")
    assert "openInterest" not in delta["data"]
    assert "lastPrice" not in mark["data"]
    await socket.close()


async def test_bybit_price_streams_reach_ccxt(desk: Desk) -> None:
    name, symbol = await desk.symbol()
    exchange = await desk.account("bybit", fresh_markets=True)
    async with asyncio.timeout(DEADLINE):
        first = await exchange.watch_ticker(symbol)
        await desk.set_price(name, "105")
        while (later := await exchange.watch_ticker(symbol))["last"] != 105.0:
            pass
        candles = await exchange.watch_ohlcv(symbol, "1m")

    assert first["last"] == 100.0
    assert later["markPrice"] == 105.0
    assert candles[-1][4] == 105.0


async def test_bybit_tells_the_position_whose_leverage_changed(desk: Desk) -> None:
    name, symbol = await desk.symbol()
    exchange = await desk.account("bybit", fresh_markets=True)
    socket, _ = await desk.log_in(exchange, "position")

    await exchange.create_order(symbol, "market", "buy", 1)
    opened = await receive(socket, lambda _: True)
    await exchange.set_leverage(7, symbol)
    changed = await receive(socket, lambda _: True)

    rows = [message["data"][0] for message in (opened, changed)]
    assert [(row["symbol"], row["size"], row["leverage"]) for row in rows] == [(name, "1", "10"), (name, "1", "7")]
    await socket.close()


async def test_bybit_answers_pings_and_refuses_strangers(desk: Desk) -> None:
    public, private = await connected(desk, "/v5/public/linear"), await connected(desk, "/v5/private")

    await public.send_json({"op": "ping", "req_id": "1"})
    await private.send_json({"op": "ping", "req_id": "2"})
    pong = await receive(public, lambda _: True)
    private_pong = await receive(private, lambda _: True)
    await public.send_json({"op": "subscribe", "args": ["tickers.NOSUCH"]})
    unknown = await receive(public, lambda _: True)
    await private.send_json({"op": "auth", "args": ["nobody", "99999999999999", "x"]})
    refused = await receive(private, lambda _: True)
    await private.send_json({"op": "subscribe", "args": ["order"]})
    unauthorised = await receive(private, lambda _: True)

    assert (pong["ret_msg"], pong["op"]) == ("pong", "ping")
    assert private_pong["op"] == "pong"
    assert [message["success"] for message in (unknown, refused, unauthorised)] == [False, False, False]
    await public.close()
    await private.close()
