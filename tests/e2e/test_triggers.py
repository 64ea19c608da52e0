"""What triggers a level, through the sandbox and the whole stack.

Each test has a user, an account and symbols of its own; every wait is for a condition and has a deadline.
"""

import re
from decimal import Decimal

from protos.positions.v1.accounts_pb2 import ListAccountsRequest, SetTriggerPriceRequest
from protos.positions.v1.accounts_pb2_grpc import AccountsServiceStub
from protos.positions.v1.types_pb2 import TRIGGER_PRICE_LAST
from tests.e2e.inside import channel
from tests.e2e.trader import Json, Trader, until
from tests.stack import RunningStack


async def trigger_by_last(stack: RunningStack, trader: Trader) -> None:
    """The last price triggers the levels of the trader's account from now on."""
    async with channel(stack, "positions") as positions:
        stub = AccountsServiceStub(positions)
        (account,) = (await stub.ListAccounts(ListAccountsRequest(user_id=trader.user_id))).accounts
        request = SetTriggerPriceRequest(
            user_id=trader.user_id,
            account_id=account.account_id,
            trigger_price=TRIGGER_PRICE_LAST,
            request_id="by last",
        )
        assert (await stub.SetTriggerPrice(request)).account.trigger_price == TRIGGER_PRICE_LAST


async def price(trader: Trader, symbol: str, last: str, mark: str) -> None:
    await trader.control("/sandbox/price", {"symbol": symbol, "price": last, "mark": mark})


async def row_with(trader: Trader, symbol: str, **wanted: object) -> Json:
    """The position as it is shown, once it is shown so."""
    rows = await until(
        trader.rows,
        lambda rows: all(rows.get(symbol, {}).get(name) == value for name, value in wanted.items()),
        f"{symbol} to be shown with {wanted}",
    )
    return rows[symbol]


async def test_an_account_on_the_last_price_is_triggered_by_that_one_alone(stack: RunningStack, trader: Trader) -> None:
    symbol = await trader.mint_symbol("100")
    await trader.trade(symbol, "buy", "1")
    await trader.add_key()
    row = await row_with(trader, symbol, inSync=True)
    await trigger_by_last(stack, trader)
    trailing = {"stopLoss": {"trailingDistance": 0.02}, "takeProfit": {"price": 200}}
    await trader.call("POST", f"/api/positions/{row['id']}/manage", trailing)
    await row_with(trader, symbol, guarded=True, stopLoss=Decimal(98))
    # The mark goes far below the stop and far above: neither closes the position nor moves its stop.
    await price(trader, symbol, last="100", mark="95")
    await row_with(trader, symbol, currentPrice=95, stopLoss=Decimal(98), guarded=True)
    await price(trader, symbol, last="100", mark="108")
    await row_with(trader, symbol, currentPrice=108, stopLoss=Decimal(98), guarded=True)
    # The last price raises the stop, and then reaches it, while the mark stays where it is.
    await price(trader, symbol, last="110", mark="108")
    await row_with(trader, symbol, currentPrice=108, stopLoss=Decimal("107.8"), guarded=True)
    await price(trader, symbol, last="107", mark="108")
    history = await until(trader.history, lambda history: symbol in history, f"{symbol} to be closed")
    assert history[symbol]["exitReason"] == "STOP_LOSS"
    assert abs(history[symbol]["exitPrice"] - 107) < Decimal("0.5")
    timeline = await trader.call("GET", f"/api/positions/{row['id']}/timeline")
    (closed,) = [entry for entry in timeline["entries"] if entry["change"] == "closed"]
    assert re.match(r"The price 107 of \S+Z reached the stop-loss at 107\.8\. Order ", closed["evidence"])
    truth = await trader.truth()
    assert len([order for order in truth["orders"] if order["symbol"] == symbol and order["side"] == "SELL"]) == 1


async def test_a_stop_that_finds_its_position_gone_has_the_fills_of_whoever_closed_it_booked(trader: Trader) -> None:
    symbol = await trader.mint_symbol("100")
    await trader.trade(symbol, "buy", "1")
    await trader.add_key()
    row = await row_with(trader, symbol, inSync=True)
    await trader.call("PATCH", f"/api/positions/{row['id']}/stop-loss", {"price": 99})
    await row_with(trader, symbol, guarded=True)
    # Nobody hears of the hand that closes it, but for the order that finds nothing left to close.
    silence = {"exchange": trader.exchange, "kind": "stream_silence", "apiKey": trader.api_key, "times": 100}
    await trader.control("/sandbox/faults", silence)
    (sold,) = await trader.trade(symbol, "sell", "1", reduce_only=True)
    await trader.set_price(symbol, "98.9")
    row = (await until(trader.history, lambda history: symbol in history, f"{symbol} to be closed"))[symbol]
    assert (row["exitReason"], row["exitCause"], row["estimated"]) == ("CLOSED_EXTERNALLY", "HAND", False)
    assert row["exitPrice"] == Decimal(sold["price"])
    truth = await trader.truth()
    assert [fill["side"] for fill in truth["fills"] if fill["symbol"] == symbol] == ["BUY", "SELL"]

    async def transactions() -> list[Json]:
        found: list[Json] = (await trader.call("GET", "/api/transactions"))["transactions"]
        return found

    told = await until(transactions, lambda told: len(told) == 3, "the order that found nothing to be told of as well")
    assert sorted(one["status"] for one in told) == ["cancelled", "filled", "filled"]


async def test_what_is_only_observed_is_marked_for_whoever_watches(trader: Trader) -> None:
    symbol = await trader.mint_symbol("100")
    await trader.trade(symbol, "sell", "2")
    pushes = await trader.listen()
    await trader.add_key()
    row = await row_with(trader, symbol, inSync=True)
    assert not row["managed"]

    async def marks() -> set[tuple[Decimal, Decimal]]:
        own = [m["data"] for m in pushes.messages if m["type"] == "position_marked" and m["data"]["id"] == row["id"]]
        return {(mark["currentPrice"], mark["pnl"]) for mark in own}

    await until(marks, lambda seen: seen, "a mark")
    await trader.set_price(symbol, "99")
    profit = (row["entryPrice"] - 99) * 2
    await until(marks, lambda seen: (Decimal(99), profit) in seen, f"a mark at 99 with {profit}")
