"""A process killed at any point, and its successor at any point: at most one position, and what was opened is booked.

Exhaustive over the first kill and the second one after it, for each way in which a venue treats the order.
"""

import asyncio
import contextlib
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest

from services.common.errors import DatabaseUnavailable, FieldInvalid, LeaseLost, TradingNotEnabled
from services.common.exchange.orders.gateway import MarketOrder
from services.common.trading.level import NoLevel, Pinned
from services.monitor.domain.alert import AlertKind
from services.monitor.domain.opening import OpeningOutcome, OpeningState, Size, SizeKind
from services.monitor.domain.opening_errors import OpenRejected, OpenUnresolved, SlotTaken
from services.monitor.opening.manual import ManualOpens
from tests.fakes.crashes import ProcessKilled
from tests.fakes.orders import Answer
from tests.unit.monitor.opening_world import ACCOUNT, PARTITION, OpeningWorld, a_wish, prepared
from tests.waiting import until

OPENS = {
    "fills": (Answer.FILLS, Decimal(2)),
    "fills, answer lost": (Answer.FILLS_UNHEARD, Decimal(2)),
    "arrives late": (Answer.ARRIVES_LATE, Decimal(2)),
    "acknowledged first": (Answer.ACKNOWLEDGED, Decimal(2)),
    "fills listed late": (Answer.FILLS_LISTED_LATE, Decimal(2)),
    "half": (Answer.HALF_FILLS, Decimal(1)),
}
FAILS = {
    "never arrives": (Answer.LOST, OpeningOutcome.NEVER_ARRIVED),
    "refused": (Answer.FILTERED, OpeningOutcome.REJECTED),
    "expires": (Answer.EXPIRES, OpeningOutcome.REJECTED),
}
WAYS = {**{way: answer for way, (answer, _) in OPENS.items()}, **{way: answer for way, (answer, _) in FAILS.items()}}


def assert_at_most_one(world: OpeningWorld) -> None:
    """No second order was sent, and what the one opened is in the books, with what was said of it."""
    state, row = world.venue.state, world.only
    assert row.state.over
    assert state.sent <= 1
    if not state.executions:
        assert row.state is OpeningState.FAILED
        assert not world.books.booked
        return
    ((opening, position),) = world.books.booked.values()
    assert position.quantity == sum(fill.quantity for fill in state.executions)
    assert (opening.fills, opening.wish) == (tuple(state.executions), a_wish())
    assert (row.state, row.position_id) == (OpeningState.BOOKED, position.position_id)
    assert state.leverage == 10


@pytest.mark.parametrize("way", OPENS)
async def test_what_the_order_did_is_booked_at_that_size(way: str) -> None:
    answer, quantity = OPENS[way]
    world = OpeningWorld(answer)
    await world.life()
    assert_at_most_one(world)
    assert world.only.filled_quantity == quantity
    assert world.only.fills[0].client_order_id == world.only.client_order_id
    assert world.only.client_order_id.startswith("tdm-o-")


@pytest.mark.parametrize("way", FAILS)
async def test_what_opened_nothing_says_so(way: str) -> None:
    answer, outcome = FAILS[way]
    world = OpeningWorld(answer)
    await world.life()
    assert_at_most_one(world)
    assert world.only.outcome is outcome
    assert world.only.reason


@pytest.mark.parametrize("way", WAYS)
async def test_killed_at_any_two_points(way: str) -> None:
    first = 0
    while True:
        first += 1
        world = OpeningWorld(WAYS[way])
        if not await _killed(world, first):
            break
        second = 0
        while True:
            second += 1
            world = OpeningWorld(WAYS[way])
            assert await _killed(world, first)
            if not await _killed(world, second):
                assert_at_most_one(world)
                break
            await world.life()
            assert_at_most_one(world)
    assert first > 8


async def _killed(world: OpeningWorld, point: int) -> bool:
    world.crashes.kill_next_at(point)
    try:
        await world.life()
    except ProcessKilled:
        return True
    finally:
        world.crashes.kill_next_at(None)
    return False


@pytest.mark.parametrize("away_seconds", [0, 60])
@pytest.mark.parametrize("way", WAYS)
async def test_stalled_at_any_point_while_a_successor_goes_on(way: str, away_seconds: float) -> None:
    point = 0
    while True:
        point += 1
        world = OpeningWorld(WAYS[way])
        world.crashes.stall_next_at(point)
        async with asyncio.TaskGroup() as processes:
            stalled = processes.create_task(_outlived(world))
            await until(lambda world=world, stalled=stalled: world.crashes.stalled.is_set() or stalled.done())  # type: ignore[misc]
            if not world.crashes.stalled.is_set():
                break
            world.clock.advance(away_seconds)
            if world.openings.rows:
                await world.life()
            world.crashes.go_on()
        if world.openings.rows:
            await world.life()
            assert_at_most_one(world)
    assert point > 8


