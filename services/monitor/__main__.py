"""`python -m services.monitor serve|migrate|check-config`: wiring only."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import structlog

from services.common.bus import Bus
from services.common.channels import open_channel
from services.common.clock import Clock, SystemClock
from services.common.command_line import run_command
from services.common.database import create_engine, watch_database
from services.common.errors import DomainError, Unavailable
from services.common.exchange.feed import PriceFeed
from services.common.exchange.orders.market_orders import VenueOrders
from services.common.exchange.reader import VenueReader
from services.common.exchange.venues import Venues
from services.common.process import Process
from services.common.relay import Relay
from services.common.server import GrpcServer
from services.common.trading.side import Venue
from services.common.venues import reach_venues
from services.monitor.clients.live import UserPositions
from services.monitor.clients.positions import PositionsBooks, PositionsKeys
from services.monitor.closing.closer import Closer
from services.monitor.closing.keys import KeyRing
from services.monitor.closing.manual import ManualCloses
from services.monitor.closing.parts import Parts
from services.monitor.closing.reporting import Reporter
from services.monitor.closing.store import PostgresIntents
from services.monitor.closing.timing import Timing
from services.monitor.config import MonitorSettings
from services.monitor.domain.position import Position
from services.monitor.domain.price_check import PriceLimits
from services.monitor.domain.triggers.index import BookIndex
from services.monitor.events.followed import FOLLOWED, WATCHED, FactHandler, hear_watched
from services.monitor.events.told import account_stirred, write_mark
from services.monitor.marks.marking import Marking
from services.monitor.marks.watched import WatchedPositions
from services.monitor.partitions.announcing import Announcer
from services.monitor.partitions.guarding import Guarding
from services.monitor.partitions.holding import PartitionHolder, fence
from services.monitor.pauses.store import PostgresPauses
from services.monitor.pauses.switch import PauseSwitch
from services.monitor.prices.wanted import WantedSymbols
from services.monitor.prices.warming import keep_warm
from services.monitor.prices.watch import PriceWatch
from services.monitor.rpc import pauses
from services.monitor.rpc.trading import ACCESS, FULL_NAME, registrations
from services.monitor.triggers.firing import Firing
from services.monitor.triggers.following import LevelFollower
from services.monitor.triggers.keeping import Keeping
from services.monitor.triggers.loading import settle_memory
from services.monitor.triggers.store import PostgresExtremes
from services.monitor.triggers.watermarks import Watermarks

_READINESS_POLL_SECONDS = 0.1
_CLOSING_DRAIN_SECONDS = 6.0
_RETRY_SECONDS = 1.0
_PRUNE_SECONDS = 3600.0

_log = structlog.get_logger(__name__)


def main() -> None:
    """Do what the command line says."""
    run_command(MonitorSettings, serve)


async def serve(settings: MonitorSettings, process: Process) -> None:
    """Start every part. What is registered last is stopped first."""
    clock = SystemClock()
    owner = f"monitor-{uuid.uuid4().hex[:12]}"
    process.health.declare(FULL_NAME, readiness=False)

    engine = create_engine(
        settings.database_url,
        settings.service,
        settings.database_pool_size,
        statement_timeout_seconds=settings.database_statement_timeout_seconds,
    )
    process.on_drain(engine.dispose, "database")
    process.spawn("database watch", watch_database(engine, process.health, process.instruments))
    bus = Bus(settings, settings.service, process.instruments)
    process.spawn("bus", bus.run())
    relay = Relay(engine, bus, process.instruments)
    process.spawn("relay", relay.run())
    positions = open_channel(settings, settings.positions_target, "positions", process.instruments)
    process.on_drain(positions.close, "positions channel")
    venues = await reach_venues(
        settings.service, settings, process, bus, clock, dict.fromkeys(Venue, settings.venue_share)
    )

    reader = VenueReader(venues)
    books = PositionsBooks(positions)
    keys = KeyRing(PositionsKeys(positions), clock)
    holder = PartitionHolder(
        engine,
        owner,
        ttl_seconds=settings.partition_ttl_seconds,
        interval_seconds=settings.partition_interval_seconds,
    )
    process.on_drain(holder.release, "partitions")
    reporter = Reporter(books)
    intents = PostgresIntents(engine, fence, uuid.uuid4)
    parts = Parts(
        intents=intents,
        orders=VenueOrders(venues),
        accounts=reader,
        books=books,
        keys=keys,
        clock=clock,
        pause=asyncio.sleep,
        timing=Timing(
            settling=timedelta(seconds=settings.order_settling_seconds),
            asking=timedelta(seconds=settings.order_asking_seconds),
        ),
        new_id=uuid.uuid4,
        stir=lambda intent: bus.publish_ephemeral(
            *account_stirred(intent.user_id, intent.account_id, intent.venue, clock.now())
        ),
        report=reporter.tell,
    )
    switch = PauseSwitch(PostgresPauses(engine), clock, relay.notify)
    process.spawn("pauses", switch.run())
    closer = Closer(parts, holder, check=switch.check_closing)
    process.on_drain(partial(closer.drain, _CLOSING_DRAIN_SECONDS), "closings")

    index = BookIndex()
    watermarks = Watermarks(timedelta(seconds=settings.price_gap_seconds))
    extremes = PostgresExtremes(engine)
    await _restore(watermarks, extremes)
    firing = Firing(index, closer, holder, clock, watermarks)
    process.on_drain(firing.drain, "triggers")
    limits = PriceLimits(settings.price_step_limit, timedelta(seconds=settings.price_age_limit_seconds))
    watch = PriceWatch(reader, clock, limits, firing.on_price)
    process.on_drain(watch.drain, "prices")
    _feed(process, venues, watch)
    levels = LevelFollower(
        books,
        firing.on_change,
        lambda symbols: wanted.state("levels", symbols),
        relist_seconds=settings.relist_seconds,
    )
    wanted = WantedSymbols(watch.subscribe, levels.by_last)
    watched = WatchedPositions(UserPositions(positions), clock, partial(wanted.state, "marks"))
    marking = Marking(
        *(holder, clock, lambda mark: bus.publish_ephemeral(*write_mark(mark))),
        *(watched.open, watch.last, index.watermark),
    )
    keeping = Keeping(
        watermarks,
        index,
        extremes,
        reader,
        holder,
        clock,
        lambda instrument: price.value if (price := watch.last(instrument)) else None,
        relay.notify,
    )
    facts = bus.follow(FOLLOWED, FactHandler(_each(levels.apply, watched.apply), keys.forget), on_gap=levels.relist)
    process.spawn("facts", facts.run())
    process.spawn("levels", levels.run(facts.started))
    guarding = Guarding(
        holder,
        Announcer(owner, engine, bus.publish_ephemeral, relay, clock),
        positions=levels.positions,
        loaded=lambda: levels.loaded,
        trouble_of_key=keys.trouble,
        trouble_of_price=lambda instrument: watch.trouble(instrument) or watermarks.trouble(instrument),
        trouble_of_position=lambda position: switch.trouble(position) or firing.trouble(position),
        followed=lambda: max(0, facts.place - 1),
    )
    for name, work in {
        "partitions": holder.run(),
        "closings": closer.run(),
        "orders without fills": reporter.run(),
        "recheck": _recheck(watch, firing, settings.recheck_seconds),
        "trading keys": _keep_keys(keys, guarding.accounts, settings.key_check_seconds),
        "order hosts": keep_warm(reader, levels.symbols, settings.order_host_seconds),
        "extremes": keeping.run(settings.extremes_seconds),
        "pruning": _prune(intents, clock, timedelta(days=settings.intents_kept_days)),
        "watched": bus.subscribe_ephemeral([WATCHED], hear_watched(watched.hear)).run(),
        "watched positions": watched.run(settings.marks_seconds),
        "marks": marking.run(settings.marks_seconds),
        "guard": guarding.run(settings.heartbeat_seconds),
    }.items():
        process.spawn(name, work)

    manual = ManualCloses(intents, closer, books, keys, clock, wait_seconds=settings.close_wait_seconds)
    server = GrpcServer(
        settings,
        (*registrations(manual), pauses.registration(switch)),
        {**ACCESS, **pauses.ACCESS},
        process.health,
        process.instruments,
    )
    await server.start()
    process.on_drain(server.drain, "grpc")
    await _watching(levels, watch)
    process.health.set(FULL_NAME, True)


def _each(*told: Callable[[Position], object]) -> Callable[[Position], None]:
    """Tell all of them, in this order."""

    def tell(position: Position) -> None:
        for one in told:
            one(position)

    return tell


def _feed(process: Process, venues: Venues, watch: PriceWatch) -> None:
    """Follow the prices of every venue."""
    for venue in Venue:
        feed = PriceFeed(venues, venue, watch.on_price)
        watch.feeds[venue] = feed
        process.spawn(f"{venue} prices", feed.run())


async def _watching(levels: LevelFollower, watch: PriceWatch) -> None:
    """Return once the levels are known and the prices that they need arrive; what was loaded stays for good."""
    while True:
        needed = frozenset(venue for venue, symbols in levels.symbols().items() if symbols)
        if levels.loaded and watch.up(needed):
            settle_memory()
            return
        await asyncio.sleep(_READINESS_POLL_SECONDS)


async def _recheck(watch: PriceWatch, firing: Firing, interval_seconds: float) -> None:
    """Hold the last prices against the levels again: one may have been set, or a partition taken, since they came."""
    while True:
        await asyncio.sleep(interval_seconds)
        watch.ask_for_quiet()
        for price in watch.current():
            firing.recheck(price)


async def _restore(watermarks: Watermarks, extremes: PostgresExtremes) -> None:
    """Take in the extremes that are kept, as soon as Postgres gives them."""
    while True:
        try:
            watermarks.restore(*await extremes.load())
            return
        except Unavailable as error:
            _log.info("extremes not loaded yet", reason=error.reason)
            await asyncio.sleep(_RETRY_SECONDS)


async def _prune(intents: PostgresIntents, clock: Clock, kept: timedelta) -> None:
    """Forget decisions that have been over for long."""
    while True:
        try:
            await intents.prune(clock.now() - kept)
        except DomainError as error:
            _log.info("intents not pruned", reason=error.reason)
        await asyncio.sleep(_PRUNE_SECONDS)


async def _keep_keys(keys: KeyRing, accounts: Callable[[], frozenset[str]], interval_seconds: float) -> None:
    """Keep a trading key for each account whose levels this replica enforces."""
    while True:
        await keys.keep(accounts())
        await asyncio.sleep(interval_seconds)


if __name__ == "__main__":
    main()
