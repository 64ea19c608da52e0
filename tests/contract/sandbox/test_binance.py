"""Binance USD-M as unmodified ccxt sees it, and the venue's codes where it refuses."""

import asyncio
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.contract.sandbox.conftest import Desk


async def test_opens_and_closes_a_position(desk: Desk) -> None:
    name, symbol = await desk.symbol("200")
    exchange = await desk.account("binance", fresh_markets=True)

    opened = await exchange.create_order(symbol, "market", "buy", 2, None, {"newClientOrderId": "open-1"})
    [position] = await exchange.fetch_positions()
    await desk.set_price(name, "210")
    closed = await exchange.create_order(symbol, "market", "sell", 2, None, {"reduceOnly": True})

    assert (opened["status"], opened["filled"], opened["clientOrderId"]) == ("closed", 2.0, "open-1")
    assert (position["side"], position["contracts"], position["entryPrice"]) == ("long", 2.0, 200.001)
    assert (closed["status"], closed["average"]) == ("closed", 209.999)
    assert await exchange.fetch_positions() == []
    truth = await desk.truth(exchange)
    assert sum(Decimal(line["amount"]) for line in truth["incomes"]) == Decimal(truth["balance"])
    # 2 × (209.999 − 200.001), less 0.05 % of both sides.
    assert Decimal(truth["balance"]) == Decimal("100000") + Decimal("19.996") - Decimal("0.41")


async def test_a_position_carries_what_the_venue_knows(desk: Desk) -> None:
    name, symbol = await desk.symbol("100")
    exchange = await desk.account("binance", fresh_markets=True, balance="1000")
    await exchange.set_leverage(10, symbol)
    await exchange.create_order(symbol, "market", "buy", 50)
    await desk.set_price(name, "101")

    [position] = await exchange.fetch_positions()
    leverage = (await exchange.fetch_leverages([symbol]))[symbol]

    assert (position["markPrice"], position["notional"], position["marginMode"]) == (101.0, 5050.0, "cross")
    assert position["unrealizedPnl"] == pytest.approx(49.95)
    assert 80 < position["liquidationPrice"] < 82
    assert position["info"]["positionSide"] == "BOTH"
    assert "leverage" not in position["info"]
    assert (leverage["longLeverage"], leverage["marginMode"]) == (10, "cross")


async def test_hedge_legs_stay_apart(desk: Desk) -> None:
    _, symbol = await desk.symbol()
    exchange = await desk.account("binance", fresh_markets=True)
    await exchange.set_position_mode(True)

    await exchange.create_order(symbol, "market", "buy", 3, None, {"hedged": True})
    await exchange.create_order(symbol, "market", "sell", 2, None, {"hedged": True})
    legs = {position["side"]: position["contracts"] for position in await exchange.fetch_positions()}
    await exchange.create_order(symbol, "market", "sell", 3, None, {"hedged": True, "reduceOnly": True})

    assert legs == {"long": 3.0, "short": 2.0}
    assert [position["side"] for position in await exchange.fetch_positions()] == ["short"]
    with pytest.raises(ccxt.OperationRejected, match="-4061"):
        await exchange.create_order(symbol, "market", "buy", 1)
    with pytest.raises(ccxt.BadRequest, match="-1106"):
        await exchange.create_order(symbol, "market", "buy", 1, None, {"positionSide": "SHORT", "reduceOnly": True})
    with pytest.raises(ccxt.ExchangeError, match="-4068"):
        await exchange.set_position_mode(False)


async def test_reduce_only_is_refused_where_it_would_not_reduce(desk: Desk) -> None:
    _, symbol = await desk.symbol()
    exchange = await desk.account("binance", fresh_markets=True)
    reduce = {"reduceOnly": True}

    with pytest.raises(ccxt.InvalidOrder, match="-2022"):
        await exchange.create_order(symbol, "market", "sell", 1, None, reduce)
    await exchange.create_order(symbol, "market", "buy", 2)
    with pytest.raises(ccxt.InvalidOrder, match="-2022"):
        await exchange.create_order(symbol, "market", "buy", 1, None, reduce)
    with pytest.raises(ccxt.InvalidOrder, match="-2022"):
        await exchange.create_order(symbol, "market", "sell", 3, None, reduce)


