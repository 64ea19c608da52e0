"""The sandbox's Bybit has every field, of the same JSON type, that the venue's documentation shows.

Invariant: every example is compared, or named here with the reason why it is not.
"""

import asyncio
import json
from typing import Any

from tests.contract.sandbox.conftest import Desk, until
from tests.contract.sandbox.likeness import compare_all

PRIVATE = ("position", "order", "execution", "wallet")
# What differs, and why.
KNOWN = {
    "open_orders.result.list[].cumFeeDetail.MNT": "the fee's coin names the field",
    "order_history.result.list[].cumFeeDetail.MNT": "the fee's coin names the field",
    "stream_order.data[].cumFeeDetail.MNT": "the fee's coin names the field",
    "position_list.result.list[].mmrSysUpdateTime": "misspelt: the page's own table has mmrSysUpdatedTime",
    "stream_execution.data[].extraFees": "a list for some countries' customers; an empty text for all others",
}


async def test_every_documented_field_is_there(desk: Desk) -> None:
    found = compare_all("bybit", await messages(desk))
    assert {where: words for where, words in found.items() if where not in KNOWN} == {}
    assert set(KNOWN) <= set(found)


async def messages(desk: Desk) -> dict[str, Any]:
    """One message of each example's kind, by the example's name."""
    name, symbol = await desk.symbol()
    exchange = await desk.account("bybit", fresh_markets=True)
    asked = {"category": "linear", "symbol": name}
    candles = {**asked, "interval": "1"}
    private, (login, subscribed) = await desk.log_in(exchange, *PRIVATE)
    public = await desk.session.ws_connect(f"{desk.url}/v5/public/linear")
    topics = {
        f"tickers.{name}": "stream_ticker_snapshot",
        f"kline.5.{name}": "stream_kline",
        f"publicTrade.{name}": "stream_trade",
    }
    await public.send_json({"op": "subscribe", "args": list(topics)})
    found: dict[str, Any] = {
        "stream_login": login,
        "stream_subscribed": subscribed,
        "time": await exchange.publicGetV5MarketTime(),
        "instruments": await exchange.publicGetV5MarketInstrumentsInfo(asked),
        "tickers": await exchange.publicGetV5MarketTickers(asked),
        "klines": await exchange.publicGetV5MarketKline(candles),
        "mark_price_klines": await exchange.publicGetV5MarketMarkPriceKline(candles),
        "risk_limits": await exchange.publicGetV5MarketRiskLimit(asked),
        "account_info": await exchange.privateGetV5AccountInfo(),
        "query_api": await exchange.privateGetV5UserQueryApi(),
        "set_leverage": await exchange.privatePostV5PositionSetLeverage(
            {**asked, "buyLeverage": "6", "sellLeverage": "6"}
        ),
    }
    order = {**asked, "orderType": "Market"}
    found["order_create"] = await exchange.privatePostV5OrderCreate({**order, "side": "Buy", "qty": "2"})
    await until(exchange.fetch_positions)
    resting = {**order, "side": "Buy", "qty": "1", "orderType": "Limit", "price": "95"}
    rested = await exchange.privatePostV5OrderCreate(resting)

    async def rests() -> Any:
        return await exchange.fetch_open_orders(symbol)

    await until(rests)
    found["open_orders"] = await exchange.privateGetV5OrderRealtime(asked)
    cancelled = {**asked, "orderId": rested["result"]["orderId"]}
    found["order_cancel"] = await exchange.privatePostV5OrderCancel(cancelled)
    await exchange.privatePostV5OrderCreate({**order, "side": "Sell", "qty": "1"})

    async def closed() -> Any:
        return await exchange.fetch_positions_history([symbol])

    await until(closed)
    positions = await exchange.privateGetV5PositionList(asked)
    found |= {
        "position_list": positions,
        "position_list_linear": positions,
        "closed_pnl": await exchange.privateGetV5PositionClosedPnl(asked),
        "execution_list": await exchange.privateGetV5ExecutionList(asked),
        "order_history": await exchange.privateGetV5OrderHistory(asked),
        "wallet_balance": await exchange.privateGetV5AccountWalletBalance({"accountType": "UNIFIED"}),
        "transaction_log": await exchange.privateGetV5AccountTransactionLog({"category": "linear"}),
    }
    async with asyncio.timeout(5):
        while not {f"stream_{topic}" for topic in PRIVATE} <= set(found):
            message = json.loads((await private.receive()).data)
            found[f"stream_{message['topic']}"] = message
        while not set(topics.values()) <= set(found):
            message = json.loads((await public.receive()).data)
            if "topic" in message and message["type"] == "snapshot":
                found[topics[message["topic"]]] = message
    found["stream_position_held"] = found["stream_position"]
    await private.close()
    await public.close()
    return found
