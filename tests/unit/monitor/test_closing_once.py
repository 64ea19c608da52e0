"""A process killed at any point, and its successor at any point, and their successor: one close, in the books, swept.

Exhaustive over the first kill and the second one after it, for each way in which a venue treats orders.
"""

import asyncio
import contextlib
from dataclasses import replace
from decimal import Decimal

import pytest

from services.common.errors import LeaseLost, TradingNotEnabled
from services.common.trading.client_order_id import OrderCause
from services.monitor.closing.carrying import step
from services.monitor.closing.parts import VenueSilent
from services.monitor.closing.reporting import OrderStanding
from services.monitor.domain.attempts import Begun, Joined, Settled
from services.monitor.domain.intent import IntentState, Outcome
from tests.fakes.crashes import ProcessKilled
from tests.fakes.orders import Answer
from tests.unit.monitor.world import ACCOUNT, World

WAYS = {
    "fills": (Answer.FILLS,),
    "fills, answer lost": (Answer.FILLS_UNHEARD,),
    "fills, and the venue denies it at first": (Answer.FILLS_HIDDEN,),
    "never arrives": (Answer.LOST,),
    "never arrives, twice": (Answer.LOST, Answer.LOST),
    "arrives late": (Answer.ARRIVES_LATE,),
    "acknowledged first": (Answer.ACKNOWLEDGED,),
    "fills listed late": (Answer.FILLS_LISTED_LATE,),
    "half, then the rest": (Answer.HALF_FILLS,),
    "rate limited, then lost, then fills": (Answer.RATE_LIMITED, Answer.LOST),
    "blocked by resting orders": (Answer.BLOCKED,),
    "expires first": (Answer.EXPIRES,),
}


def assert_closed_once(world: World) -> None:
    """The venue is flat, the books have every fill, nothing was filled twice and nothing is under way."""
    state = world.venue.state
    assert state.quantity == 0
    assert sum(fill.quantity for fill in state.executions) == Decimal("0.002")
    assert all(fill.client_order_id and fill.client_order_id.startswith("tdm-s-") for fill in state.executions)
    booked = world.books.fills[world.position.position_id]
    assert set(booked) == {fill.fill_id for fill in state.executions}
    assert not world.books.positions[world.position.position_id].is_open
    assert all(row.state.over for row in world.intents.rows.values())
    assert not state.resting
    assert not state.overlaps


@pytest.mark.parametrize("key_at_hand", [True, False])
@pytest.mark.parametrize("way", WAYS)
async def test_without_a_crash(way: str, key_at_hand: bool) -> None:
    world = World(*WAYS[way], key_at_hand=key_at_hand)
    await world.life()
    assert_closed_once(world)


@pytest.mark.parametrize("key_at_hand", [True, False])
@pytest.mark.parametrize("way", WAYS)
async def test_killed_at_any_two_points(way: str, key_at_hand: bool) -> None:
    first = 0
    while True:
        first += 1
        world = World(*WAYS[way], key_at_hand=key_at_hand)
        if not await _killed(world, first):
            break
        second = 0
        while True:
            second += 1
            world = World(*WAYS[way], key_at_hand=key_at_hand)
            assert await _killed(world, first)
            if not await _killed(world, second):
                assert_closed_once(world)
                break
            await world.life()
            assert_closed_once(world)
    assert first > 10


async def _killed(world: World, point: int) -> bool:
    world.crashes.kill_next_at(point)
    try:
        await world.life()
    except ProcessKilled:
        return True
    finally:
        world.crashes.kill_next_at(None)
    return False


async def test_the_books_are_told_what_the_order_rested_on_and_what_went_before_it() -> None:
    world = World(Answer.BLOCKED, Answer.EXPIRES)
    at = world.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    await world.life()
    (told,) = world.books.told
    assert told == (
        f"The price 63990 of {at} reached the stop-loss at 64000."
        " Attempt 1 was blocked (nothing_to_reduce -2022 ReduceOnly Order is rejected)."
        " Attempt 2 was postponed (no_liquidity expired)."
    )


