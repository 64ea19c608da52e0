"""Orders by their client order id, which is unique among open orders only."""

from datetime import timedelta

from services.common.exchange.orders.outcome import (
    Filled,
    NotFound,
    Unresolved,
)
from services.common.trading.side import Venue
from tests.contract.exchange.world import NEW_ORDER_PATH, World, new_id


async def test_a_duplicate_client_id_is_known_by_its_code_and_followed_to_its_order(world: World) -> None:
    await world.trade("buy", "2")
    code = {Venue.BINANCE: -4116, Venue.BYBIT: 110072}[world.venue]
    order = world.order("1")
    first = await world.orders.close_position(world.venue, world.credentials, order)
    assert isinstance(first, Filled)
    status = 400 if world.venue is Venue.BINANCE else 200
    await world.fault("status", status=status, code=code, times=1, endpoint=NEW_ORDER_PATH[world.venue])
    again = await world.orders.close_position(world.venue, world.credentials, order)
    assert isinstance(again, Filled)
    assert again.order.order_id == first.order.order_id


async def test_a_filled_orders_client_id_may_be_used_again_so_a_look_up_says_since_when(world: World) -> None:
    await world.trade("buy", "2")
    order = world.order("1")
    assert isinstance(await world.orders.close_position(world.venue, world.credentials, order), Filled)
    later = world.venues.now() + timedelta(seconds=60)
    found = await world.orders.find_order(world.venue, world.credentials, world.symbol, order.client_order_id, later)
    assert isinstance(found, NotFound)


async def test_an_order_that_never_was_is_not_found(world: World) -> None:
    found = await world.orders.find_order(world.venue, world.credentials, world.symbol, new_id(), world.before)
    assert isinstance(found, NotFound)


async def test_a_look_up_that_fails_is_unresolved_and_never_not_found(world: World) -> None:
    await world.fault("status", status=500)
    found = await world.orders.find_order(world.venue, world.credentials, world.symbol, new_id(), world.before)
    assert isinstance(found, Unresolved)
