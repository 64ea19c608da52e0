"""The sandbox's messages have every field, of the same JSON type, that the venues' documentation shows.

The examples are facts from the pages that they name; none was recorded from a venue.
"""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.sandbox.conftest import Desk, until

EXAMPLES = Path(__file__).parent / "examples"
BINANCE = json.loads((EXAMPLES / "binance.json").read_text())
BYBIT = json.loads((EXAMPLES / "bybit.json").read_text())
# Where the page's example does not fit what is played here, and why.
ALLOWED = {
    "AP": "sent with trailing stops only",
    "cr": "sent with trailing stops only",
    "mmrSysUpdateTime": "the page's misspelling of mmrSysUpdatedTime, which its own table has",
    "extraFees": "a text in one example, a list in another",
    "MNT": "the fee's coin names the field",
}


def differences(example: Any, ours: Any, path: str = "") -> list[str]:
    """Fields of the example that ours lacks or has with another type. Null and a list's rows say no type."""
    name = path.rsplit(".", 1)[-1]
    if name in ALLOWED or example is None or ours is None:
        return []
    if type(example) is not type(ours):
        return [f"{path}: {type(example).__name__} in the example, {type(ours).__name__} here"]
    if isinstance(example, dict):
        found = []
        for key, value in example.items():
            if key in ours:
                found += differences(value, ours[key], f"{path}.{key}")
            elif key not in ALLOWED:
                found.append(f"{path}.{key}: missing")
        return found
    if isinstance(example, list) and example and ours:
        return differences(example[0], ours[0], f"{path}[]")
    return []


async def binance_messages(desk: Desk) -> dict[str, Any]:
    name, symbol = await desk.symbol()
    exchange = await desk.account("binance", fresh_markets=True, balance="1000")
    listen_key = (await exchange.fapiPrivatePostListenKey())["listenKey"]
    socket = await desk.session.ws_connect(f"{desk.url}/private/ws?listenKey={listen_key}")
    await exchange.create_order(symbol, "market", "buy", 100)
    algo = await exchange.fapiPrivatePostAlgoOrder(
        {
            "algoType": "CONDITIONAL", "symbol": name, "side": "SELL", "type": "TAKE_PROFIT", "quantity": "1",
            "triggerPrice": "120", "price": "120",
        }
    )  # fmt: skip
    found = {
        "GET /fapi/v3/positionRisk": (await exchange.fapiPrivateV3GetPositionRisk())[0],
        "GET /fapi/v1/userTrades": (await exchange.fapiPrivateGetUserTrades({"symbol": name}))[0],
        "POST /fapi/v1/algoOrder": algo,
        "GET /fapi/v3/account": await exchange.fapiPrivateV3GetAccount(),
        "GET /fapi/v1/income": (await exchange.fapiPrivateGetIncome())[0],
        "GET /fapi/v1/symbolConfig": (await exchange.fapiPrivateGetSymbolConfig({"symbol": name}))[0],
    }
    await desk.set_price(name, "90")
    found["GET /fapi/v1/forceOrders"] = (await exchange.fapiPrivateGetForceOrders())[0]
    async with asyncio.timeout(5):
        while not {"ORDER_TRADE_UPDATE", "ALGO_UPDATE"} <= set(found):
            message = json.loads((await socket.receive()).data)
            if message["e"] == "ALGO_UPDATE" or message.get("o", {}).get("x") == "TRADE":
                found[message["e"]] = message
    await socket.close()
    return found


async def bybit_messages(desk: Desk) -> dict[str, Any]:
    name, symbol = await desk.symbol()
    exchange = await desk.account("bybit", fresh_markets=True)
    private = await desk.session.ws_connect(f"{desk.url}/v5/private")
    public = await desk.session.ws_connect(f"{desk.url}/v5/public/linear")
    expires = str(exchange.milliseconds() + 10_000)
    signature = exchange.hmac(
        exchange.encode("GET/realtime" + expires), exchange.encode(exchange.secret), hashlib.sha256
    )
    await private.send_json({"op": "auth", "args": [exchange.apiKey, expires, signature]})
    await private.send_json({"op": "subscribe", "args": ["position", "order", "execution", "wallet"]})
    await public.send_json({"op": "subscribe", "args": [f"tickers.{name}"]})
    for _ in range(2):
        assert json.loads((await private.receive()).data)["success"]

    async def rows(method: str, **params: Any) -> Any:
        return (await getattr(exchange, method)({"category": "linear", **params}))["result"]["list"][0]

    order = {"category": "linear", "symbol": name, "orderType": "Market"}
    created = await exchange.privatePostV5OrderCreate({**order, "side": "Buy", "qty": "2"})
    await exchange.privatePostV5OrderCreate({**order, "side": "Buy", "qty": "1", "orderType": "Limit", "price": "95"})
    await until(exchange.fetch_positions)
    await exchange.privatePostV5OrderCreate({**order, "side": "Sell", "qty": "1"})

    async def closed() -> Any:
        return await exchange.fetch_positions_history([symbol])

    await until(closed)
    found = {
        "POST /v5/order/create": created["result"],
        "GET /v5/position/list": await rows("privateGetV5PositionList", symbol=name),
        "GET /v5/position/closed-pnl": await rows("privateGetV5PositionClosedPnl"),
        "GET /v5/execution/list": await rows("privateGetV5ExecutionList"),
        "GET /v5/order/realtime": await rows("privateGetV5OrderRealtime", symbol=name),
        "GET /v5/order/history": await rows("privateGetV5OrderHistory"),
        "GET /v5/account/wallet-balance": await rows("privateGetV5AccountWalletBalance", accountType="UNIFIED"),
        "GET /v5/account/info": (await exchange.privateGetV5AccountInfo())["result"],
        "GET /v5/user/query-api": (await exchange.privateGetV5UserQueryApi())["result"],
        "GET /v5/market/instruments-info": await rows("publicGetV5MarketInstrumentsInfo", symbol=name),
        "GET /v5/market/time": (await exchange.publicGetV5MarketTime())["result"],
        "GET /v5/account/transaction-log": await rows("privateGetV5AccountTransactionLog"),
    }
    async with asyncio.timeout(5):
        while not {"position", "order", "execution", "wallet"} <= set(found):
            message = json.loads((await private.receive()).data)
            found[message["topic"]] = message["data"][0]
        while "tickers" not in found:
            message = json.loads((await public.receive()).data)
            if message.get("type") == "snapshot":
                found["tickers"] = message["data"]
    await private.close()
    await public.close()
    return found


@pytest.mark.parametrize(("examples", "ask"), [(BINANCE, binance_messages), (BYBIT, bybit_messages)])
async def test_every_documented_field_is_there(desk: Desk, examples: dict[str, Any], ask: Any) -> None:
    ours = await ask(desk)
    found = {name: differences(example["example"], ours[name]) for name, example in examples.items()}
    assert {name: fields for name, fields in found.items() if fields} == {}
    assert all(example["source"].startswith("https://") for example in examples.values())
