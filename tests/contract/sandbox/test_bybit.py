"""Bybit v5 linear as unmodified ccxt sees it, and the venue's codes where it refuses."""

from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.contract.sandbox.conftest import Desk, until


async def filled(exchange: Any, symbol: str, order_id: str) -> Any:
    """The order once it has been worked: Bybit acknowledges first."""

    async def worked() -> Any:
        orders = await exchange.fetch_open_orders(symbol, params={"orderId": order_id})
        return next((order for order in orders if order["status"] != "open"), None)

    return await until(worked)


async def trade(exchange: Any, symbol: str, side: str, amount: float, **params: Any) -> Any:
    order = await exchange.create_order(symbol, "market", side, amount, None, params)
    return await filled(exchange, symbol, order["id"])


async def test_opens_and_closes_a_position(desk: Desk) -> None:
    name, symbol = await desk.symbol("200")
    exchange = await desk.account("bybit", fresh_markets=True)

    acknowledged = await exchange.create_order(symbol, "market", "buy", 2, None, {"orderLinkId": "open-1"})
    opened = await filled(exchange, symbol, acknowledged["id"])
    [position] = await exchange.fetch_positions()
    await desk.set_price(name, "210")
    closed = await trade(exchange, symbol, "sell", 2, reduceOnly=True)

    assert (acknowledged["status"], acknowledged["filled"]) == (None, None)
    assert (opened["status"], opened["average"], opened["clientOrderId"]) == ("closed", 200.001, "open-1")
    assert (position["side"], position["contracts"], position["leverage"]) == ("long", 2.0, 10.0)
    assert closed["average"] == 209.999
    assert await exchange.fetch_positions() == []
    truth = await desk.truth(exchange)
    assert sum(Decimal(line["amount"]) for line in truth["incomes"]) == Decimal(truth["balance"])
    assert Decimal(truth["balance"]) == Decimal("100019.996") - Decimal("0.00055") * 820
    [row] = await exchange.fetch_positions_history([symbol])
    assert row["info"]["closedPnl"] == "19.545"
    assert (row["info"]["avgEntryPrice"], row["info"]["avgExitPrice"]) == ("200.001", "209.999")


@pytest.mark.parametrize("side", ["buy", "sell"])
async def test_closing_at_the_break_even_price_makes_nothing(desk: Desk, side: str) -> None:
    name, symbol = await desk.symbol("200")
    exchange = await desk.account("bybit", fresh_markets=True)
    asked = {"category": "linear", "symbol": name}
    [flat] = (await exchange.privateGetV5PositionList(asked))["result"]["list"]

    await trade(exchange, symbol, side, 3)
    # A part that was closed at a profit moves it too.
    await desk.set_price(name, "210" if side == "buy" else "190")
    await trade(exchange, symbol, "sell" if side == "buy" else "buy", 1, reduceOnly=True)
    [row] = (await exchange.privateGetV5PositionList(asked))["result"]["list"]

    price, entry, quantity = (Decimal(row[field]) for field in ("breakEvenPrice", "avgPrice", "size"))
    made = (price - entry) * quantity * (1 if side == "buy" else -1)
    fee = price * quantity * Decimal("0.00055")
    assert abs(made + Decimal(row["curRealisedPnl"]) - fee) < Decimal("0.000001")
    assert (flat["breakEvenPrice"], flat["openTime"]) == ("", 0)
    assert row["openTime"] == int(row["createdTime"])


async def test_a_ticker_that_is_asked_for_says_that_nothing_is_delivered(desk: Desk) -> None:
    name, _ = await desk.symbol("200")
    exchange = await desk.account("bybit", fresh_markets=True)
    [row] = (await exchange.publicGetV5MarketTickers({"category": "linear", "symbol": name}))["result"]["list"]
    assert (row["lastPrice"], row["deliveryTime"], row["basisRate"]) == ("200.000", "0", "")
    assert "tickDirection" not in row


async def test_hedge_legs_stay_apart(desk: Desk) -> None:
    _, symbol = await desk.symbol()
    exchange = await desk.account("bybit", fresh_markets=True)
    await exchange.set_position_mode(True)

    await trade(exchange, symbol, "buy", 3, hedged=True)
    await trade(exchange, symbol, "sell", 2, hedged=True)
    legs = {position["side"]: position["contracts"] for position in await exchange.fetch_positions()}
    await trade(exchange, symbol, "sell", 3, hedged=True, reduceOnly=True)

    assert legs == {"long": 3.0, "short": 2.0}
    assert [position["side"] for position in await exchange.fetch_positions()] == ["short"]
    with pytest.raises(ccxt.BadRequest, match="position idx not match position mode"):
        await exchange.create_order(symbol, "market", "buy", 1)
    with pytest.raises(ccxt.ExchangeError, match="110024"):
        await exchange.set_position_mode(False)