@pytest.mark.parametrize(
    ("way", "told"),
    [
        ("fills", []),
        ("fills, answer lost", [(OrderStanding.PENDING, ""), (OrderStanding.FILLED, "")]),
        (
            "never arrives",
            [(OrderStanding.PENDING, ""), (OrderStanding.CANCELLED, "the venue has no order of that id")],
        ),
        (
            "blocked by resting orders",
            [(OrderStanding.CANCELLED, "nothing_to_reduce -2022 ReduceOnly Order is rejected")],
        ),
    ],
)
async def test_the_books_are_told_of_orders_that_have_no_fills_yet_or_never_get_any(
    way: str, told: list[tuple[OrderStanding, str]]
) -> None:
    world = World(*WAYS[way], key_at_hand=True)
    await world.life()
    assert world.reported == told


async def test_an_order_whose_account_gives_no_key_any_more_ends_once_the_books_have_closed_its_position() -> None:
    """The account was removed, or its key may not trade any more: nobody can look the order up, ever."""
    world = World(Answer.FILLS_UNHEARD)
    claim, parts = world.take_partition(), world.parts()
    opening = await world.intents.open(world.decision(), claim, world.clock.now())
    sent = await step(parts, opening.intent, checked=True)
    world.keys.refused.add(ACCOUNT)
    parts.keys.forget(ACCOUNT)
    with pytest.raises(TradingNotEnabled):
        await step(parts, sent, checked=False)
    position_id = world.position.position_id
    world.books.positions[position_id] = replace(world.books.positions[position_id], is_open=False)
    over = await step(parts, sent, checked=False)
    assert (over.state, over.outcome) == (IntentState.FAILED, Outcome.NOT_OPEN)
    assert world.venue.state.sent == 1


async def test_a_row_of_another_symbol_that_cannot_be_understood_keeps_no_rest_from_being_closed() -> None:
    world = World(Answer.HALF_FILLS)
    world.venue.partial = True
    claim, parts = world.take_partition(), world.parts()
    credentials = await parts.keys.credentials(ACCOUNT)
    opening = await world.intents.open(world.decision(), claim, world.clock.now())
    intent = opening.intent
    while len(world.venue.state.executions) < 2:
        intent = await step(parts, intent, checked=intent.state is IntentState.PREPARED)
    assert world.venue.state.quantity == 0
    with pytest.raises(VenueSilent):
        await parts.held(intent, credentials)  # what such a reading does not list may be there all the same


@pytest.mark.parametrize("unlisted", [1, 2])
async def test_one_list_that_leaves_it_out_does_not_make_a_position_gone(unlisted: int) -> None:
    """Its resting orders were in the way. Taken for gone, its stop would be settled for as long as nothing changes."""
    world = World(Answer.BLOCKED)
    world.venue.unlisted = unlisted
    await world.life()
    assert_closed_once(world)


async def test_a_key_that_was_just_rotated_is_asked_for_afresh_whatever_was_tried_before() -> None:
    """An earlier decision about the position had attempts of its own: the stop must not wait for them."""
    world = World(Answer.FILTERED, Answer.KEY_REFUSED, Answer.FILLS)
    claim = world.take_partition()
    await world.carry_out(await world.intents.open(world.decision(), claim, world.clock.now()))
    (refused,) = world.intents.rows.values()
    assert refused.outcome is Outcome.REFUSED
    world.clock.advance(600)
    await world.life()
    assert_closed_once(world)
    assert len(world.keys.leases) >= 2


async def test_two_triggers_and_a_hand_make_one_order() -> None:
    world = World(Answer.FILLS)
    claim = world.take_partition()
    stop = await world.intents.open(world.decision(), claim, world.clock.now())
    target = await world.intents.open(world.decision(OrderCause.TAKE_PROFIT), claim, world.clock.now())
    hand = await world.intents.open(world.decision(OrderCause.MANUAL, "r1"), None, world.clock.now())
    assert isinstance(stop, Begun)
    assert isinstance(target, Joined)
    assert isinstance(hand, Joined)
    assert hand.intent.intent_id == stop.intent.intent_id
    await world.carry_out(stop)
    assert world.venue.state.sent == 1
    again = await world.intents.open(world.decision(OrderCause.MANUAL, "r1"), None, world.clock.now())
    assert isinstance(again, Settled)
    assert again.intent.closing_id == stop.intent.closing_id


