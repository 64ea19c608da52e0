"""Money that no trade moves: funding and transfers, as plain ccxt sees them."""

from decimal import Decimal

import pytest

from tests.contract.sandbox.conftest import Desk


@pytest.mark.parametrize("venue", ["binance", "bybit"])
async def test_funding_is_paid_by_longs_and_received_by_shorts(desk: Desk, venue: str) -> None:
    name, symbol = await desk.symbol()
    position = {"symbol": name, "quantity": "2"}
    long = await desk.account(venue, fresh_markets=True, positions=[{**position, "side": "long"}])
    short = await desk.account(venue, positions=[{**position, "side": "short"}])
    before = Decimal((await desk.truth(long))["balance"])
    short.set_markets_from_exchange(long)
    paid = (await desk.ask("POST", "/sandbox/funding", symbol=name, rate="0.0005", exchange=venue))["paid"]

    assert sorted(Decimal(one["amount"]) for one in paid) == [Decimal("-0.1"), Decimal("0.1")]
    assert Decimal((await desk.truth(long))["balance"]) == before - Decimal("0.1")
    # ccxt reads the ledger on Binance, and the executions on Bybit.
    [income] = await long.fetch_funding_history(symbol)
    [received] = await short.fetch_funding_history(symbol)
    assert abs(income["amount"]) == abs(received["amount"]) == 0.1
    assert income["amount"] == -received["amount"]
    assert sum(Decimal(line["amount"]) for line in (await desk.truth(long))["incomes"]) == before - Decimal("0.1")


@pytest.mark.parametrize("venue", ["binance", "bybit"])
async def test_transfers_are_in_the_ledger_and_no_more_leaves_than_is_available(desk: Desk, venue: str) -> None:
    exchange = await desk.account(venue, balance="1000")
    account = {"exchange": venue, "apiKey": exchange.apiKey}
    moved = await desk.ask("POST", "/sandbox/transfer", amount="-400", **account)
    refused = await desk.ask("POST", "/sandbox/transfer", expect=400, amount="-601", **account)

    assert moved["balance"] == "600"
    assert "transfer too large" in refused["error"]
    ledger = await exchange.fetch_ledger("USDT")
    assert [abs(line["amount"]) for line in ledger] == [1000.0, 400.0]
    assert [line["direction"] for line in ledger] == ["in", "out"]


async def test_funding_may_liquidate(desk: Desk) -> None:
    name, _ = await desk.symbol()
    position = {"symbol": name, "side": "long", "quantity": "90", "leverage": 50}
    exchange = await desk.account("binance", balance="500", positions=[position])
    await desk.ask("POST", "/sandbox/funding", symbol=name, rate="0.054", exchange="binance")
    assert (await desk.truth(exchange))["positions"] == []


async def test_what_cannot_be_paid_says_why(desk: Desk) -> None:
    name, _ = await desk.symbol()
    unknown = await desk.ask("POST", "/sandbox/funding", expect=404, symbol="NOPEUSDT", rate="0.1")
    too_much = await desk.ask("POST", "/sandbox/funding", expect=400, symbol=name, rate="1.5")
    exchange = await desk.account("bybit")
    nothing = await desk.ask(
        "POST", "/sandbox/transfer", expect=400, exchange="bybit", apiKey=exchange.apiKey, amount="0"
    )
    assert "no symbol" in unknown["error"]
    assert "rate" in too_much["error"]
    assert "amount" in nothing["error"]
