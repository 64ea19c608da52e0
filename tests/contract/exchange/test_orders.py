"""Orders: what surely happened, what surely did not, and what nobody knows."""

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from services.common.exchange.client import Endpoint
from services.common.exchange.credentials import Credentials
from services.common.exchange.orders.market_orders import VenueOrders
from services.common.exchange.orders.outcome import (
    Filled,
    Found,
    NotFound,
    OrderLookup,
    OrderStatus,
    PartiallyFilled,
    Rejected,
    RejectionReason,
    Unresolved,
)
from services.common.exchange.venues import ExchangeSettings, open_venues
from services.common.trading.client_order_id import OrderCause
from services.common.trading.side import PositionSide, Side, Venue
from tests.contract.exchange.world import NEW_ORDER_PATH, World, eventually, new_id

BINANCE_ORDER = Endpoint("fapiPrivate", "POST", "order")
BINANCE_ALGO_ORDER = Endpoint("fapiPrivate", "POST", "algoOrder")
BYBIT_ORDER = Endpoint("private", "POST", "v5/order/create")


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


async def test_a_stalled_sender_is_refused_by_the_venue(world: World) -> None:
    await world.trade("buy", "1")
    claimed_at = world.venues.now() - timedelta(seconds=4)
    outcome = await world.orders.close_position(world.venue, world.credentials, world.order("1"), signed_at=claimed_at)
    assert isinstance(outcome, Rejected)
    assert outcome.reason is RejectionReason.CLOCK
    assert len((await world.truth())["positions"]) == 1


UNKNOWN_OUTCOMES: dict[str, dict[str, Any]] = {
    "no answer in time": {"kind": "timeout", "when": "after", "seconds": 3},
    "a dropped connection": {"kind": "drop", "when": "after"},
    "html with status 200": {"kind": "html"},
    "truncated json": {"kind": "truncated"},
    "an empty answer": {"kind": "empty"},
}


@pytest.mark.parametrize("name", UNKNOWN_OUTCOMES)
async def test_an_order_of_unknown_outcome_is_unresolved_and_found_by_its_client_id(world: World, name: str) -> None:
    fault = UNKNOWN_OUTCOMES[name]
    await world.fault(endpoint=NEW_ORDER_PATH[world.venue], times=1, **fault)
    before = world.before
    order = world.order("1")
    outcome = await world.orders.open_position(world.venue, world.credentials, order)
    assert isinstance(outcome, Unresolved), outcome
    found = await _find_ended(world, order.client_order_id, before)
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


async def test_a_cancelled_caller_leaves_the_order_to_be_found(world: World) -> None:
    await world.fault("delay", when="after", seconds=0.4, times=1, endpoint=NEW_ORDER_PATH[world.venue])
    before = world.before
    order = world.order("1")
    sending = asyncio.create_task(world.orders.open_position(world.venue, world.credentials, order))

    async def taken() -> bool:
        return bool((await world.truth())["orders"])

    await eventually(taken)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert isinstance(await _find_ended(world, order.client_order_id, before), Found)


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


async def test_the_bybit_acknowledgement_is_followed_to_its_fill(bybit: World) -> None:
    outcome = await bybit.orders.open_position(Venue.BYBIT, bybit.credentials, bybit.order("1"))
    assert isinstance(outcome, Filled), outcome
    assert outcome.order.average_price == outcome.order.fills[0].price


async def test_an_order_that_takes_effect_late_is_not_there_at_first(world: World) -> None:
    await world.fault("late", seconds=0.5, times=1, endpoint=NEW_ORDER_PATH[world.venue])
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


async def test_secrets_and_signatures_never_reach_an_error_text(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await world.fault("drop", when="after")
    reading = await world.reader.read_account(world.venue, world.credentials)
    outcome = await world.orders.open_position(world.venue, world.credentials, world.order("1"))
    texts = [reading.reason, str(outcome), repr(world.credentials), caplog.text]
    for text in texts:
        assert world.credentials.secret not in text
        assert world.credentials.api_key not in text
        assert "signature=" not in text.replace("signature=…", "")


async def test_two_users_never_share_an_instance(world: World) -> None:
    other = await world.sandbox.post("accounts", exchange=world.venue.value)
    credentials = Credentials(other["apiKey"], other["secret"])
    users = [world.credentials, credentials] * 3
    orders = [world.order("1", client_order_id=new_id()) for _ in users]
    outcomes = await asyncio.gather(
        *(world.orders.open_position(world.venue, user, order) for user, order in zip(users, orders, strict=True))
    )
    assert all(isinstance(outcome, Filled) for outcome in outcomes)
    truth = await world.truth()
    assert {row["client_id"] for row in truth["orders"]} == {order.client_order_id for order in orders[::2]}


async def _find_ended(world: World, client_order_id: str, since: datetime) -> OrderLookup:
    """Look an order up until it has ended: venues work an order a moment after they took it."""
    async with asyncio.timeout(10):
        while True:
            found = await world.orders.find_order(world.venue, world.credentials, world.symbol, client_order_id, since)
            if not (isinstance(found, Found) and found.order.status is OrderStatus.OPEN):
                return found
            await asyncio.sleep(0.01)


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
