"""`python -m services.positions serve|migrate|check-config|rotate-keys`: wiring only."""

import asyncio
import sys
import uuid
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from sqlalchemy.ext.asyncio import AsyncEngine

from services.common import standing
from services.common.bus import Bus
from services.common.clock import Clock, SystemClock
from services.common.command_line import run_command
from services.common.database import create_engine, watch_database
from services.common.exchange.feed import PriceFeed
from services.common.exchange.reader import VenueReader
from services.common.exchange.streams import AccountStream
from services.common.exchange.venues import Venues
from services.common.process import Process
from services.common.relay import Relay
from services.common.server import GrpcServer
from services.common.subjects import all_users_ephemeral
from services.common.trading.side import Venue
from services.common.venues import reach_venues
from services.positions.access import ACCESS
from services.positions.cash.reading import CashCadence, CashReading
from services.positions.commands.accounts import AccountCommands
from services.positions.commands.decisions import DecisionCommands
from services.positions.commands.fills import FillCommands
from services.positions.commands.journal import Journal
from services.positions.commands.levels import LevelCommands
from services.positions.commands.openings import OpeningCommands
from services.positions.commands.orders import OrderCommands
from services.positions.commands.requests import Requests
from services.positions.commands.rotation import rotate_keys
from services.positions.commands.trigger_prices import TriggerPriceCommands
from services.positions.config import PositionsSettings
from services.positions.custody import Custodian
from services.positions.equity.recording import EquityRecorder, record_equity
from services.positions.events import hear_heartbeats
from services.positions.guards import Guards, LevelPlaces
from services.positions.keys import KeptKeys
from services.positions.metrics import Metrics
from services.positions.prices import TriggerPrices
from services.positions.queries.books import BookQueries
from services.positions.queries.documents import DocumentQueries
from services.positions.queries.live import LiveQueries, open_rows
from services.positions.queries.memory import Memory
from services.positions.queries.observation import ObservationQueries
from services.positions.readings import AccountReadings, Keys, ReadingLimits
from services.positions.retention import Retention
from services.positions.rpc import accounts, history, live, observation, positions, status
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
from services.positions.streams.following import FollowedAccount, Surroundings
from services.positions.streams.holding import Holding, StreamKeeper
from services.positions.streams.marks import Marks
from services.positions.streams.watching import WatchedUsers
from services.positions.trailing import TrailKeeper
from services.positions.watermarks import Watermarks


def main() -> None:
    """Do what the command line says."""
    run_command(
        PositionsSettings,
        serve,
        more={"rotate-keys": ("wrap every key anew under the active master key", _rotate_now)},
        check=_check_keys,
    )


def _rotate_now(settings: PositionsSettings) -> None:
    asyncio.run(rotate(settings))


def _check_keys(settings: PositionsSettings) -> None:
    Custodian(settings.encryption_keys.get_secret_value())


async def rotate(settings: PositionsSettings) -> None:
    """Wrap every credential under the active key. Ends with 1 where one does not open."""
    engine = create_engine(settings.database_url, settings.service, 1)
    try:
        done = await rotate_keys(engine, Custodian(settings.encryption_keys.get_secret_value()))
    finally:
        await engine.dispose()
    sys.stdout.write(
        f"{done.rewrapped} credentials wrapped anew, {done.untouched} were already, {done.broken} do not open\n"
    )
    if done.broken:
        raise SystemExit(1)


async def serve(settings: PositionsSettings, process: Process) -> None:
    """Wire the service and serve; what was started last is stopped first."""
    clock = SystemClock()
    custodian = Custodian(settings.encryption_keys.get_secret_value())
    engine, replica = open_databases(settings, process)
    process.spawn("database watch", watch_database(engine, process.health, process.instruments))
    bus = Bus(settings, settings.service, process.instruments)
    process.spawn("bus", bus.run())
    relay = Relay(engine, bus, process.instruments)
    process.spawn("relay", relay.run())
    places = LevelPlaces(clock.now())
    guards = Guards(timedelta(seconds=settings.heartbeat_max_age_seconds), places)
    heartbeats = bus.subscribe_ephemeral(
        [all_users_ephemeral("monitor", "guard_heartbeat")], hear_heartbeats(guards, clock)
    )
    process.spawn("heartbeats", heartbeats.run())

    venues = await reach_venues(settings.service, settings, process, bus, clock)
    reader = VenueReader(venues)
    keys = KeptKeys(engine, custodian, clock)
    equity = EquityRecorder(partial(record_equity, engine))
    process.on_drain(equity.drain, "equity")
    process.attend("equity", partial(equity.run, settings.equity_interval_seconds))
    readings = AccountReadings(
        reader,
        keys,
        clock,
        timedelta(seconds=settings.reading_max_age_seconds),
        limits=ReadingLimits(
            patience=timedelta(seconds=settings.venue_patience_seconds),
            margin_max_age=timedelta(seconds=settings.margin_max_age_seconds),
        ),
        on_reading=equity.note,
    )
    metrics = Metrics(process.instruments.registry, readings.streams)
    memory: Memory[live.Answer] = Memory(settings.view_max_age_seconds, on_answer=metrics.viewed)

    def written() -> None:
        memory.forget_all()
        relay.notify()

    journal = Journal(engine, written)
    cash = CashReading(journal, reader, keys, clock, CashCadence(timedelta(seconds=settings.cash_interval_seconds)))
    process.attend("cash flows", partial(cash.run, settings.cash_poll_seconds))
    account_commands = AccountCommands(
        journal, reader, custodian, readings, clock, timedelta(seconds=settings.credential_lease_seconds), keys
    )
    prices = TriggerPrices(reader)
    trigger_prices = TriggerPriceCommands(journal, account_commands, prices, clock)
    requests = Requests(engine, clock)
    process.attend("retention", partial(forget_old, settings, engine, clock, requests))
    books = BookQueries(engine, clock, replica=replica)
    marks, keeper = keep_streams(settings, process, Parts(clock, engine, bus, venues, readings, keys, metrics))
    watermarks = Watermarks()
    trails = TrailKeeper(engine, watermarks, clock)
    extremes = ExtremeFacts(watermarks)
    process.spawn("extremes", follow_extremes(bus, extremes, trails, settings.trail_interval_seconds))

    def changed(account_id: str) -> None:
        keys.drop(account_id)
        keeper.nudge()

    own = OwnFacts(
        readings,
        places,
        clock,
        on_user=memory.forget,
        on_account=changed,
        on_position=keeper.tell,
        on_missed=keys.drop_all,
    )
    process.spawn("own facts", follow_own(bus.follow(OWN_FACTS, own.handle, on_gap=own.missed), own))
    observing = ObservationQueries(engine, readings, reader, keys)
    services = [
        accounts.registration(accounts.AccountsRpc(account_commands, trigger_prices, requests)),
        positions.registration(
            positions.PositionsRpc(
                books,
                LevelCommands(journal, readings, prices, clock),
                FillCommands(journal, readings, clock, observing),
                OpeningCommands(journal, readings, prices, clock),
                OrderCommands(journal, clock),
                DocumentQueries(engine),
                requests,
                clock,
            )
        ),
        live.registration(
            live.LiveRpc(LiveQueries(engine, readings, guards, clock, marks=marks, watermarks=watermarks), memory)
        ),
        history.registration(history.HistoryRpc(books, clock)),
        observation.registration(
            observation.ObservationRpc(observing, DecisionCommands(journal, readings, prices, clock))
        ),
        standing.offer(process, status.reading(venues.budget), bus.publish_ephemeral, clock),
    ]
    server = GrpcServer(settings, services, ACCESS, process.health, process.instruments)
    await server.start()
    process.on_drain(server.drain, "grpc")
    for service in services:
        process.health.set(service.full_name, True)


