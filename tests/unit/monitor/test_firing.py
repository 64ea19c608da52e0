"""From prices to closings: once for each version, in held partitions alone, and by hand as well."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
import structlog

from services.common.errors import (
    DatabaseUnavailable,
    FieldInvalid,
    PositionAlreadyClosed,
    PositionNotFound,
    TradingNotEnabled,
)
from services.common.trading.level import Level, LevelRules, NoLevel, Pinned
from services.monitor.domain.errors import CloseRejected, CloseUnresolved
from services.monitor.domain.following import Change
from services.monitor.domain.price_check import Price
from tests.fakes.orders import Answer
from tests.unit.monitor.replica import Monitor
from tests.unit.monitor.world import ACCOUNT, ARMED_AT, PARTITION
from tests.waiting import until


async def test_a_crossed_stop_closes_once_however_many_prices_follow() -> None:
    monitor = Monitor()
    await monitor.tick("64001")
    assert monitor.venue.state.sent == 0
    for _ in range(3):
        monitor.firing.on_price(Price(monitor.position.instrument, Decimal(63900), monitor.clock.now()))
    await monitor.settle()
    await monitor.tick("63900")
    assert monitor.venue.state.sent == 1
    assert not monitor.books.positions[monitor.position.position_id].is_open
    (intent,) = monitor.intents.rows.values()
    assert intent.evidence.price == Decimal(63900)
    assert intent.evidence.level_price == Decimal(64000)


@pytest.mark.parametrize("point", ["open: about to commit", "open: committed"])
async def test_a_decision_whose_commit_was_never_heard_of_is_carried_out_all_the_same(point: str) -> None:
    monitor = Monitor()
    monitor.crashes.fail_next_at(point, DatabaseUnavailable())
    await monitor.tick("63900")
    assert monitor.venue.state.sent == 0
    monitor.clock.advance(1)
    await monitor.tick("63900")
    assert monitor.venue.state.sent == 1
    assert monitor.venue.state.quantity == 0
    assert not monitor.books.positions[monitor.position.position_id].is_open


async def test_what_another_replica_holds_does_not_fire() -> None:
    monitor = Monitor()
    monitor.held.clear()
    await monitor.tick("63900")
    assert not monitor.intents.rows


async def test_a_refusal_stays_quiet_for_its_pause() -> None:
    monitor = Monitor(Answer.FILTERED)
    await monitor.tick("63900")
    await monitor.tick("63900")
    assert monitor.venue.state.sent == 1
    monitor.clock.advance(301)
    await monitor.tick("63900")
    assert monitor.venue.state.sent == 2
    assert monitor.venue.state.quantity == 0


async def test_a_refused_stop_leaves_its_account_unguarded_and_fires_again_once_the_price_has_recovered() -> None:
    monitor = Monitor(Answer.FILTERED)
    await monitor.tick("63900")
    assert monitor.firing.trouble(monitor.position).startswith("CLOSE_REFUSED: filters")
    await monitor.tick("64001")
    assert monitor.venue.state.sent == 1
    await monitor.tick("63999")
    assert monitor.venue.state.sent == 2
    assert monitor.venue.state.quantity == 0
    assert not monitor.firing.trouble(monitor.position)


async def test_a_crossing_is_over_once_its_level_was_moved_away() -> None:
    monitor = Monitor(Answer.FILTERED)
    await monitor.tick("63900")
    monitor.clock.advance(30)
    assert monitor.firing.crossed_for() == timedelta(seconds=30)
    away = LevelRules(Level(Pinned(Decimal(63000)), ARMED_AT, Decimal(66000)), Level(NoLevel()))
    moved = replace(monitor.position, version=4, levels=away)
    monitor.firing.on_change(Change(monitor.position, moved))
    await monitor.tick("63900")
    monitor.clock.advance(30)
    assert monitor.firing.crossed_for() == timedelta(0)


async def test_a_price_that_recovers_as_the_size_changes_has_recovered() -> None:
    monitor = Monitor(Answer.FILTERED)
    await monitor.tick("63900")
    smaller = replace(monitor.position, version=4, quantity=Decimal("0.001"))
    monitor.firing.on_change(Change(monitor.position, smaller))
    monitor.venue.state.quantity = smaller.quantity
    await monitor.tick("64100")
    assert monitor.firing.crossed_for() == timedelta(0)
    await monitor.tick("63900")
    assert monitor.venue.state.quantity == 0, "it crosses anew: the pause after the refusal is over"


async def test_a_part_is_closed_and_no_more_and_the_stop_closes_the_rest() -> None:
    monitor = Monitor()
    position_id = monitor.position.position_id
    closed = await monitor.manual.close("demo", position_id, "r1", Decimal("0.0005"))
    await monitor.settle()
    assert closed.quantity == Decimal("0.0005")
    assert monitor.venue.state.quantity == Decimal("0.0015")
    assert monitor.venue.state.resting, "the position goes on, and so does what rests on it"
    monitor.firing.on_change(Change(monitor.position, monitor.books.positions[position_id]))
    await monitor.tick("63900")
    assert monitor.venue.state.quantity == 0
    assert not monitor.books.positions[position_id].is_open


@pytest.mark.parametrize("quantity", ["0", "-1", "0.0020000001"])
async def test_a_part_that_is_none(quantity: str) -> None:
    monitor = Monitor()
    with pytest.raises(FieldInvalid):
        await monitor.manual.close("demo", monitor.position.position_id, "r1", Decimal(quantity))
    assert not monitor.intents.rows


async def test_a_part_in_two_fills_is_followed_to_its_end_and_no_further() -> None:
    monitor = Monitor(Answer.HALF_FILLS)
    await monitor.manual.close("demo", monitor.position.position_id, "r1", Decimal("0.001"))
    await monitor.settle()
    assert monitor.venue.state.quantity == Decimal("0.001")


async def test_a_whole_close_takes_what_the_books_did_not_know_of() -> None:
    monitor = Monitor()
    monitor.venue.state.quantity = Decimal("0.005")
    await monitor.tick("63900")
    assert monitor.venue.state.quantity == 0
    assert monitor.venue.state.sent == 2


async def test_what_was_opened_after_a_close_is_left_alone() -> None:
    monitor = Monitor()
    monitor.venue.reopen_after_close = Decimal("0.003")
    await monitor.tick("63900")
    assert monitor.venue.state.quantity == Decimal("0.003")
    assert monitor.venue.state.sent == 1


async def test_a_close_by_hand_during_a_trigger_is_the_same_order() -> None:
    monitor = Monitor(Answer.ACKNOWLEDGED)
    monitor.firing.on_price(Price(monitor.position.instrument, Decimal(63900), monitor.clock.now()))
    closed, again = await asyncio.gather(
        monitor.manual.close("demo", monitor.position.position_id, "r1"),
        monitor.manual.close("demo", monitor.position.position_id, "r1"),
    )
    await monitor.settle()
    assert closed == again
    assert (closed.exit_price, closed.quantity) == (Decimal(64000), Decimal("0.002"))
    assert monitor.venue.state.sent == 1
    assert await monitor.manual.close("demo", monitor.position.position_id, "r1") == closed


async def test_a_close_of_all_during_that_of_a_part_closes_all() -> None:
    monitor = Monitor(Answer.ACKNOWLEDGED)
    part, whole = await asyncio.gather(
        monitor.manual.close("demo", monitor.position.position_id, "r1", Decimal("0.0005")),
        monitor.manual.close("demo", monitor.position.position_id, "r2"),
    )
    await monitor.settle()
    assert (part.quantity, whole.quantity) == (Decimal("0.0005"), Decimal("0.0015"))
    assert monitor.venue.state.quantity == 0
    assert not monitor.books.positions[monitor.position.position_id].is_open
    assert await monitor.manual.close("demo", monitor.position.position_id, "r2") == whole


async def test_two_parts_at_once_are_two_parts_and_the_same_one_twice_is_one() -> None:
    monitor = Monitor(Answer.ACKNOWLEDGED)
    asked = [("r1", "0.0005"), ("r1", "0.0005"), ("r2", "0.0003")]
    closed = await asyncio.gather(
        *(
            monitor.manual.close("demo", monitor.position.position_id, request_id, Decimal(quantity))
            for request_id, quantity in asked
        )
    )
    await monitor.settle()
    assert [one.quantity for one in closed] == [Decimal(quantity) for _, quantity in asked]
    assert monitor.venue.state.quantity == Decimal("0.0012")


async def test_a_close_in_two_parts_is_answered_as_one() -> None:
    monitor = Monitor(Answer.HALF_FILLS)
    closed = await monitor.manual.close("demo", monitor.position.position_id, "r1")
    assert closed.quantity == Decimal("0.002")
    await monitor.settle()


async def test_closes_by_hand_that_cannot_be() -> None:
    monitor = Monitor(Answer.FILTERED)
    position_id = monitor.position.position_id
    with pytest.raises(FieldInvalid):
        await monitor.manual.close("demo", position_id, "")
    with pytest.raises(PositionNotFound):
        await monitor.manual.close("somebody else", position_id, "r1")
    with pytest.raises(CloseRejected):
        await monitor.manual.close("demo", position_id, "r2")
    with pytest.raises(FieldInvalid):
        await monitor.manual.close("demo", "another", "r2")
    monitor.keys.refused.add(ACCOUNT)
    monitor.manual._keys.forget(ACCOUNT)
    with pytest.raises(TradingNotEnabled):
        await monitor.manual.close("demo", position_id, "r3")
    monitor.keys.refused.clear()
    await monitor.manual.close("demo", position_id, "r4")
    await monitor.settle()
    with pytest.raises(PositionAlreadyClosed):
        await monitor.manual.close("demo", position_id, "r5")
    assert monitor.venue.state.sent == 2


async def test_a_replica_without_the_partition_leaves_the_close_to_its_holder() -> None:
    monitor = Monitor()
    claims = dict(monitor.held)
    monitor.held.clear()
    monitor.manual._wait_seconds = 0.05
    with pytest.raises(CloseUnresolved):
        await monitor.manual.close("demo", monitor.position.position_id, "r1")
    assert monitor.venue.state.sent == 0
    monitor.held.update(claims)
    await monitor.closer.resume()
    await monitor.settle()
    closed = await monitor.manual.close("demo", monitor.position.position_id, "r1")
    assert closed.quantity == Decimal("0.002")
    assert monitor.venue.state.sent == 1


async def test_a_crossing_is_measured_until_its_position_is_closed() -> None:
    monitor = Monitor(Answer.FILTERED)
    assert monitor.firing.crossed_for().total_seconds() == 0
    await monitor.tick("63900")
    monitor.clock.advance(7)
    assert monitor.firing.crossed_for().total_seconds() == 7
    assert monitor.measured("tandem_closes_total", cause="stop_loss", outcome="refused") == 1
    held = dict(monitor.held)
    monitor.held.clear()
    assert monitor.firing.crossed_for().total_seconds() == 0, "it is another replica's now"
    monitor.held |= held
    monitor.clock.advance(301)
    await monitor.tick("63900")
    assert monitor.firing.crossed_for().total_seconds() == 0
    assert monitor.measured("tandem_crossed_to_closed_seconds_count") == 1
    assert monitor.measured("tandem_crossed_to_closed_seconds_bucket", le="5.0") == 0
    assert monitor.measured("tandem_closes_total", cause="stop_loss", outcome="closed") == 1
    assert monitor.measured("tandem_trigger_to_order_seconds_count", cause="stop_loss") == 1


async def test_a_crossing_from_which_the_price_recovers_is_none() -> None:
    monitor = Monitor(Answer.FILTERED)
    await monitor.tick("63900")
    await monitor.tick("64001")
    monitor.clock.advance(7)
    assert monitor.firing.crossed_for().total_seconds() == 0
    await monitor.tick("63900")
    monitor.firing.on_change(Change(monitor.position, None))
    monitor.clock.advance(7)
    assert monitor.firing.crossed_for().total_seconds() == 0


async def test_a_close_by_hand_whose_commit_was_never_heard_of_is_carried_out_all_the_same() -> None:
    monitor = Monitor()
    monitor.crashes.fail_next_at("open: committed", DatabaseUnavailable())
    with pytest.raises(DatabaseUnavailable):
        await monitor.manual.close("demo", monitor.position.position_id, "r1")
    monitor.clock.advance(6)
    await monitor.closer.resume()
    closed = await monitor.manual.close("demo", monitor.position.position_id, "r1")
    assert closed.quantity == Decimal("0.002")
    await monitor.settle()
    assert monitor.venue.state.sent == 1


async def test_a_takeover_whose_commit_was_never_heard_of_leaves_nothing_standing() -> None:
    monitor = Monitor()
    held = dict(monitor.held)
    monitor.held.clear()
    asked = asyncio.create_task(monitor.manual.close("demo", monitor.position.position_id, "r1"))
    await until(lambda: monitor.intents.rows)
    monitor.held.update(held)
    monitor.crashes.fail_next_at("take_over: committed", DatabaseUnavailable())
    with pytest.raises(DatabaseUnavailable):
        await monitor.closer.resume()
    monitor.clock.advance(6)
    await monitor.closer.resume()
    assert (await asked).quantity == Decimal("0.002")
    await monitor.settle()
    assert monitor.venue.state.sent == 1


async def test_a_close_by_hand_at_a_replica_that_just_lost_the_partition_is_left_to_its_holder() -> None:
    monitor = Monitor()
    stale = dict(monitor.held)
    fresh = monitor.take_partition()
    monitor.held.update(stale)
    asked = asyncio.create_task(monitor.manual.close("demo", monitor.position.position_id, "r1"))
    await until(lambda: monitor.intents.rows)
    assert monitor.venue.state.sent == 0
    monitor.held.update({PARTITION: fresh})
    await monitor.closer.resume()
    assert (await asked).quantity == Decimal("0.002")
    await monitor.settle()
    assert monitor.venue.state.sent == 1


async def test_a_trigger_that_breaks_is_told_of_and_tried_again_a_second_later() -> None:
    monitor = Monitor()
    price = Price(monitor.position.instrument, Decimal(63900), monitor.clock.now())
    monitor.crashes.fail_next_at("open: about to commit", RuntimeError("nobody thought of this"))
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            monitor.firing.on_price(price)
            await monitor.settle()
    assert [log["event"] for log in logs if log["log_level"] == "error"] == ["trigger failed"]
    assert not monitor.intents.rows
    monitor.clock.advance(1)
    monitor.firing.recheck(price)
    await monitor.settle()
    assert monitor.venue.state.sent == 1