async def test_resting_reduce_only_orders_count_against_the_position(desk: Desk) -> None:
    _, symbol = await desk.symbol()
    exchange = await desk.account("binance", fresh_markets=True)
    await exchange.create_order(symbol, "market", "buy", 2)
    resting = await exchange.create_order(symbol, "limit", "sell", 2, 105, {"reduceOnly": True})

    with pytest.raises(ccxt.OperationRejected, match="-4118"):
        await exchange.create_order(symbol, "market", "sell", 2, None, {"reduceOnly": True})
    await exchange.cancel_order(resting["id"], symbol)

    closed = await exchange.create_order(symbol, "market", "sell", 2, None, {"reduceOnly": True})
    assert closed["status"] == "closed"


async def test_a_resting_reduce_only_order_does_not_outlive_its_position(desk: Desk) -> None:
    _, symbol = await desk.symbol()
    exchange = await desk.account("binance", fresh_markets=True)
    await exchange.create_order(symbol, "market", "buy", 2)
    await exchange.create_order(symbol, "limit", "sell", 1, 105, {"reduceOnly": True})

    await exchange.create_order(symbol, "market", "sell", 2)

    assert await exchange.fetch_open_orders(symbol) == []


async def test_orders_are_found_by_client_id_which_is_unique_among_open_ones_only(desk: Desk) -> None:
    _, symbol = await desk.symbol()
    exchange = await desk.account("binance", fresh_markets=True)
    mine = {"newClientOrderId": "mine"}

    first = await exchange.create_order(symbol, "market", "buy", 1, None, mine)
    second = await exchange.create_order(symbol, "limit", "buy", 1, 95, mine)
    found = await exchange.fetch_order(None, symbol, {"origClientOrderId": "mine"})

    assert first["id"] != second["id"] == found["id"]
    assert found["status"] == "open"
    with pytest.raises(ccxt.InvalidOrder, match="-4116"):
        await exchange.create_order(symbol, "limit", "buy", 1, 94, mine)
    with pytest.raises(ccxt.OrderNotFound, match="-2013"):
        await exchange.fetch_order(None, symbol, {"origClientOrderId": "nobody's"})


async def test_a_limit_order_rests_and_fills_as_maker(desk: Desk) -> None:
    name, symbol = await desk.symbol()
    exchange = await desk.account("binance", fresh_markets=True)
    order = await exchange.create_order(symbol, "limit", "buy", 1, 98)

    await desk.set_price(name, "97")

    assert (await exchange.fetch_order(order["id"], symbol))["status"] == "closed"
    [trade] = await exchange.fetch_my_trades(symbol)
    assert (trade["price"], trade["info"]["maker"], trade["fee"]["cost"]) == (98.0, True, pytest.approx(0.0196))


async def test_trades_are_read_page_by_page(desk: Desk) -> None:
    _, symbol = await desk.symbol()
    exchange = await desk.account("binance", fresh_markets=True)
    for _ in range(5):
        await exchange.create_order(symbol, "market", "buy", 1)

    every = [trade["id"] for trade in await exchange.fetch_my_trades(symbol)]
    pages: list[str] = []
    start = 0
    while page := await exchange.fetch_my_trades(symbol, None, 2, {"fromId": start}):
        pages += [trade["id"] for trade in page]
        start = int(pages[-1]) + 1

    assert len(every) == 5
    assert pages == every
    with pytest.raises(ccxt.BadRequest, match="-4165"):
        week = 7 * 86_400_000
        await exchange.fetch_my_trades(symbol, None, None, {"startTime": 1, "endTime": week + 2})