async def forget_old(settings: PositionsSettings, engine: AsyncEngine, clock: Clock, requests: Requests) -> None:
    """Forget what is only kept for a while, until cancelled."""
    retention = Retention(engine, clock, timedelta(days=settings.credential_audit_days))
    async with asyncio.TaskGroup() as group:
        group.create_task(requests.run(settings.requests_prune_seconds))
        group.create_task(retention.run(settings.requests_prune_seconds))


def open_databases(settings: PositionsSettings, process: Process) -> tuple[AsyncEngine, AsyncEngine]:
    """The primary, and the replica that figures are read from: without one, the primary is both."""
    engine = create_engine(
        settings.database_url,
        settings.service,
        settings.database_pool_size,
        statement_timeout_seconds=settings.database_statement_timeout_seconds,
    )
    process.on_drain(engine.dispose, "database")
    replica = engine
    if settings.database_replica_url is not None:
        replica = create_engine(
            settings.database_replica_url,
            settings.service,
            settings.database_replica_pool_size,
            statement_timeout_seconds=settings.database_statement_timeout_seconds,
        )
        process.on_drain(replica.dispose, "replica")
    return engine, replica


async def follow_extremes(bus: Bus, extremes: ExtremeFacts, trails: TrailKeeper, interval_seconds: float) -> None:
    """Follow the extremes from where they were kept last: the first time all that the stream still has of them."""
    place = await trails.restore_patiently()
    follower = bus.follow(EXTREMES, extremes.handle, place or "all", on_gap=extremes.missed)
    async with asyncio.TaskGroup() as group:
        group.create_task(follower.run())
        group.create_task(trails.run(lambda: follower.place, interval_seconds))


@dataclass(frozen=True, slots=True)
class Parts:
    """What private streams stand on."""

    clock: Clock
    engine: AsyncEngine
    bus: Bus
    venues: Venues
    readings: AccountReadings
    keys: Keys
    metrics: Metrics


def keep_streams(settings: PositionsSettings, process: Process, parts: Parts) -> tuple[Marks, StreamKeeper]:
    """Start the private streams: the mark prices beside them, and who keeps them."""
    clock, bus = parts.clock, parts.bus
    feeds = {venue: PriceFeed(parts.venues, venue, lambda _price: None) for venue in Venue}
    for venue, feed in feeds.items():
        process.spawn(f"{venue} prices", feed.run())
    marks = Marks(feeds, timedelta(seconds=settings.reading_max_age_seconds))
    nudged = asyncio.Event()
    watched = WatchedUsers(timedelta(seconds=settings.watched_seconds), nudged.set)
    process.spawn("watched users", bus.subscribe_ephemeral(WATCHED, hear_watched(watched, clock)).run())
    around = Surroundings(
        clock=clock,
        readings=parts.readings,
        keys=parts.keys,
        marks=marks,
        open_stream=partial(AccountStream, parts.venues),
        booked=partial(open_rows, parts.engine),
        stir=stirring(bus.publish_ephemeral, clock),
        on_deaf=parts.metrics.deafened,
    )
    keeper = StreamKeeper(
        parts.engine,
        f"positions-{uuid.uuid4().hex[:12]}",
        lambda: watched.users(clock.now()),
        lambda account: FollowedAccount(account, around),
        Holding(
            limit=settings.streams_limit,
            ttl_seconds=settings.stream_lease_seconds,
            interval_seconds=settings.stream_interval_seconds,
        ),
        nudged,
    )
    process.on_drain(keeper.drain, "stream leases")
    process.spawn("streams", keeper.run())
    return marks, keeper


if __name__ == "__main__":
    main()
