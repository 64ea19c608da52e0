"""Orders: opening and closing, in steps that the market takes, and what the venue refuses."""

from decimal import Decimal

import pytest

from services.common.exchange.credentials import Credentials
from services.common.exchange.orders.outcome import (
    Filled,
    PartiallyFilled,
    Rejected,
    RejectionReason,
)
from services.common.trading.client_order_id import OrderCause
from services.common.trading.side import PositionSide, Side, Venue
from tests.contract.exchange.world import NEW_ORDER_PATH, World, new_id


async def open_and_close(world: World, side: Side, slot: PositionSide) -> None:
    opened = await world.orders.open_position(world.venue, world.credentials, world.order("2", side, slot))
    assert isinstance(opened, Filled), opened
    assert opened.order.fills_complete
    order = world.order("2", side, slot, client_order_id=new_id(OrderCause.STOP_LOSS))
    closed = await world.orders.close_position(world.venue, world.credentials, order)
    assert isinstance(closed, Filled), closed
    [fill] = closed.order.fills
    assert fill.client_order_id == order.client_order_id == closed.order.client_order_id
    assert fill.order_side is side.closing
    assert fill.position_side is slot
    assert fill.price == closed.order.average_price
    assert fill.fee_quote == fill.fee
    assert fill.fee > 0
    assert (await world.truth())["positions"] == []


@pytest.mark.parametrize("side", list(Side))
async def test_open_and_close_in_one_way_mode(world: World, side: Side) -> None:
    assert not await world.orders.read_position_mode(world.venue, world.credentials, world.symbol)
    await open_and_close(world, side, PositionSide.BOTH)


@pytest.mark.parametrize("side", list(Side))
async def test_open_and_close_a_hedge_leg(hedged: World, side: Side) -> None:
    assert await hedged.orders.read_position_mode(hedged.venue, hedged.credentials, hedged.symbol)
    await open_and_close(hedged, side, PositionSide(side.value))


async def test_a_close_of_more_than_there_is_never_turns_the_position(world: World) -> None:
    await world.trade("buy", "1")
    outcome = await world.orders.close_position(world.venue, world.credentials, world.order("5"))
    assert isinstance(outcome, PartiallyFilled | Rejected)
    positions = (await world.truth())["positions"]
    assert all(position["side"] == "long" for position in positions)


async def test_quantities_are_rounded_down_to_the_step(world: World) -> None:
    info = await world.reader.read_symbol(world.venue, world.symbol)
    asked = str(info.quantity_step * Decimal("12.7"))
    outcome = await world.orders.open_position(world.venue, world.credentials, world.order(asked))
    assert isinstance(outcome, Filled), outcome
    assert outcome.order.filled_quantity == info.quantity_step * 12


async def test_an_order_below_the_smallest_quantity_is_rejected_unsent(world: World) -> None:
    outcome = await world.orders.open_position(world.venue, world.credentials, world.order("0.000001"))
    assert isinstance(outcome, Rejected)
    assert outcome.reason is RejectionReason.FILTERS
    assert (await world.truth())["orders"] == []


async def test_a_part_that_the_book_cannot_fill_is_left_over(world: World) -> None:
    await world.trade("buy", "4")
    await world.fault("partial_fill", fraction="0.5", times=1, endpoint=NEW_ORDER_PATH[world.venue])
    outcome = await world.orders.close_position(world.venue, world.credentials, world.order("4"))
    assert isinstance(outcome, PartiallyFilled), outcome
    assert outcome.left == Decimal(2)
    assert outcome.order.filled_quantity == Decimal(2)


async def test_there_is_nothing_to_reduce(world: World) -> None:
    outcome = await world.orders.close_position(world.venue, world.credentials, world.order("1"))
    assert isinstance(outcome, Rejected)
    assert outcome.reason is RejectionReason.NOTHING_TO_REDUCE


async def test_margin_is_insufficient(world: World) -> None:
    outcome = await world.orders.open_position(world.venue, world.credentials, world.order("900000"))
    assert isinstance(outcome, Rejected), outcome
    assert outcome.reason in (RejectionReason.INSUFFICIENT_MARGIN, RejectionReason.RISK_LIMIT)


async def test_the_notional_is_too_small(world: World) -> None:
    outcome = await world.orders.open_position(world.venue, world.credentials, world.order("0.01"))
    assert isinstance(outcome, Rejected), outcome
    assert outcome.reason is RejectionReason.FILTERS


async def test_the_slot_does_not_fit_the_position_mode(world: World) -> None:
    order = world.order("1", Side.LONG, PositionSide.LONG)
    outcome = await world.orders.open_position(world.venue, world.credentials, order)
    assert isinstance(outcome, Rejected)
    assert outcome.reason is RejectionReason.POSITION_MODE


async def test_an_unknown_symbol(world: World) -> None:
    outcome = await world.orders.open_position(world.venue, world.credentials, world.order("1", symbol="NOPEUSDT"))
    assert isinstance(outcome, Rejected)
    assert outcome.reason is RejectionReason.UNKNOWN_SYMBOL


async def test_a_close_does_not_wait_for_a_list_of_symbols(world: World) -> None:
    opened = await world.sandbox.post("accounts", exchange=world.venue.value)
    credentials = Credentials(opened["apiKey"], opened["secret"])
    account = {"exchange": world.venue.value, "apiKey": credentials.api_key}
    await world.sandbox.post("trade", symbol=world.symbol, side="buy", quantity="2", **account)
    for endpoint in ("*exchangeInfo", "*instruments-info"):
        await world.sandbox.post("faults", kind="status", status=500, exchange=world.venue.value, endpoint=endpoint)
    refused = await world.orders.open_position(world.venue, credentials, world.order("1"))
    assert isinstance(refused, Rejected)
    closed = await world.orders.close_position(world.venue, credentials, world.order("2"))
    assert isinstance(closed, Filled)


async def test_a_symbol_that_was_listed_a_moment_ago_is_found(world: World) -> None:
    await world.reader.read_symbol(world.venue, world.symbol)
    fresh = await world.sandbox.mint_symbol()
    assert (await world.reader.read_symbol(world.venue, fresh)).symbol == fresh


async def test_the_bybit_acknowledgement_is_followed_to_its_fill(bybit: World) -> None:
    outcome = await bybit.orders.open_position(Venue.BYBIT, bybit.credentials, bybit.order("1"))
    assert isinstance(outcome, Filled), outcome
    assert outcome.order.average_price == outcome.order.fills[0].price