async def _outlived(world: OpeningWorld) -> None:
    with contextlib.suppress(LeaseLost):
        await world.life()


async def test_a_venue_that_says_nothing_leaves_it_unresolved_until_it_speaks() -> None:
    world = OpeningWorld(Answer.FILLS_UNHEARD)
    world.venue.state.silent = 12
    await world.life()
    assert [(alert.kind, alert.symbol) for alert in world.openings.alerts] == [(AlertKind.OPEN_UNRESOLVED, "BTCUSDT")]
    assert_at_most_one(world)
    assert world.only.state is OpeningState.BOOKED


async def test_an_order_that_had_never_arrived_is_booked_when_it_comes_to_light() -> None:
    world = OpeningWorld(Answer.LOST)
    await world.life()
    assert world.only.outcome is OpeningOutcome.NEVER_ARRIVED
    assert not await world.openings.reopen(uuid4(), world.clock.now())
    plan, wish = world.only.plan, world.only.wish
    order = MarketOrder(wish.symbol, wish.side, plan.position_side, plan.quantity, world.only.client_order_id)
    world.venue.state.pending.append((world.clock.now(), order))
    assert await world.openings.reopen(world.only.intent_id, world.clock.now())
    await world.life()
    assert_at_most_one(world)
    assert world.only.state is OpeningState.BOOKED


async def test_books_that_are_away_get_it_later() -> None:
    world = OpeningWorld(Answer.FILLS)
    claim, parts = world.take_partition(), world.parts()
    plan = await parts.planner.plan(a_wish())
    opening = await world.openings.begin(prepared(a_wish(), plan, claim, world.clock.now(), "r1"))
    world.books.down = 5
    await world.carry_out(parts, opening, checked=True)
    assert_at_most_one(world)


async def test_books_that_refuse_it_are_reconciled_and_somebody_is_told_once() -> None:
    world = OpeningWorld(Answer.FILLS)
    world.books.taken = 3
    await world.life()
    assert [alert.kind for alert in world.openings.alerts] == [AlertKind.OPEN_UNRESOLVED]
    assert "long 2 BTCUSDT is filled" in world.openings.alerts[0].reason
    assert "OP_1_9" in world.openings.alerts[0].reason
    assert [(one.wish.account_id, one.wish.symbol) for one in world.stirred] == [(ACCOUNT, "BTCUSDT")] * 3
    assert_at_most_one(world)
    assert (world.only.state, world.only.reason) == (OpeningState.BOOKED, "")


async def test_what_waited_too_long_is_not_sent() -> None:
    world = OpeningWorld()
    plan = await world.parts().planner.plan(a_wish())
    await world.openings.begin(prepared(a_wish(), plan, None, world.clock.now(), "r1"))
    world.clock.advance(31)
    await world.life()
    assert (world.only.outcome, world.venue.state.sent) == (OpeningOutcome.EXPIRED, 0)


async def test_what_waited_is_checked_anew() -> None:
    world = OpeningWorld()
    wish = a_wish(stop_loss=Pinned(Decimal(98)))
    plan = await world.parts().planner.plan(wish)
    await world.openings.begin(prepared(wish, plan, None, world.clock.now(), "r1"))
    world.venue.state.price = Decimal(97)
    await world.life(wish)
    assert (world.only.outcome, world.venue.state.sent) == (OpeningOutcome.REJECTED, 0)
    assert world.only.reason.startswith("LEVEL_ALREADY_CROSSED")


async def test_one_who_waits_gets_the_position_and_the_same_for_the_same_request() -> None:
    world = OpeningWorld()
    world.take_partition()
    parts = world.parts()
    opener = world.opener(parts)
    opens = ManualOpens(world.openings, parts.planner, opener, wait_seconds=5)
    opened = await opens.open(a_wish(), "r1")
    assert opened.position_id == "OP_1_1"
    assert await opens.open(a_wish(), "r1") == opened
    with pytest.raises(FieldInvalid):
        await opens.open(a_wish(size=Size(SizeKind.QUANTITY, Decimal(3))), "r1")
    with pytest.raises(SlotTaken):
        await opens.open(a_wish(), "r2")
    assert world.venue.state.sent == 1


async def test_one_who_waits_hears_why_not() -> None:
    world = OpeningWorld(Answer.FILTERED)
    world.take_partition()
    parts = world.parts()
    opens = ManualOpens(world.openings, parts.planner, world.opener(parts), wait_seconds=5)
    with pytest.raises(OpenRejected, match="Margin is insufficient"):
        await opens.open(a_wish(), "r1")
    world.books.account = replace(world.books.account, trading_enabled=False)
    with pytest.raises(TradingNotEnabled):
        await opens.open(a_wish(), "r2")


