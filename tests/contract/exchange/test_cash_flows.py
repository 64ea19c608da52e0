"""Cash flows: funding and transfers, each once, signed as the account felt them, from every page and window."""

from datetime import timedelta
from decimal import Decimal

import pytest

from services.common.exchange.cash_flows import CashFlowsReading
from services.common.exchange.hints import Hint, HintKind
from services.common.trading.cash_flow import CashFlowKind
from services.common.trading.reading import ReadingStatus
from services.common.trading.side import Venue
from tests.contract.exchange.world import World, eventually, watching

LEDGER_PATH = {Venue.BINANCE: "/fapi/v1/income", Venue.BYBIT: "/v5/account/transaction-log"}


async def read(world: World, days: float = 1.0) -> CashFlowsReading:
    since = world.venues.now() - timedelta(days=days)
    return await world.reader.read_cash_flows(world.venue, world.credentials, since)


async def pay_funding(world: World, rate: str) -> None:
    await world.sandbox.post("funding", symbol=world.symbol, rate=rate, exchange=world.venue.value)


async def transfer(world: World, amount: str) -> None:
    account = {"exchange": world.venue.value, "apiKey": world.credentials.api_key}
    await world.sandbox.post("transfer", amount=amount, **account)


@pytest.mark.parametrize(("side", "rate", "amount"), [("buy", "0.0001", "-0.02"), ("sell", "0.0003", "0.06")])
async def test_funding_is_negative_where_it_was_paid(world: World, side: str, rate: str, amount: str) -> None:
    await world.trade(side, "2")
    await pay_funding(world, rate)
    reading = await read(world)
    assert reading.status is ReadingStatus.COMPLETE
    [paid] = [flow for flow in reading.flows if flow.kind is CashFlowKind.FUNDING]
    assert (paid.amount, paid.currency, paid.symbol) == (Decimal(amount), "USDT", world.symbol)
    # A payment changes no position, so it is not among the fills.
    fills = await world.reader.read_fills(world.venue, world.credentials, world.symbol, world.before)
    assert len(fills.fills) == 1


async def test_each_leg_of_a_hedge_pays_for_itself(hedged: World) -> None:
    await hedged.trade("buy", "2", positionSide="LONG")
    await hedged.trade("sell", "1", positionSide="SHORT")
    await pay_funding(hedged, "0.0001")
    paid = [flow for flow in (await read(hedged)).flows if flow.kind is CashFlowKind.FUNDING]
    assert sorted(flow.amount for flow in paid) == [Decimal("-0.02"), Decimal("0.01")]


async def test_transfers_in_and_out_are_told_apart_by_their_sign(world: World) -> None:
    await transfer(world, "250")
    await transfer(world, "-1000.5")
    reading = await read(world)
    assert [flow.amount for flow in reading.flows] == [Decimal(100_000), Decimal(250), Decimal("-1000.5")]
    assert {(flow.kind, flow.symbol) for flow in reading.flows} == {(CashFlowKind.TRANSFER, None)}
    assert sum(flow.amount for flow in reading.flows) == Decimal((await world.truth())["balance"])
    again = await read(world, days=30)
    assert again.flows == reading.flows


async def test_bybits_pages_of_its_log_are_read_to_the_end(bybit: World) -> None:
    for _ in range(53):
        await transfer(bybit, "1")
    reading = await read(bybit)
    assert reading.status is ReadingStatus.COMPLETE
    assert len({flow.flow_id for flow in reading.flows}) == 54


async def test_a_reading_says_how_far_back_it_reaches(binance: World) -> None:
    reading = await read(binance, days=400)
    assert reading.complete
    assert reading.until - reading.since == timedelta(days=89)


async def test_a_payment_prompts_a_reading_of_the_account(world: World) -> None:
    await world.trade("buy", "2")
    hints: list[Hint] = []
    async with watching(world, hints):
        await pay_funding(world, "0.0001")
        await eventually(lambda: any(hint.kind is HintKind.ACCOUNT for hint in hints))
        count = len(hints)
        await transfer(world, "5")
        await eventually(lambda: any(hint.kind is HintKind.ACCOUNT for hint in hints[count:]))


@pytest.mark.parametrize("kind", ["html", "truncated", "drop"])
async def test_an_unreadable_ledger_is_a_failed_reading_and_not_an_empty_one(world: World, kind: str) -> None:
    await world.fault(kind, endpoint=LEDGER_PATH[world.venue])
    assert (await read(world)).status is ReadingStatus.FAILED
