"""The sandbox's Binance has every field, of the same JSON type, that the venue's documentation shows.

Invariant: every example is compared, or named here with the reason why it is not.
"""

import asyncio
import json
from typing import Any

from tests.contract.sandbox.conftest import Desk
from tests.contract.sandbox.likeness import compare_all

MARKET_STREAMS = {"markPriceUpdate": "stream_mark_price", "24hrMiniTicker": "stream_mini_ticker"}
USER_STREAMS = {
    "ACCOUNT_UPDATE": "stream_account_update",
    "ALGO_UPDATE": "stream_algo_update",
    "MARGIN_CALL": "stream_margin_call",
    "TRADE_LITE": "stream_trade_lite",
    "ACCOUNT_CONFIG_UPDATE": "stream_leverage_update",
    "listenKeyExpired": "stream_listen_key_expired",
}
ORDERS = ("query_order", "cancel_order", "open_orders[]", "all_orders[]")
# What differs, and why.
KNOWN = {
    **{f"{form}.{field}": "of trailing stops only" for form in ORDERS for field in ("activatePrice", "priceRate")},
    **{f"stream_order_update.o.{field}": "of trailing stops only" for field in ("AP", "cr")},
    "leverage_brackets_of_one": "the page has two forms for one symbol; a list of one is played",
    "spot_account.balances": "nobody holds anything in spot",
}


async def test_every_documented_field_is_there(desk: Desk) -> None:
    found = compare_all("binance", await messages(desk))
    assert {where: words for where, words in found.items() if where not in KNOWN} == {}
    assert set(KNOWN) <= set(found)


async def messages(desk: Desk) -> dict[str, Any]:
    """One message of each example's kind, by the example's name."""
    name, symbol = await desk.symbol()
    exchange = await desk.account("binance", fresh_markets=True, balance="1000")
    asked = {"symbol": name}
    candles = {**asked, "interval": "1m"}
    found: dict[str, Any] = {
        "exchange_info": await exchange.fapiPublicGetExchangeInfo(),
        "time": await exchange.fapiPublicGetTime(),
        "klines": await exchange.fapiPublicGetKlines(candles),
        "mark_price_klines": await exchange.fapiPublicGetMarkPriceKlines(candles),
        "premium_index": await exchange.fapiPublicGetPremiumIndex(asked),
        "ticker_price": await exchange.fapiPublicV2GetTickerPrice(asked),
        "api_restrictions": await exchange.sapiGetAccountApiRestrictions(),
        "spot_account": await exchange.privateGetAccount(),
        "position_mode": await exchange.fapiPrivateGetPositionSideDual(),
        "leverage_brackets": await exchange.fapiPrivateGetLeverageBracket(),
        "symbol_config": await exchange.fapiPrivateGetSymbolConfig(asked),
        "listen_key": await exchange.fapiPrivatePostListenKey(),
        "listen_key_renewed": await exchange.fapiPrivatePutListenKey(),
    }
    async with desk.session.get(f"{desk.url}/fapi/v1/klines", params={**candles, "symbol": "NOPEUSDT"}) as refused:
        found["error"] = await refused.json()
    user = await desk.session.ws_connect(f"{desk.url}/private/ws?listenKey={found['listen_key']['listenKey']}")
    market = await desk.session.ws_connect(f"{desk.url}/market/ws/1")
    await market.send_json({"method": "SUBSCRIBE", "params": ["!markPrice@arr@1s", "!miniTicker@arr"], "id": 1})
    found["leverage"] = await exchange.fapiPrivatePostLeverage({**asked, "leverage": 20})
    found |= await orders(exchange, name)
    found |= await algo_orders(exchange, name)
    await exchange.create_order(symbol, "market", "buy", 100)
    positions = await exchange.fapiPrivateV3GetPositionRisk()
    account = await exchange.fapiPrivateV3GetAccount()
    found |= {
        "position_risk_one_way": positions,
        "position_risk_hedge": positions,
        "account": account,
        "account_multi_assets": account,
        "user_trades": await exchange.fapiPrivateGetUserTrades(asked),
        "income": await exchange.fapiPrivateGetIncome(),
    }
    await desk.set_price(name, "90")
    found["force_orders"] = await exchange.fapiPrivateGetForceOrders()
    await desk.ask("POST", "/sandbox/faults", kind="listen_key_expired", apiKey=exchange.apiKey)
    async with asyncio.timeout(5):
        while not {"stream_order_update", *USER_STREAMS.values()} <= set(found):
            message = json.loads((await user.receive()).data)
            if message.get("o", {}).get("x") == "TRADE":
                found["stream_order_update"] = message
            elif message["e"] in USER_STREAMS and message.get("a", {}).get("P") != []:
                found.setdefault(USER_STREAMS[message["e"]], message)
        while not set(MARKET_STREAMS.values()) <= set(found):
            message = json.loads((await market.receive()).data)
            if isinstance(message, list):
                found[MARKET_STREAMS[message[0]["e"]]] = message
    await user.close()
    await market.close()
    return found


async def orders(exchange: Any, name: str) -> dict[str, Any]:
    resting = {"symbol": name, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "96"}
    created = await exchange.fapiPrivatePostOrder(resting)
    asked = {"symbol": name, "orderId": created["orderId"]}
    return {
        "new_order": created,
        "open_orders": await exchange.fapiPrivateGetOpenOrders({"symbol": name}),
        "query_order": await exchange.fapiPrivateGetOrder(asked),
        "cancel_order": await exchange.fapiPrivateDeleteOrder(asked),
        "all_orders": await exchange.fapiPrivateGetAllOrders({"symbol": name}),
    }


async def algo_orders(exchange: Any, name: str) -> dict[str, Any]:
    target = {
        "algoType": "CONDITIONAL", "symbol": name, "side": "SELL", "type": "TAKE_PROFIT", "quantity": "1",
        "triggerPrice": "120", "price": "120",
    }  # fmt: skip
    created = await exchange.fapiPrivatePostAlgoOrder(target)
    return {
        "new_algo_order": created,
        "open_algo_orders": await exchange.fapiPrivateGetOpenAlgoOrders({"symbol": name}),
        "cancel_algo_order": await exchange.fapiPrivateDeleteAlgoOrder({"algoId": created["algoId"]}),
        "all_algo_orders": await exchange.fapiPrivateGetAllAlgoOrders({"symbol": name}),
    }