async def test_a_settled_version_is_not_closed_again_before_the_books_event_arrives() -> None:
    world = World(Answer.FILLS)
    claim = world.take_partition()
    stale = world.decision()
    await world.carry_out(await world.intents.open(stale, claim, world.clock.now()))
    assert isinstance(await world.intents.open(stale, claim, world.clock.now()), Settled)
    assert world.venue.state.sent == 1


@pytest.mark.parametrize("key_at_hand", [True, False])
@pytest.mark.parametrize("away_seconds", [0, 60])
@pytest.mark.parametrize("way", WAYS)
async def test_stalled_at_any_point_while_a_successor_closes(way: str, away_seconds: float, key_at_hand: bool) -> None:
    point = 0
    while True:
        point += 1
        world = World(*WAYS[way], key_at_hand=key_at_hand)
        world.crashes.stall_next_at(point)
        stalled = asyncio.create_task(_life_until_fenced(world))
        held = asyncio.create_task(world.crashes.stalled.wait())
        await asyncio.wait([stalled, held], return_when=asyncio.FIRST_COMPLETED)
        if stalled.done():
            held.cancel()
            break
        world.clock.advance(away_seconds)
        await world.life()
        assert_closed_once(world)
        world.crashes.go_on()
        await stalled
        assert_closed_once(world)
    assert point > 10


async def _life_until_fenced(world: World) -> None:
    with contextlib.suppress(LeaseLost):
        await world.life()


async def test_an_order_that_was_stalled_before_it_was_sent_is_refused_by_the_venue() -> None:
    world = World()
    await _stalled_when(world, "close_position: about to be sent")
    assert world.venue.state.refused_as_old == 1
    assert_closed_once(world)


async def _stalled_when(world: World, name: str) -> None:
    rehearsal = World()
    await rehearsal.life()
    world.crashes.stall_next_at(rehearsal.crashes.names.index(name) + 1)
    stalled = asyncio.create_task(_life_until_fenced(world))
    await world.crashes.stalled.wait()
    world.clock.advance(60)
    await world.life()
    world.crashes.go_on()
    await stalled


async def test_closed_by_hand_meanwhile_is_left_to_reconciliation() -> None:
    world = World()
    claim = world.take_partition()
    world.venue.closed_by_hand()
    over = await world.carry_out(await world.intents.open(world.decision(), claim, world.clock.now()))
    assert over is not None
    assert (over.state, over.outcome) == (IntentState.FAILED, Outcome.GONE)
    assert not world.books.fills
    assert world.stirred == [over]
    assert world.venue.state.resting, "nothing of ours closed it, so nothing is swept"
    assert isinstance(await world.intents.open(world.decision(), claim, world.clock.now()), Settled)


async def test_a_refusal_is_not_repeated_until_its_pause_is_over() -> None:
    world = World(Answer.FILTERED)
    claim = world.take_partition()
    over = await world.carry_out(await world.intents.open(world.decision(), claim, world.clock.now()))
    assert over is not None
    assert over.outcome is Outcome.REFUSED
    await world.carry_out(await world.intents.open(world.decision(), claim, world.clock.now()))
    assert world.venue.state.sent == 1
    world.clock.advance(301)
    await world.carry_out(await world.intents.open(world.decision(), claim, world.clock.now()))
    assert_closed_once(world)


async def test_fills_are_recorded_once_the_books_are_back() -> None:
    world = World(Answer.FILLS)
    claim = world.take_partition()
    opening = await world.intents.open(world.decision(), claim, world.clock.now())
    world.books.down = 7
    await world.carry_out(opening)
    assert_closed_once(world)
    assert world.venue.state.sent == 1


async def test_an_intent_left_before_it_was_sent_asks_the_books_first() -> None:
    world = World()
    first = world.take_partition()
    await world.intents.open(world.decision(), first, world.clock.now())
    position = world.books.positions[world.position.position_id]
    world.books.positions[position.position_id] = type(position)(
        **{name: getattr(position, name) for name in position.__slots__} | {"is_open": False, "version": 4}
    )
    await world.life()
    assert world.venue.state.sent == 0
    assert [row.outcome for row in world.intents.rows.values()] == [Outcome.NOT_OPEN]


async def test_a_key_that_is_not_given_in_a_conflict_is_asked_for_again() -> None:
    world = World()
    world.keys.conflicts = 2
    await world.life()
    assert_closed_once(world)
