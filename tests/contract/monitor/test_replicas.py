"""Replicas of the monitor over one real Postgres: they share, take over and hand over, and close once whatever happens.

The venue, the books and the keys are fakes on a clock of their own; leases run on Postgres's clock, for less than a
second each.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.database import transaction
from services.common.trading.level import Level, LevelRules, Pinned
from services.common.trading.partition import PARTITIONS
from services.monitor.closing.closer import Closer
from services.monitor.closing.manual import Closed, ManualCloses
from services.monitor.closing.store import PostgresIntents
from services.monitor.domain.following import Change
from services.monitor.domain.price_check import Price
from services.monitor.domain.triggers.index import BookIndex
from services.monitor.partitions.holding import PartitionHolder, fence
from services.monitor.triggers.firing import Firing
from services.monitor.triggers.watermarks import Watermarks
from tests.unit.monitor.world import ARMED_AT, PARTITION, World, a_position

DEADLINE_SECONDS = 10.0
TTL_SECONDS = 0.8
INTERVAL_SECONDS = 0.1


class Replica:
    """One process of the monitor: its partitions, its triggers and its closings."""

    def __init__(
        self,
        engine: AsyncEngine,
        world: World,
        owner: str,
        *,
        ttl_seconds: float = TTL_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.world = world
        self.holder = PartitionHolder(
            engine, owner, ttl_seconds=ttl_seconds, interval_seconds=INTERVAL_SECONDS, monotonic=monotonic
        )
        intents = PostgresIntents(engine, fence, uuid.uuid4)
        parts = replace(world.parts(), intents=intents, new_id=uuid.uuid4)
        self.keys = parts.keys
        self.closer = Closer(parts, self.holder, scan_seconds=0.05)
        self.firing = Firing(BookIndex(), self.closer, self.holder, world.clock, Watermarks(timedelta(seconds=15)))
        self.manual = ManualCloses(intents, self.closer, world.books, parts.keys, world.clock, wait_seconds=5)
        self.firing.on_change(Change(None, world.position))
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Hold partitions, and resume what is found in them."""
        self._tasks = [asyncio.create_task(self.holder.run()), asyncio.create_task(self.closer.run())]

    async def die(self) -> None:
        """End at once: nothing is handed over."""
        for task in [*self._tasks, *self.closer._running.values(), *self.firing._busy.values()]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def drain(self) -> None:
        """End as SIGTERM has it: what was begun is finished, and the partitions are handed over."""
        await self.firing.drain()
        await self.closer.drain(DEADLINE_SECONDS)
        await self.holder.release()
        await self.die()

    def tick(self, price: str) -> None:
        """A checked price reaches this replica."""
        checked = Price(self.world.position.instrument, Decimal(price), self.world.clock.now())
        self.firing.on_price(checked)
        self.firing.recheck(checked)

    @property
    def partitions(self) -> set[int]:
        return set(self.holder.claims())


@asynccontextmanager
async def running(*replicas: Replica) -> AsyncIterator[None]:
    async with AsyncExitStack() as exits:
        for replica in replicas:
            replica.start()
            exits.push_async_callback(replica.die)
        yield


@pytest.fixture
def world() -> World:
    """A long whose stop and target a price between them can both have reached."""
    world = World()
    levels = LevelRules(
        Level(Pinned(Decimal(64000)), ARMED_AT, Decimal(66000)), Level(Pinned(Decimal(63000)), ARMED_AT, Decimal(62000))
    )
    world.position = a_position(levels=levels)
    world.books.positions[world.position.position_id] = world.position
    return world


async def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        if holds():
            return
        assert time.monotonic() < deadline, f"waited for {what}"
        await asyncio.sleep(0.01)


def is_closed(world: World) -> bool:
    return not world.books.positions[world.position.position_id].is_open


async def intents(engine: AsyncEngine) -> list[tuple[str, str | None]]:
    """State and outcome of each attempt."""
    async with transaction(engine) as connection:
        rows = await connection.execute(text("SELECT state, outcome FROM intents ORDER BY place"))
        return [(row.state, row.outcome) for row in rows]