async def test_reduce_only_is_refused_or_cut_to_what_is_left(desk: Desk) -> None:
    _, symbol = await desk.symbol()
    exchange = await desk.account("bybit", fresh_markets=True)

    with pytest.raises(ccxt.InvalidOrder, match="110017"):
        await exchange.create_order(symbol, "market", "sell", 1, None, {"reduceOnly": True})
    await trade(exchange, symbol, "buy", 3)
    await exchange.create_order(symbol, "limit", "sell", 1, 105, {"reduceOnly": True})
    cut = await trade(exchange, symbol, "sell", 5, reduceOnly=True)
    with pytest.raises(ccxt.InvalidOrder, match="110017"):
        await exchange.create_order(symbol, "market", "sell", 1, None, {"reduceOnly": True})

    assert (cut["amount"], cut["filled"]) == (2.0, 2.0)


async def test_orders_are_found_by_link_id_which_is_unique_among_open_ones_only(desk: Desk) -> None:
    _, symbol = await desk.symbol()
    exchange = await desk.account("bybit", fresh_markets=True)
    mine = {"orderLinkId": "mine"}

    await trade(exchange, symbol, "buy", 1, **mine)
    await exchange.create_order(symbol, "limit", "buy", 1, 95, mine)

    closed = await exchange.fetch_canceled_and_closed_orders(symbol, params=mine)
    assert [order["status"] for order in closed] == ["closed"]
    assert {order["status"] for order in await exchange.fetch_open_orders(symbol, params=mine)} == {"open", "closed"}
    with pytest.raises(ccxt.InvalidOrder, match="110072"):
        await exchange.create_order(symbol, "limit", "buy", 1, 94, mine)
    with pytest.raises(ccxt.OrderNotFound, match="110001"):
        await exchange.cancel_order("nobody-s", symbol)


async def test_executions_are_read_page_by_page(desk: Desk) -> None:
    _, symbol = await desk.symbol()
    exchange = await desk.account("bybit", fresh_markets=True)
    for _ in range(5):
        await trade(exchange, symbol, "buy", 1)

    every = [one["id"] for one in await exchange.fetch_my_trades(symbol)]
    pages: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await exchange.privateGetV5ExecutionList({"category": "linear", "limit": 2, **cursor})
        pages += [row["execId"] for row in answer["result"]["list"]]
        if not answer["result"]["nextPageCursor"]:
            break
        cursor = {"cursor": answer["result"]["nextPageCursor"]}

    assert len(pages) == 5
    assert sorted(pages) == sorted(every)
    with pytest.raises(ccxt.BadRequest, match="cannot exceed 7 days"):
        await exchange.fetch_my_trades(symbol, 1, None, {"endTime": 8 * 86_400_000})


async def test_positions_come_twenty_at_a_time_unless_asked_for_more(desk: Desk) -> None:
    positions = []
    for _ in range(21):
        name, _ = await desk.symbol("10", exchange="bybit")
        positions.append({"symbol": name, "side": "short", "quantity": "1"})
    exchange = await desk.account("bybit", fresh_markets=True, positions=positions)

    first = await exchange.privateGetV5PositionList({"category": "linear", "settleCoin": "USDT"})
    rest = await exchange.privateGetV5PositionList(
        {"category": "linear", "settleCoin": "USDT", "cursor": first["result"]["nextPageCursor"]}
    )

    assert (len(first["result"]["list"]), len(rest["result"]["list"])) == (20, 1)
    assert len(await exchange.fetch_positions()) == 21


@pytest.mark.parametrize(
    ("amount", "price", "code"),
    [
        ("0.005", None, "10001"),
        ("2000000", None, "10001"),
        ("0.01", None, "110094"),
        ("25000", None, "110007"),
        ("1", "99.00001", "10001"),
        ("1", "150", "110003"),
    ],
)
async def test_filters_and_margin(desk: Desk, amount: str, price: str | None, code: str) -> None:
    name, _ = await desk.symbol()
    exchange = await desk.account("bybit")
    request = {"category": "linear", "symbol": name, "side": "Buy", "orderType": "Market", "qty": amount}
    if price:
        request |= {"orderType": "Limit", "price": price}

    with pytest.raises(ccxt.ExchangeError, match=code):
        await exchange.privatePostV5OrderCreate(request)

    assert (await desk.truth(exchange))["orders"] == []


