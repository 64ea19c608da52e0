"""What rests and could only reduce a position is cancelled where it is in the way, and nothing else."""

from services.common.exchange.client import Endpoint
from services.common.exchange.orders.outcome import (
    Filled,
    Rejected,
    RejectionReason,
)
from services.common.trading.side import PositionSide, Side, Venue
from tests.contract.exchange.world import World

BINANCE_ORDER = Endpoint("fapiPrivate", "POST", "order")
BINANCE_ALGO_ORDER = Endpoint("fapiPrivate", "POST", "algoOrder")
BYBIT_ORDER = Endpoint("private", "POST", "v5/order/create")


async def test_resting_reduce_only_orders_are_swept_and_the_close_goes_through(world: World) -> None:
    await world.trade("buy", "2")
    await _rest_reduce_only(world, "2", "150")
    blocked = await world.orders.close_position(world.venue, world.credentials, world.order("2"))
    if isinstance(blocked, Rejected):
        assert blocked.reason is RejectionReason.REDUCE_ONLY_CONFLICT
    swept = await world.orders.cancel_reduce_only(
        world.venue, world.credentials, world.symbol, Side.LONG, PositionSide.BOTH
    )
    assert swept.complete
    assert len(swept.order_ids) == 1
    if isinstance(blocked, Rejected):
        assert isinstance(await world.orders.close_position(world.venue, world.credentials, world.order("2")), Filled)
    assert (await world.truth())["positions"] == []


async def test_a_sweep_leaves_what_is_not_reduce_only_or_on_the_other_side(world: World) -> None:
    await world.trade("buy", "2")
    if world.venue is Venue.BINANCE:
        plain = {"symbol": world.symbol, "type": "LIMIT", "timeInForce": "GTC", "quantity": "1"}
        await world.call(BINANCE_ORDER, side="SELL", price="160", **plain)
        await world.call(BINANCE_ORDER, side="BUY", price="50", **plain)
    else:
        plain = {"category": "linear", "symbol": world.symbol, "orderType": "Limit", "qty": "1"}
        await world.call(BYBIT_ORDER, side="Sell", price="160", **plain)
        await world.call(BYBIT_ORDER, side="Buy", price="50", **plain)
    swept = await world.orders.cancel_reduce_only(
        world.venue, world.credentials, world.symbol, Side.LONG, PositionSide.BOTH
    )
    assert swept.order_ids == ()
    assert len((await world.truth())["openOrders"]) == 2


async def test_binances_conditional_orders_are_algo_orders_and_swept_too(binance: World) -> None:
    await binance.trade("buy", "2")
    await _rest_stop(binance, "90")
    swept = await binance.orders.cancel_reduce_only(
        Venue.BINANCE, binance.credentials, binance.symbol, Side.LONG, PositionSide.BOTH
    )
    assert swept.complete
    assert len(swept.order_ids) == 1


async def _rest_reduce_only(world: World, quantity: str, price: str) -> None:
    if world.venue is Venue.BINANCE:
        await world.call(
            BINANCE_ORDER,
            symbol=world.symbol, side="SELL", type="LIMIT", timeInForce="GTC",
            quantity=quantity, price=price, reduceOnly="true",
        )  # fmt: skip
        return
    await world.call(
        BYBIT_ORDER,
        category="linear", symbol=world.symbol, side="Sell", orderType="Limit",
        qty=quantity, price=price, reduceOnly=True,
    )  # fmt: skip


async def _rest_stop(world: World, trigger: str) -> None:
    await world.call(
        BINANCE_ALGO_ORDER,
        algoType="CONDITIONAL", symbol=world.symbol, side="SELL", type="STOP_MARKET",
        quantity="2", triggerPrice=trigger, reduceOnly="true",
    )  # fmt: skip