@pytest.mark.parametrize(
    ("kind", "amount", "price", "code"),
    [
        ("market", "0.005", None, "-1111"),
        ("market", "0", None, "-4003"),
        ("market", "2000000", None, "-4005"),
        ("market", "0.01", None, "-4164"),
        ("market", "2500", None, "-2027"),
        ("market", "25000", None, "-2019"),
        ("limit", "1", "99.0001", "-4014"),
        ("limit", "1", "150", "-4016"),
    ],
)
async def test_filters_and_margin(desk: Desk, kind: str, amount: str, price: str | None, code: str) -> None:
    name, _ = await desk.symbol()
    exchange = await desk.account("binance", balance="100000")
    request: dict[str, Any] = {"symbol": name, "side": "BUY", "type": kind.upper(), "quantity": amount}
    if price:
        request |= {"price": price, "timeInForce": "GTC"}
    await exchange.fapiPrivatePostLeverage({"symbol": name, "leverage": 75 if code == "-2027" else 5})

    with pytest.raises(ccxt.ExchangeError, match=code):
        await exchange.fapiPrivatePostOrder(request)

    assert (await desk.truth(exchange))["orders"] == []


async def test_signatures_clocks_and_keys_are_checked(desk: Desk) -> None:
    exchange = await desk.account("binance")
    stranger = await desk.connect("binance", "k" * 64, "s" * 64)
    forger = await desk.connect("binance", exchange.apiKey, "wrong")
    reader = await desk.account("binance", permissions={"trading": False, "withdraw": False})

    with pytest.raises(ccxt.AuthenticationError, match="-2015"):
        await stranger.fetch_balance()
    with pytest.raises(ccxt.AuthenticationError, match="-1022"):
        await forger.fetch_balance()
    with pytest.raises(ccxt.InvalidNonce, match="-1021"):
        await exchange.fapiPrivateV3GetAccount({"timestamp": exchange.milliseconds() - 6000, "recvWindow": 5000})
    with pytest.raises(ccxt.InvalidNonce, match="-1021"):
        await exchange.fapiPrivateV3GetAccount({"timestamp": exchange.milliseconds() + 5000})
    with pytest.raises(ccxt.AuthenticationError, match="-2015"):
        await reader.create_order("BTC/USDT:USDT", "market", "buy", 0.01)


async def test_the_venue_s_own_user_id_is_the_same_for_every_key(desk: Desk) -> None:
    first = await desk.ask("POST", "/sandbox/accounts", exchange="binance")
    second = await desk.ask(
        "POST", "/sandbox/accounts", exchange="binance", accountOf=first["apiKey"], permissions={"withdraw": True}
    )
    one = await desk.connect("binance", first["apiKey"], first["secret"])
    other = await desk.connect("binance", second["apiKey"], second["secret"])

    uids = [(await exchange.privateGetAccount())["uid"] for exchange in (one, other)]
    restrictions = [await exchange.sapiGetAccountApiRestrictions() for exchange in (one, other)]

    assert uids == [int(first["userId"])] * 2
    assert [answer["enableWithdrawals"] for answer in restrictions] == [False, True]


async def test_a_conditional_order_triggers_and_closes(desk: Desk) -> None:
    name, symbol = await desk.symbol()
    exchange = await desk.account("binance", fresh_markets=True)
    await exchange.create_order(symbol, "market", "buy", 2)
    stop = await exchange.create_order(symbol, "market", "sell", 2, None, {"stopLossPrice": 95, "reduceOnly": True})
    [waiting] = await exchange.fetch_open_orders(symbol, params={"trigger": True})

    with pytest.raises(ccxt.OrderImmediatelyFillable, match="-2021"):
        await exchange.create_order(symbol, "market", "sell", 2, None, {"stopLossPrice": 105, "reduceOnly": True})
    await desk.set_price(name, "94")

    assert waiting["id"] == stop["id"]
    assert await exchange.fetch_positions() == []
    algo = await exchange.fetch_order(stop["id"], symbol, {"trigger": True})
    assert algo["info"]["algoStatus"] == "FINISHED"
    made = await exchange.fetch_order(algo["info"]["actualOrderId"], symbol)
    assert (made["status"], made["average"]) == ("closed", 93.999)


