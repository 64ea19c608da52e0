"""What processes tell each other in passing, over a real NATS with each service's own rights."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import nats
import pytest
from prometheus_client import CollectorRegistry

from deploy.local.nats import NatsServer
from protos.monitor.v1 import events_pb2 as monitor_events
from protos.positions.v1 import events_pb2, types_pb2
from services.common.bus import Bus, Received
from services.common.clock import SystemClock
from services.common.exchange.budget import DEFAULT_LIMITS, Ban, Budget
from services.common.stream import declare_stream
from services.common.subjects import all_users_ephemeral, subject
from services.common.telemetry import Instruments
from services.common.trading.side import Side, Venue
from services.common.venues import BANS, BanTeller, hear_bans
from services.gateway.events import telling_watched
from services.positions import events
from services.positions.guards import LevelPlaces
from services.positions.readings import AccountReadings
from services.positions.store.streams import Streamed
from services.positions.streams.events import (
    EXTREMES,
    OWN_FACTS,
    WATCHED,
    ExtremeFacts,
    OwnFacts,
    follow_own,
    hear_watched,
    stirring,
)
from services.positions.streams.watching import WatchedUsers
from services.positions.watermarks import Watermarks
from tests.contract.common.settings import NatsSettings
from tests.factories import make_reading, make_seen
from tests.fakes.clock import FixedClock
from tests.fakes.venue_reader import FakeVenueReader
from tests.unit.positions.test_guards import armed
from tests.unit.positions.test_readings import OneKey
from tests.waiting import until

CLOCK = SystemClock()
BusOf = Callable[[str], Awaitable[Bus]]


@asynccontextmanager
async def spawned(coroutine: Awaitable[object]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(coroutine)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def bus_of(nats_server: NatsServer) -> AsyncIterator[BusOf]:
    """A bus of any service."""
    client = await nats.connect(nats_server.admin_url)
    await declare_stream(client.jetstream())
    await client.close()
    async with AsyncExitStack() as stack:

        async def make(service: str) -> Bus:
            settings = NatsSettings.of(nats_server.url, service, nats_server.passwords[service])
            bus = Bus(settings, service, Instruments(CollectorRegistry()))
            await stack.enter_async_context(spawned(bus.run()))
            await bus.wait_connected()
            return bus

        yield make


class Process:
    """A process of a service with a budget of its own, which tells and hears of bans."""

    def __init__(self, bus: Bus, service: str, address: str = "") -> None:
        self.told: list[Ban] = []
        teller = BanTeller(service, bus.publish_ephemeral, CLOCK, 0.05, address=address)
        self.budget = Budget(Venue.BYBIT, DEFAULT_LIMITS[Venue.BYBIT], on_ban=teller.tell)
        self.heard = bus.subscribe_ephemeral(BANS, hear_bans(self._apply, address=address))
        self.teller = teller

    def _apply(self, venue: Venue, until: datetime, reason: str) -> None:
        assert venue is self.budget.venue
        self.budget.apply_ban(until, reason, announce=False)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Process"]:
        async with spawned(self.teller.run()), spawned(self.heard.run()):
            await self.heard.started()
            yield self


@pytest.mark.parametrize("banned", ["positions", "monitor"])
async def test_a_ban_that_one_process_meets_stops_every_process(bus_of: BusOf, banned: str) -> None:
    processes = [Process(await bus_of(name), name) for name in ("positions", "monitor")]
    replica = Process(await bus_of("positions"), "positions")
    moment = datetime.now(UTC) + timedelta(minutes=10)
    async with AsyncExitStack() as stack:
        for process in processes:
            await stack.enter_async_context(process.running())
        processes[["positions", "monitor"].index(banned)].budget.apply_ban(moment, "access too frequent")
        await until(lambda: all(process.budget.ban for process in processes), 0.01)
        # One that starts later is told as well.
        await stack.enter_async_context(replica.running())
        await until(lambda: replica.budget.ban, 0.01)
    bans = [process.budget.ban for process in (*processes, replica)]
    assert bans == [Ban(Venue.BYBIT, moment, "access too frequent")] * 3


async def test_whom_a_gateway_sees_looked_at_positions_hears_of(bus_of: BusOf) -> None:
    gateway, positions = await bus_of("gateway"), await bus_of("positions")
    watched = WatchedUsers(timedelta(seconds=30), lambda: None)
    heard = positions.subscribe_ephemeral(WATCHED, hear_watched(watched, CLOCK))
    async with spawned(heard.run()):
        await heard.started()
        await telling_watched(gateway.publish_ephemeral, CLOCK)("a user. with > odd * name")
        await until(lambda: watched.users(CLOCK.now()), 0.01)
    assert watched.users(CLOCK.now()) == {"a user. with > odd * name"}


async def test_a_stirred_account_reaches_the_reconciler(bus_of: BusOf) -> None:
    positions, reconciler = await bus_of("positions"), await bus_of("reconciler")
    seen: list[events_pb2.AccountStirred] = []

    async def hear(message: Received) -> None:
        seen.append(events_pb2.AccountStirred.FromString(message.payload))

    heard = reconciler.subscribe_ephemeral([all_users_ephemeral("positions", "account_stirred")], hear)
    async with spawned(heard.run()):
        await heard.started()
        await stirring(positions.publish_ephemeral, CLOCK)(Streamed("a", "u", Venue.BYBIT, 1))
        await until(lambda: seen, 0.01)
    assert (seen[0].account_id, seen[0].user_id, seen[0].exchange) == ("a", "u", types_pb2.EXCHANGE_BYBIT)


async def test_extremes_are_rebuilt_from_what_the_stream_kept(bus_of: BusOf) -> None:
    monitor, positions = await bus_of("monitor"), await bus_of("positions")
    symbol = f"X{datetime.now(UTC).timestamp():.0f}USDT"

    async def tell(price: int, moment: datetime) -> None:
        fact = monitor_events.ExtremeMoved(
            exchange=types_pb2.EXCHANGE_BINANCE, symbol=symbol, trigger_price=monitor_events.TRIGGER_PRICE_MARK
        )
        for points in (fact.highs, fact.lows):
            points.add(price=str(price)).at.FromDatetime(moment)
        name = subject("monitor", "extreme_moved", f"binance:{symbol}:mark")
        await monitor.publish(name, fact.SerializeToString(), f"{symbol}-{price}")

    start = datetime.now(UTC)
    for second, price in enumerate((100, 105, 103)):
        await tell(price, start + timedelta(seconds=second))
    watermarks = Watermarks()
    extremes = ExtremeFacts(watermarks)

    def best(side: Side) -> Decimal | None:
        return watermarks.watermark(Venue.BINANCE, symbol, side, start)

    async with spawned(positions.follow(EXTREMES, extremes.handle, "all", on_gap=extremes.missed).run()):
        await until(lambda: best(Side.LONG) == 105, 0.01)
        assert best(Side.SHORT) == 100
        await tell(99, start + timedelta(seconds=9))
        await until(lambda: best(Side.SHORT) == 99, 0.01)


async def test_facts_that_another_replica_wrote_end_what_is_remembered(bus_of: BusOf) -> None:
    ours, theirs = await bus_of("positions"), await bus_of("positions")
    clock, reader = FixedClock(datetime.now(UTC)), FakeVenueReader()
    readings = AccountReadings(reader, OneKey(), clock, timedelta(seconds=5))
    places = LevelPlaces(clock.now())
    users: list[str] = []
    own = OwnFacts(readings, places, clock, on_user=users.append, on_account=users.append)
    facts = ours.follow(OWN_FACTS, own.handle, on_gap=own.missed)
    reader.readings["a"] = make_reading(make_seen())
    async with spawned(follow_own(facts, own)):
        await facts.started()
        await readings.read(Venue.BINANCE, "a")
        clock.advance(1)
        position = armed(30)
        event = events.position_levels_changed(position, clock.now())
        sequence = await theirs.publish(event.subject, event.payload, str(event.id))
        await until(lambda: users, 0.01)
    assert users == [position.user_id]
    assert readings.last_known("a") is None
    assert places.taken_in(position, sequence)
    assert not places.taken_in(position, sequence - 1)


async def test_a_ban_stops_those_behind_its_address_alone(bus_of: BusOf) -> None:
    banned = Process(await bus_of("positions"), "positions", "reading")
    beside = Process(await bus_of("positions"), "positions", "reading")
    monitor = Process(await bus_of("monitor"), "monitor", "orders")
    moment = datetime.now(UTC) + timedelta(minutes=10)
    async with banned.running(), beside.running(), monitor.running():
        banned.budget.apply_ban(moment, "access too frequent")
        await until(lambda: beside.budget.ban)
        monitor.budget.apply_ban(moment + timedelta(minutes=1), "of its own")
        # Told after the first, so by now the first has been heard, and was left alone.
        other = Process(await bus_of("positions"), "positions", "orders")
        async with other.running():
            await until(lambda: other.budget.ban)
            assert other.budget.ban is not None
            assert other.budget.ban.reason == "of its own"
        assert monitor.budget.ban is not None
        assert monitor.budget.ban.reason == "of its own"