async def test_signatures_clocks_and_keys_are_checked(desk: Desk) -> None:
    exchange = await desk.account("bybit")
    stranger = await desk.connect("bybit", "k" * 18, "s" * 36)
    forger = await desk.connect("bybit", exchange.apiKey, "wrong")
    reader = await desk.account("bybit", permissions={"trading": False})
    late = await desk.connect("bybit", exchange.apiKey, exchange.secret)
    late.nonce = lambda: late.milliseconds() - 6000

    with pytest.raises(ccxt.AuthenticationError, match="10003"):
        await stranger.fetch_balance()
    with pytest.raises(ccxt.AuthenticationError, match="10004"):
        await forger.fetch_balance()
    with pytest.raises(ccxt.InvalidNonce, match="10002"):
        await late.fetch_balance()
    with pytest.raises(ccxt.PermissionDenied, match="10005"):
        await reader.create_order("BTC/USDT:USDT", "market", "buy", 0.01)


async def test_the_venue_s_own_user_id_is_the_same_for_every_key(desk: Desk) -> None:
    first = await desk.ask("POST", "/sandbox/accounts", exchange="bybit")
    second = await desk.ask(
        "POST", "/sandbox/accounts", exchange="bybit", accountOf=first["apiKey"], permissions={"withdraw": True}
    )
    keys = []
    for minted in (first, second):
        exchange = await desk.connect("bybit", minted["apiKey"], minted["secret"])
        keys.append((await exchange.privateGetV5UserQueryApi())["result"])

    assert [key["userID"] for key in keys] == [int(first["userId"])] * 2
    assert ["Withdraw" in key["permissions"]["Wallet"] for key in keys] == [False, True]


async def test_a_conditional_order_keeps_its_id_when_it_triggers(desk: Desk) -> None:
    name, symbol = await desk.symbol()
    exchange = await desk.account("bybit", fresh_markets=True)
    await trade(exchange, symbol, "buy", 2)
    stop = await exchange.create_order(symbol, "market", "sell", 2, None, {"stopLossPrice": 95})
    [waiting] = await exchange.fetch_open_orders(symbol, params={"trigger": True})

    with pytest.raises(ccxt.ExchangeError, match="110093"):
        await exchange.create_order(symbol, "market", "sell", 2, None, {"stopLossPrice": 105})
    await desk.set_price(name, "94")

    assert (waiting["id"], waiting["info"]["orderStatus"]) == (stop["id"], "Untriggered")
    assert await exchange.fetch_positions() == []
    [done] = await exchange.fetch_canceled_and_closed_orders(symbol, params={"orderId": stop["id"]})
    assert (done["status"], done["average"]) == ("closed", 93.999)


async def test_liquidation_hides_from_plain_trades(desk: Desk) -> None:
    name, symbol = await desk.symbol()
    exchange = await desk.account("bybit", fresh_markets=True, balance="2000")
    await trade(exchange, symbol, "buy", 100)

    await desk.set_price(name, "75")

    assert await exchange.fetch_positions() == []
    plain = await exchange.fetch_my_trades(symbol)
    busted = await exchange.fetch_my_trades(symbol, params={"execType": "BustTrade"})
    assert [one["side"] for one in plain] == ["buy"]
    assert [(one["side"], one["price"]) for one in busted] == [("sell", 74.999)]


async def test_trading_stops_of_a_position_are_shown_and_fire(desk: Desk) -> None:
    name, symbol = await desk.symbol()
    exchange = await desk.account("bybit", fresh_markets=True)
    await trade(exchange, symbol, "buy", 2)
    await exchange.privatePostV5PositionTradingStop(
        {"category": "linear", "symbol": name, "stopLoss": "95", "takeProfit": "110", "positionIdx": 0}
    )
    [position] = await exchange.fetch_positions()

    await desk.set_price(name, "111")

    assert (position["stopLossPrice"], position["takeProfitPrice"]) == (95.0, 110.0)
    assert await exchange.fetch_positions() == []
    ended = {order["info"]["createType"]: order for order in await exchange.fetch_canceled_and_closed_orders(symbol)}
    assert ended["CreateByTakeProfit"]["status"] == "closed"
    assert ended["CreateByStopLoss"]["info"]["orderStatus"] == "Deactivated"