async def test_conditional_types_are_refused_at_the_old_endpoint(desk: Desk) -> None:
    exchange = await desk.account("binance")
    with pytest.raises(ccxt.ExchangeError, match="-4120"):
        await exchange.fapiPrivatePostOrder(
            {"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET", "stopPrice": "1", "quantity": "0.01"}
        )


async def test_liquidation_is_told_in_order_and_found_afterwards(desk: Desk) -> None:
    name, symbol = await desk.symbol()
    exchange = await desk.account("binance", fresh_markets=True, balance="1000")
    await exchange.create_order(symbol, "market", "buy", 100)
    resting = await exchange.create_order(symbol, "limit", "sell", 1, 109)

    await desk.set_price(name, "90")

    assert await exchange.fetch_positions() == []
    assert (await exchange.fetch_order(resting["id"], symbol))["status"] == "expired"
    [forced] = await exchange.fapiPrivateGetForceOrders({"symbol": name, "autoCloseType": "LIQUIDATION"})
    assert forced["clientOrderId"].startswith("autoclose-")
    assert (forced["origType"], forced["status"], forced["avgPrice"]) == ("LIMIT", "FILLED", "89.9990000")
    truth = await desk.truth(exchange)
    assert Decimal(truth["balance"]) == 0
    assert {line["kind"] for line in truth["incomes"]} >= {"INSURANCE_CLEAR", "REALIZED_PNL", "COMMISSION"}


async def test_auto_deleveraging_is_marked(desk: Desk) -> None:
    name, symbol = await desk.symbol()
    exchange = await desk.account("binance", fresh_markets=True)
    await exchange.create_order(symbol, "market", "buy", 10)

    await desk.ask("POST", "/sandbox/adl", exchange="binance", apiKey=exchange.apiKey, symbol=name, quantity="4")

    [position] = await exchange.fetch_positions()
    [forced] = await exchange.fapiPrivateGetForceOrders({"autoCloseType": "ADL"})
    assert position["contracts"] == 6.0
    assert forced["clientOrderId"] == "adl_autoclose"


async def test_a_large_order_walks_the_book_in_several_fills(desk: Desk) -> None:
    _, symbol = await desk.symbol()
    exchange = await desk.account("binance", fresh_markets=True, balance="1000000")
    order = await exchange.create_order(symbol, "market", "buy", 6000)

    trades = await exchange.fetch_my_trades(symbol)

    assert [trade["price"] for trade in trades] == [100.001, 100.002, 100.003]
    assert sum(trade["amount"] for trade in trades) == order["filled"] == 6000.0


async def test_candles_follow_the_price(desk: Desk) -> None:
    name, symbol = await desk.symbol()
    exchange = await desk.account("binance", fresh_markets=True)
    await desk.set_price(name, "120")
    await desk.set_price(name, "90", mark="91")

    last = await exchange.fetch_ohlcv(symbol, "1h")
    mark = await exchange.fetch_ohlcv(symbol, "1h", params={"price": "mark"})

    assert (max(row[2] for row in last), min(row[3] for row in last)) == (120.0, 90.0)
    assert min(row[3] for row in mark) == 91.0


async def test_parallel_orders_of_one_account_are_all_taken(desk: Desk) -> None:
    _, symbol = await desk.symbol()
    exchange = await desk.account("binance", fresh_markets=True)
    await asyncio.gather(*(exchange.create_order(symbol, "market", "buy", 1) for _ in range(10)))
    [position] = await exchange.fetch_positions()
    assert position["contracts"] == 10.0
