"""Orders: what surely happened, what surely did not, and what nobody knows."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from services.common.exchange.orders.market_orders import VenueOrders
from services.common.exchange.orders.outcome import (
    Found,
    NotFound,
    Rejected,
    RejectionReason,
    Unresolved,
)
from services.common.exchange.venues import ExchangeSettings, open_venues
from services.common.trading.side import Venue
from tests.contract.exchange.world import NEW_ORDER_PATH, World, eventually, find_ended

UNKNOWN_OUTCOMES: dict[str, dict[str, Any]] = {
    "no answer in time": {"kind": "timeout", "when": "after", "seconds": 3},
    "a dropped connection": {"kind": "drop", "when": "after"},
    "html with status 200": {"kind": "html"},
    "truncated json": {"kind": "truncated"},
    "an empty answer": {"kind": "empty"},
    "an answer without an order id": {"kind": "status", "status": 200, "code": 0, "when": "after"},
}


@pytest.mark.parametrize("name", UNKNOWN_OUTCOMES)
async def test_an_order_of_unknown_outcome_is_unresolved_and_found_by_its_client_id(world: World, name: str) -> None:
    fault = UNKNOWN_OUTCOMES[name]
    await world.fault(endpoint=NEW_ORDER_PATH[world.venue], times=1, **fault)
    before = world.before
    order = world.order("1")
    outcome = await world.orders.open_position(world.venue, world.credentials, order)
    assert isinstance(outcome, Unresolved), outcome
    found = await find_ended(world, order.client_order_id, before)
    assert isinstance(found, Found)
    assert found.order.filled_quantity == Decimal(1)
    assert found.order.fills_complete


@pytest.mark.parametrize(
    ("venue", "status", "code"),
    [
        (Venue.BINANCE, 408, -1007),
        (Venue.BINANCE, 503, -1000),
        (Venue.BINANCE, 400, -1006),
        (Venue.BINANCE, 400, -1001),
        (Venue.BINANCE, 502, None),
        (Venue.BYBIT, 200, 10000),
        (Venue.BYBIT, 200, 10016),
        (Venue.BYBIT, 502, None),
    ],
)
async def test_codes_that_leave_the_outcome_open(world: World, status: int, code: int | None) -> None:
    more = {} if code is None else {"code": code}
    await world.fault("status", status=status, endpoint=NEW_ORDER_PATH[world.venue], times=1, **more)
    outcome = await world.orders.open_position(world.venue, world.credentials, world.order("1"))
    assert isinstance(outcome, Unresolved), outcome


@pytest.mark.parametrize(
    ("venue", "status", "code", "reason"),
    [
        (Venue.BINANCE, 429, -1003, RejectionReason.RATE_LIMITED),
        (Venue.BINANCE, 418, -1003, RejectionReason.RATE_LIMITED),
        (Venue.BINANCE, 400, -1015, RejectionReason.RATE_LIMITED),
        (Venue.BINANCE, 503, -1008, RejectionReason.OVERLOADED),
        (Venue.BINANCE, 400, -1021, RejectionReason.CLOCK),
        (Venue.BINANCE, 400, -5028, RejectionReason.CLOCK),
        (Venue.BINANCE, 401, -2015, RejectionReason.BAD_KEY),
        (Venue.BYBIT, 200, 10002, RejectionReason.CLOCK),
        (Venue.BYBIT, 200, 10006, RejectionReason.RATE_LIMITED),
        (Venue.BYBIT, 200, 10029, RejectionReason.UNKNOWN_SYMBOL),
        (Venue.BYBIT, 200, 10005, RejectionReason.NOT_PERMITTED),
        (Venue.BYBIT, 403, None, RejectionReason.RATE_LIMITED),
    ],
)
async def test_surely_rejected_although_ccxt_may_call_it_a_network_error(
    world: World, status: int, code: int | None, reason: RejectionReason
) -> None:
    more = {} if code is None else {"code": code}
    await world.fault("status", status=status, endpoint=NEW_ORDER_PATH[world.venue], times=1, **more)
    outcome = await world.orders.open_position(world.venue, world.credentials, world.order("1"))
    assert isinstance(outcome, Rejected), outcome
    assert outcome.reason is reason


@pytest.mark.parametrize("venue", [Venue.BINANCE, Venue.BYBIT], ids=str)
async def test_a_refused_connection_is_surely_rejected(world: World) -> None:
    port_of_nobody = "http://127.0.0.1:9"
    async with open_venues(ExchangeSettings(mode="sandbox", sandbox_url=port_of_nobody)) as venues:
        outcome = await VenueOrders(venues).open_position(world.venue, world.credentials, world.order("1"))
    assert isinstance(outcome, Rejected)
    assert outcome.reason is RejectionReason.UNREACHABLE


async def test_a_stalled_sender_is_refused_by_the_venue(world: World) -> None:
    await world.trade("buy", "1")
    claimed_at = world.venues.now() - timedelta(seconds=4)
    outcome = await world.orders.close_position(world.venue, world.credentials, world.order("1"), signed_at=claimed_at)
    assert isinstance(outcome, Rejected)
    assert outcome.reason is RejectionReason.CLOCK
    assert len((await world.truth())["positions"]) == 1


async def test_a_cancelled_caller_leaves_the_order_to_be_found(world: World) -> None:
    await world.fault("delay", when="after", seconds=5, times=1, endpoint=NEW_ORDER_PATH[world.venue])
    before = world.before
    order = world.order("1")
    sending = asyncio.create_task(world.orders.open_position(world.venue, world.credentials, order))

    async def taken() -> bool:
        return bool((await world.truth())["orders"])

    await eventually(taken)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert isinstance(await find_ended(world, order.client_order_id, before), Found)


async def test_an_order_that_takes_effect_late_is_not_there_at_first(world: World) -> None:
    await world.fault("late", seconds=1.5, times=1, endpoint=NEW_ORDER_PATH[world.venue])
    before = world.before
    order = world.order("1")
    outcome = await world.orders.open_position(world.venue, world.credentials, order)
    assert isinstance(outcome, Unresolved), outcome
    find = partial(world.orders.find_order, world.venue, world.credentials, world.symbol, order.client_order_id, before)
    assert isinstance(await find(), NotFound)

    async def there() -> bool:
        return isinstance(await find(), Found)

    await eventually(there)


async def test_an_acknowledged_order_that_nobody_can_ask_after_is_unresolved_with_its_id(bybit: World) -> None:
    await bybit.fault("status", status=500, endpoint="GET /v5/order/*")
    outcome = await bybit.orders.open_position(Venue.BYBIT, bybit.credentials, bybit.order("1"))
    assert isinstance(outcome, Unresolved)
    assert outcome.order_id
