"""Fills: every page and window, each once, with whose order it was and why."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from services.common.exchange.client import Endpoint
from services.common.exchange.credentials import Credentials
from services.common.exchange.fills import FillsReading
from services.common.exchange.orders.outcome import Filled
from services.common.trading.client_order_id import OrderCause
from services.common.trading.exit_reason import ExitReason, exit_reason, external_cause
from services.common.trading.fill import OrderKind, run_fills, summarize_exit
from services.common.trading.reading import ReadingStatus
from services.common.trading.side import OrderSide, PositionSide, Side
from tests.contract.exchange.world import FILLS_PATH, World, new_id

ALGO_ORDER = Endpoint("fapiPrivate", "POST", "algoOrder")
TRADING_STOP = Endpoint("private", "POST", "v5/position/trading-stop")


async def read(world: World, days: float = 1.0) -> FillsReading:
    since = world.venues.now() - timedelta(days=days)
    return await world.reader.read_fills(world.venue, world.credentials, world.symbol, since)


async def read_all(world: World, count: int) -> FillsReading:
    """The fills, once there are as many: a stop is worked a moment after its price was reached."""
    async with asyncio.timeout(15):
        while True:
            reading = await read(world)
            if len(reading.fills) >= count:
                return reading
            await asyncio.sleep(0.02)


async def test_partial_closes_add_up_to_one_exit(world: World) -> None:
    await world.trade("buy", "4")
    await world.set_price("110")
    await world.trade("sell", "2", reduceOnly=True)
    await world.set_price("120")
    await world.trade("sell", "2", reduceOnly=True)
    reading = await read(world)
    assert reading.status is ReadingStatus.COMPLETE
    closing = [fill for fill in reading.fills if fill.order_side is OrderSide.SELL]
    run = run_fills(Side.LONG, Decimal(4), closing)
    exit_ = summarize_exit(run.reducing)
    assert run.ended
    assert exit_ is not None
    prices = [Decimal(fill["price"]) for fill in (await world.truth())["fills"][1:]]
    assert exit_.price == (prices[0] + prices[1]) / 2
    assert exit_.fee == sum(Decimal(fill["fee"]) for fill in (await world.truth())["fills"][1:])
    assert exit_reason(run.reducing) is ExitReason.CLOSED_EXTERNALLY
    assert external_cause(run.reducing) == "hand"


async def test_our_own_order_is_known_by_its_client_id(world: World) -> None:
    await world.trade("buy", "1")
    order = world.order("1", client_order_id=new_id(OrderCause.STOP_LOSS))
    assert isinstance(await world.orders.close_position(world.venue, world.credentials, order), Filled)
    reading = await read_all(world, 2)
    closing = [fill for fill in reading.fills if fill.order_side is OrderSide.SELL]
    assert {fill.client_order_id for fill in closing} == {order.client_order_id}
    assert exit_reason(closing) is ExitReason.STOP_LOSS


async def test_profit_of_a_fill_is_before_its_fee(world: World) -> None:
    await world.trade("buy", "1")
    await world.set_price("110")
    await world.trade("sell", "1", reduceOnly=True)
    fills = (await read(world)).fills
    [opening] = [fill for fill in fills if fill.order_side is OrderSide.BUY]
    [closing] = [fill for fill in fills if fill.order_side is OrderSide.SELL]
    assert closing.realized_pnl == closing.price - opening.price


async def test_hedge_legs_keep_their_fills_apart(hedged: World) -> None:
    await hedged.trade("buy", "2", positionSide="LONG")
    await hedged.trade("sell", "1", positionSide="SHORT")
    await hedged.trade("sell", "2", positionSide="LONG", reduceOnly=True)
    await hedged.trade("buy", "1", positionSide="SHORT", reduceOnly=True)
    fills = (await read(hedged)).fills
    assert {(fill.position_side, fill.order_side, fill.quantity) for fill in fills} == {
        (PositionSide.LONG, OrderSide.BUY, Decimal(2)),
        (PositionSide.SHORT, OrderSide.SELL, Decimal(1)),
        (PositionSide.LONG, OrderSide.SELL, Decimal(2)),
        (PositionSide.SHORT, OrderSide.BUY, Decimal(1)),
    }


async def test_liquidation_is_seen(world: World) -> None:
    position = {"symbol": world.symbol, "side": "long", "quantity": "90", "leverage": 50}
    account = await world.sandbox.post("accounts", exchange=world.venue.value, balance="500", positions=[position])
    credentials = Credentials(account["apiKey"], account["secret"])
    await world.set_price("90")
    since = world.before
    async with asyncio.timeout(10):
        while True:
            reading = await world.reader.read_fills(world.venue, credentials, world.symbol, since)
            if len(reading.fills) > 1:
                break
            await asyncio.sleep(0.02)
    closing = [fill for fill in reading.fills if fill.order_side is OrderSide.SELL]
    assert {fill.order_kind for fill in closing} == {OrderKind.LIQUIDATION}
    assert exit_reason(closing) is ExitReason.LIQUIDATION


async def test_auto_deleveraging_is_seen(world: World) -> None:
    await world.trade("buy", "2")
    await world.sandbox.post("adl", exchange=world.venue.value, apiKey=world.credentials.api_key, symbol=world.symbol)
    reading = await read_all(world, 2)
    closing = [fill for fill in reading.fills if fill.order_side is OrderSide.SELL]
    assert {fill.order_kind for fill in closing} == {OrderKind.ADL}
    assert exit_reason(closing) is ExitReason.ADL


@pytest.mark.parametrize(
    ("kind", "trigger", "price", "cause", "order_kind"),
    [
        ("STOP_MARKET", "90", "89", "stop", OrderKind.STOP),
        ("TAKE_PROFIT_MARKET", "110", "111", "take_profit", OrderKind.TAKE_PROFIT),
    ],
)
async def test_the_users_own_stop_and_target_on_binance(
    binance: World, kind: str, trigger: str, price: str, cause: str, order_kind: OrderKind
) -> None:
    await binance.trade("buy", "2")
    await binance.call(
        ALGO_ORDER,
        algoType="CONDITIONAL", symbol=binance.symbol, side="SELL", type=kind,
        quantity="2", triggerPrice=trigger, reduceOnly="true",
    )  # fmt: skip
    await binance.set_price(price)
    reading = await read_all(binance, 2)
    closing = [fill for fill in reading.fills if fill.order_side is OrderSide.SELL]
    assert {fill.order_kind for fill in closing} == {order_kind}
    assert external_cause(closing) == cause


@pytest.mark.parametrize(
    ("field", "trigger", "price", "cause"),
    [("stopLoss", "90", "89", "stop"), ("takeProfit", "110", "111", "take_profit")],
)
async def test_the_users_own_stop_and_target_on_bybit(
    bybit: World, field: str, trigger: str, price: str, cause: str
) -> None:
    await bybit.trade("buy", "2")
    await bybit.call(
        TRADING_STOP, category="linear", symbol=bybit.symbol, tpslMode="Full", positionIdx=0, **{field: trigger}
    )
    await bybit.set_price(price)
    reading = await read_all(bybit, 2)
    closing = [fill for fill in reading.fills if fill.order_side is OrderSide.SELL]
    assert external_cause(closing) == cause


async def test_windows_of_seven_days_reach_back(world: World) -> None:
    await world.trade("buy", "1")
    reading = await read(world, days=30)
    assert reading.status is ReadingStatus.COMPLETE
    assert len(reading.fills) == 1
    asked = (await world.sandbox.get("requests"))[world.venue.value]["byKey"][world.credentials.api_key]
    [number] = [count for path, count in asked.items() if FILLS_PATH[world.venue] in path]
    assert number == 5


async def test_bybits_pages_are_read_to_the_end(bybit: World) -> None:
    for _ in range(105):
        await bybit.trade("buy", "1")
    reading = await read(bybit)
    assert reading.status is ReadingStatus.COMPLETE
    assert len(reading.fills) == 105


async def test_binances_pages_are_read_to_the_end_and_their_orders_in_lists(binance: World) -> None:
    for _ in range(1003):
        await binance.trade("buy", "1")
    reading = await read(binance)
    assert reading.status is ReadingStatus.COMPLETE
    assert len(reading.fills) == 1003
    assert all(fill.order_kind is OrderKind.MARKET for fill in reading.fills)
    asked = (await binance.sandbox.get("requests"))["binance"]["byKey"][binance.credentials.api_key]
    assert sum(count for path, count in asked.items() if path.endswith("/fapi/v1/order")) < 10


async def test_an_order_behind_a_fill_is_asked_for_once(binance: World) -> None:
    await binance.trade("buy", "1")
    await read(binance)
    await read(binance)
    asked = (await binance.sandbox.get("requests"))["binance"]["byKey"][binance.credentials.api_key]
    assert sum(count for path, count in asked.items() if path == "GET /fapi/v1/order") == 1


@pytest.mark.parametrize("kind", ["html", "truncated", "drop"])
async def test_an_unreadable_answer_is_a_failed_reading_and_not_an_empty_one(world: World, kind: str) -> None:
    await world.trade("buy", "1")
    await world.fault(kind, endpoint=FILLS_PATH[world.venue])
    assert (await read(world)).status is ReadingStatus.FAILED


async def test_fills_whose_orders_cannot_be_asked_for_are_not_told_yet(binance: World) -> None:
    await binance.trade("buy", "1")
    await binance.fault("status", status=500, endpoint="GET /fapi/v1/order")
    assert (await read(binance)).status is ReadingStatus.FAILED