async def test_one_who_waits_for_a_partition_that_nobody_holds_may_ask_again() -> None:
    world = OpeningWorld()
    parts = world.parts()
    opener = world.opener(parts)
    opens = ManualOpens(world.openings, parts.planner, opener, wait_seconds=0.01)
    with pytest.raises(OpenUnresolved):
        await opens.open(a_wish(), "r1")
    world.take_partition()
    await opener.resume()
    await until(lambda: world.only.state.over)
    assert (await opens.open(a_wish(), "r1")).position_id
    assert world.held[PARTITION] == world.only.claim


async def test_a_partition_that_was_lost_meanwhile_leaves_the_opening_to_its_holder() -> None:
    world = OpeningWorld()
    world.take_partition()
    stale, parts = dict(world.held), world.parts()
    world.take_partition()
    fresh, world.held = world.held, stale
    opener = world.opener(parts)
    begun = await opener.begin(a_wish(), await parts.planner.plan(a_wish()), "r1")
    assert begun.claim is None
    world.held = fresh
    await opener.resume()
    await until(lambda: world.only.state.over)
    assert world.venue.state.sent == 1


async def test_two_at_once_in_one_slot_make_one_order() -> None:
    world = OpeningWorld()
    world.take_partition()
    parts = world.parts()
    opener = world.opener(parts)
    plan = await parts.planner.plan(a_wish(stop_loss=NoLevel()))
    await opener.begin(a_wish(), plan, "r1")
    with pytest.raises(SlotTaken):
        await opener.begin(a_wish(), plan, "r2")
    await until(lambda: world.only.state.over)
    assert world.venue.state.sent == 1


async def test_an_opening_whose_commit_was_never_heard_of_is_carried_out_all_the_same() -> None:
    world = OpeningWorld()
    world.take_partition()
    parts = world.parts()
    opener = world.opener(parts)
    world.crashes.fail_next_at("begin: committed", DatabaseUnavailable())
    with pytest.raises(DatabaseUnavailable):
        await opener.begin(a_wish(), await parts.planner.plan(a_wish()), "r1")
    await opener.resume()
    assert not world.venue.state.sent, "somebody may be about to hear of it"
    world.clock.advance(6)
    await opener.resume()
    await until(lambda: world.only.state.over)
    assert_at_most_one(world)
    assert world.only.state is OpeningState.BOOKED


async def test_somebody_is_told_of_an_order_whose_account_gives_no_key_any_more() -> None:
    world = OpeningWorld(Answer.FILLS_UNHEARD)
    await _killed(world, await _point_of("open_position: sent"))
    world.keys.refused.add(world.only.wish.account_id)
    successor = asyncio.create_task(world.life())
    await until(lambda: [alert.kind for alert in world.openings.alerts] == [AlertKind.OPEN_UNRESOLVED])
    world.keys.refused.clear()
    await successor
    assert_at_most_one(world)
    assert world.only.state is OpeningState.BOOKED


async def _point_of(name: str) -> int:
    """The number of that point in an opening that nothing disturbs."""
    rehearsal = OpeningWorld()
    await rehearsal.life()
    return rehearsal.crashes.names.index(name) + 1


async def test_how_many_are_unresolved_is_known_to_whoever_takes_them_over() -> None:
    world = OpeningWorld(Answer.FILLS_UNHEARD)
    world.venue.state.silent = 10**9
    world.take_partition()
    first = world.opener(world.parts())
    opening = await first.begin(a_wish(), await world.parts().planner.plan(a_wish()), "r1")
    await first.wait(opening.intent_id)
    await first.drain(0)
    world.take_partition()
    second = world.opener(world.parts())
    await second.resume()
    await until(lambda: second.unresolved == 1)
    assert first.unresolved == 0
    world.venue.state.silent = 0
    await until(lambda: world.only.state.over)
    await until(lambda: second.unresolved == 0)


async def test_an_order_that_rests_for_long_counts_as_unresolved() -> None:
    world = OpeningWorld(Answer.ACKNOWLEDGED)
    world.venue.state.slow = 40
    seen: list[int] = []
    world.take_partition()
    opener = world.opener(world.parts(), lambda _: seen.append(opener.unresolved))
    opening = await opener.begin(a_wish(), await world.parts().planner.plan(a_wish()), "r1")
    await until(lambda: world.only.state.over)
    assert 1 in seen
    assert (await opener.wait(opening.intent_id)).state is OpeningState.BOOKED
    await until(lambda: opener.unresolved == 0)


async def test_a_key_that_is_not_given_in_a_conflict_is_asked_for_again() -> None:
    world = OpeningWorld()
    world.take_partition()
    plan = await world.parts().planner.plan(a_wish())
    await world.openings.begin(prepared(a_wish(), plan, None, world.clock.now(), "r1"))
    world.keys.conflicts = 1
    await world.life()
    assert_at_most_one(world)
    assert world.only.state is OpeningState.BOOKED