async def expire(engine: AsyncEngine, owner: str) -> None:
    """The leases of a replica lapse without its noticing."""
    async with transaction(engine) as connection:
        await connection.execute(
            text("UPDATE leases SET expires_at = now() - interval '1 second' WHERE owner = :owner"), {"owner": owner}
        )


async def assert_one_order(engine: AsyncEngine, world: World) -> None:
    await until(lambda: is_closed(world), "the close to be booked")
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        if all(state in ("done", "failed") for state, _ in await intents(engine)):
            break
        assert time.monotonic() < deadline, "a close that is booked does not end"
        await asyncio.sleep(0.01)
    state = world.venue.state
    assert state.quantity == 0
    assert [fill.quantity for fill in state.executions] == [world.position.quantity]
    assert [outcome for _, outcome in await intents(engine)].count("closed") == 1
    assert not state.overlaps


async def test_two_share_evenly_one_dies_and_the_other_is_handed_over_to(engine: AsyncEngine, world: World) -> None:
    one, two = Replica(engine, world, "one"), Replica(engine, world, "two")
    async with running(one, two):
        half = PARTITIONS // 2
        await until(lambda: len(one.partitions) == len(two.partitions) == half, "even shares")
        assert one.partitions | two.partitions == set(range(PARTITIONS))
        await one.die()
        await until(lambda: len(two.partitions) == PARTITIONS, "the dead one's partitions")
        three = Replica(engine, world, "three")
        async with running(three):
            await until(lambda: len(two.partitions) == len(three.partitions) == half, "even shares again")
            await two.drain()
            await until(lambda: len(three.partitions) == PARTITIONS, "the partitions that were handed over")


async def test_stop_target_and_hand_at_two_replicas_at_once_are_one_order(engine: AsyncEngine, world: World) -> None:
    one, two = Replica(engine, world, "one"), Replica(engine, world, "two")
    async with running(one, two):
        await until(lambda: len(one.partitions) == len(two.partitions) == PARTITIONS // 2, "even shares")
        hands = [
            asyncio.create_task(replica.manual.close("demo", world.position.position_id, f"hand {number}"))
            for number, replica in enumerate((one, two, one, two))
        ]
        for _ in range(3):
            for replica in (one, two):
                replica.tick("63500")
            await asyncio.sleep(0)
        answers = await asyncio.gather(*hands)
        await assert_one_order(engine, world)
        assert all(isinstance(answer, Closed) for answer in answers)
        assert {answer.quantity for answer in answers} == {world.position.quantity}
        assert world.venue.state.sent == 1


async def test_a_replica_that_believes_it_holds_what_it_lost_sends_nothing(engine: AsyncEngine, world: World) -> None:
    stale = Replica(engine, world, "stale", monotonic=lambda: 0.0)
    await stale.holder.balance()
    await expire(engine, "stale")
    fresh = Replica(engine, world, "fresh")
    async with running(fresh):
        await until(lambda: PARTITION in fresh.partitions, "the partition")
        assert PARTITION in stale.partitions
        stale.tick("63500")
        fresh.tick("63500")
        stale.tick("63400")
        await assert_one_order(engine, world)
    await stale.die()
    assert world.venue.state.sent == 1


@pytest.mark.parametrize("point", ["close_position: about to be sent", "close_position: sent"])
async def test_a_replica_that_was_paused_for_a_minute_and_its_successor_are_one_order(
    engine: AsyncEngine, world: World, point: str
) -> None:
    # Its leases lapse when this test has them do so, and not while it is still about to begin.
    paused = Replica(engine, world, "paused", ttl_seconds=60)
    await paused.holder.balance()
    await paused.keys.credentials(world.position.account_id)
    world.crashes.stall_next_named(point)
    paused.tick("63500")
    await world.crashes.stalled.wait()
    world.clock.advance(60)
    await expire(engine, "paused")
    successor = Replica(engine, world, "successor")
    async with running(successor):
        await until(lambda: PARTITION in successor.partitions, "the partition")
        successor.tick("63500")
        await assert_one_order(engine, world)
        world.crashes.go_on()
        await until(lambda: not paused.closer._running, "the paused one to notice")
        await assert_one_order(engine, world)
    await paused.die()
    assert world.venue.state.refused_as_old == (1 if point.endswith("about to be sent") else 0)
