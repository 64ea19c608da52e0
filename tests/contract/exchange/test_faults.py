"""What the door makes of each fault that a venue can have: never a fact that is none.

Faults of orders are in test_order_outcomes, of prices in test_prices, of lists of positions also in test_readings.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.common.exchange.credentials import Credentials
from services.common.exchange.errors import VenueError
from services.common.exchange.hints import Hint, HintKind
from services.common.exchange.orders.market_orders import VenueOrders
from services.common.exchange.orders.outcome import (
    Filled,
    Found,
    LeverageSet,
    NotFound,
    Rejected,
    RejectionReason,
    Unresolved,
)
from services.common.exchange.reader import VenueReader
from services.common.exchange.sockets import SocketTimes
from services.common.exchange.venues import open_venues
from services.common.trading.reading import ReadingStatus
from services.common.trading.side import Venue
from tests.contract.exchange.world import (
    FILLS_PATH,
    NEW_ORDER_PATH,
    POSITIONS_PATH,
    World,
    eventually,
    find_ended,
    resyncs,
    watching,
)

SILENT: dict[str, dict[str, Any]] = {
    "no answer in time": {"kind": "timeout", "seconds": 3},
    "no answer in time, done all the same": {"kind": "timeout", "seconds": 3, "when": "after"},
    "a dropped connection": {"kind": "drop"},
}
TALKING: dict[str, dict[str, Any]] = {
    "html with status 200": {"kind": "html"},
    "truncated json": {"kind": "truncated"},
    "an empty answer": {"kind": "empty"},
    "500": {"kind": "status", "status": 500},
    "503 after it was done": {"kind": "status", "status": 503, "when": "after"},
}


@pytest.fixture
async def hasty(world: World) -> Any:
    """The same world through a door that waits for answers only a little."""
    settings = replace(world.sandbox.settings, read_timeout_seconds=0.3, order_timeout_seconds=0.3)
    async with open_venues(settings) as venues:
        await venues.symbols(world.venue)
        yield replace(world, venues=venues, reader=VenueReader(venues), orders=VenueOrders(venues))


@pytest.mark.parametrize("name", [*SILENT, *TALKING])
async def test_no_question_takes_a_broken_answer_for_a_fact(hasty: World, name: str) -> None:
    await hasty.trade("buy", "1")
    await hasty.fault(**{**SILENT, **TALKING}[name])
    answers = await hasty.call_all()
    assert answers["account"].status is ReadingStatus.FAILED
    assert answers["fills"].status is ReadingStatus.FAILED
    assert answers["cash flows"].status is ReadingStatus.FAILED
    assert answers["key"].valid is None
    assert isinstance(answers["order"], Unresolved)
    assert not answers["sweep"].complete
    assert isinstance(answers["mode"], VenueError)
    assert isinstance(answers["leverage"], Unresolved)


@pytest.mark.parametrize("name", TALKING)
async def test_no_public_question_takes_a_broken_answer_for_a_price(world: World, name: str) -> None:
    # Public questions carry no key, so their fault is the venue's.
    await world.sandbox.post("faults", exchange=world.venue.value, **TALKING[name])
    answers = await world.call_all()
    assert isinstance(answers["price"], VenueError)
    assert isinstance(answers["candles"], VenueError)


async def test_an_answer_that_is_late_is_an_answer(world: World) -> None:
    await world.trade("buy", "1")
    await world.fault("delay", seconds=0.05)
    await world.fault("delay", seconds=0.05, when="after")
    answers = await world.call_all()
    assert answers["account"].status is ReadingStatus.COMPLETE
    assert answers["leverage"] == LeverageSet(7)
    assert isinstance(await world.orders.close_position(world.venue, world.credentials, world.order("1")), Filled)


async def test_an_order_that_was_held_up_on_its_way_is_refused_by_its_receive_window(world: World) -> None:
    await world.fault("delay", seconds=0.4, endpoint=NEW_ORDER_PATH[world.venue])
    claimed_at = world.venues.now() - timedelta(seconds=1.8)
    outcome = await world.orders.open_position(world.venue, world.credentials, world.order("1"), claimed_at)
    assert isinstance(outcome, Rejected)
    assert outcome.reason is RejectionReason.CLOCK
    assert (await world.truth())["orders"] == []


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_order_without_an_answer_is_unresolved_until_it_is_looked_up(hasty: World, when: str) -> None:
    await hasty.fault("timeout", when=when, seconds=2, times=1, endpoint=NEW_ORDER_PATH[hasty.venue])
    before, order = hasty.before, hasty.order("1")
    outcome = await hasty.orders.open_position(hasty.venue, hasty.credentials, order)
    assert isinstance(outcome, Unresolved)
    found = await find_ended(hasty, order.client_order_id, before)
    assert isinstance(found, NotFound if when == "before" else Found)


async def test_a_stale_list_of_positions_is_suspicious(world: World) -> None:
    await world.trade("buy", "1")
    await world.fault("stale_positions", endpoint=POSITIONS_PATH[world.venue])
    assert (await world.reader.read_account(world.venue, world.credentials)).status is ReadingStatus.COMPLETE
    await world.trade("sell", "1", reduceOnly=True)
    reading = await world.reader.read_account(world.venue, world.credentials)
    assert reading.status is ReadingStatus.SUSPICIOUS
    assert [position.symbol for position in reading.positions] == [world.symbol]


@pytest.mark.parametrize("milliseconds", [-30_000, 30_000])
async def test_a_skewed_clock_costs_a_reading_nothing_and_an_order_one_refusal(world: World, milliseconds: int) -> None:
    await world.trade("buy", "1")
    await world.sandbox.post("faults", kind="clock_skew", exchange=world.venue.value, milliseconds=milliseconds)
    first = await world.orders.close_position(world.venue, world.credentials, world.order("1"))
    assert isinstance(first, Rejected)
    assert first.reason is RejectionReason.CLOCK
    assert (await world.reader.read_account(world.venue, world.credentials)).complete
    second = await world.orders.close_position(world.venue, world.credentials, world.order("1"))
    assert isinstance(second, Filled)


async def test_a_fault_of_one_key_one_endpoint_and_one_venue_is_nobody_elses(world: World) -> None:
    other = await world.sandbox.post("accounts", exchange=world.venue.value)
    neighbour = Credentials(other["apiKey"], other["secret"])
    await world.trade("buy", "1")
    await world.fault("status", status=500, endpoint=FILLS_PATH[world.venue])
    elsewhere = Venue.BYBIT if world.venue is Venue.BINANCE else Venue.BINANCE
    await world.sandbox.post("faults", kind="status", status=500, exchange=elsewhere.value)
    assert (await world.call_all())["fills"].status is ReadingStatus.FAILED
    assert (await world.call_all())["account"].status is ReadingStatus.COMPLETE
    theirs = await world.reader.read_fills(world.venue, neighbour, world.symbol, world.before)
    assert theirs.status is ReadingStatus.COMPLETE


async def test_private_messages_that_come_twice_or_never_are_hints_too_many_or_too_few(world: World) -> None:
    hints: list[Hint] = []
    async with watching(world, hints) as stream:
        await world.fault("stream_duplicate", times=4)
        await world.trade("buy", "1")
        await eventually(lambda: any(hint.kind is HintKind.FILL for hint in hints))
        await world.sandbox.clear_faults()
        await world.fault("stream_drop", times=9)
        await world.trade("buy", "1")
        await world.sandbox.clear_faults()
        count = len(hints)
        await world.trade("sell", "2")
        await eventually(lambda: any(hint.kind is HintKind.FILL for hint in hints[count:]))
        assert stream.listening


async def test_a_silent_private_stream_is_opened_again(world: World) -> None:
    # Bybit answers pings by message; on Binance only the frames of the connection tell that it is dead.
    hints: list[Hint] = []
    times = SocketTimes(silence_seconds=0.5, heartbeat_seconds=0.4, ping_seconds=0.1)
    async with watching(world, hints, times=times) as stream:
        await world.sandbox.post("faults", kind="stream_silence", exchange=world.venue.value)
        await eventually(lambda: not stream.listening)
        await world.sandbox.clear_faults()
        await eventually(lambda: resyncs(hints) >= 2)
