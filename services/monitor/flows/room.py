"""Puts the rooms of opening and of flows together."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog
from prometheus_client import Gauge
from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.bus import Bus
from services.common.channels import ServiceChannel
from services.common.clock import Clock
from services.common.errors import DomainError
from services.common.exchange.orders.market_orders import VenueOrders
from services.common.exchange.reader import VenueReader
from services.common.process import Process
from services.common.relay import Relay
from services.monitor.carrying.reporting import Reminder, Reporter
from services.monitor.carrying.timing import Timing
from services.monitor.carrying.work import Claims
from services.monitor.clients.openings import PositionsOpenings
from services.monitor.closing.ports import TradingKeys
from services.monitor.config import MonitorSettings
from services.monitor.domain.opening import Opening
from services.monitor.domain.position import Position
from services.monitor.events.executions import FOLLOWED
from services.monitor.events.told import account_stirred
from services.monitor.flows.care import Care
from services.monitor.flows.executions import Executions
from services.monitor.flows.following import ExecutionFollower
from services.monitor.flows.ports import Closes
from services.monitor.flows.store import PostgresExecutions
from services.monitor.flows.watching import Watching
from services.monitor.opening.manual import ManualOpens
from services.monitor.opening.opener import Opener
from services.monitor.opening.parts import OpeningParts
from services.monitor.opening.planning import Planner
from services.monitor.opening.ports import OpenGate, OpeningGate
from services.monitor.opening.reporting import is_news
from services.monitor.opening.store import PostgresOpenings
from services.monitor.partitions.holding import fence

_log = structlog.get_logger(__name__)

_DRAIN_SECONDS = 3.0
"""With what closings and calls may take, less than a process has to drain: its partitions are to be handed over."""

_PRUNE_SECONDS = 3600.0
_CONSUMER = "monitor-executions"


@dataclass(frozen=True, slots=True)
class World:
    """What the rooms are built on."""

    settings: MonitorSettings
    engine: AsyncEngine
    bus: Bus
    relay: Relay
    positions: ServiceChannel
    reader: VenueReader
    orders: VenueOrders
    keys: TradingKeys
    claims: Claims
    clock: Clock
    timing: Timing
    closes: Closes


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the server answers from."""

    opens: ManualOpens
    books: PositionsOpenings
    executions: Executions


def build(process: Process, world: World, gate: OpeningGate | None = None) -> Rooms:
    """Build both rooms and spawn their work."""
    settings, clock = world.settings, world.clock
    books = PositionsOpenings(world.positions)
    store = PostgresExecutions(world.engine, lambda: _told(world.relay, watching))
    watching = Watching(store)
    openings = PostgresOpenings(world.engine, fence, store.witness, lambda: _told(world.relay, watching))
    planner = Planner(books, world.reader, world.orders, world.keys, gate or OpenGate())
    parts = OpeningParts(
        openings=openings,
        orders=world.orders,
        books=books,
        planner=planner,
        keys=world.keys,
        clock=clock,
        pause=asyncio.sleep,
        timing=world.timing,
        unresolved_after=timedelta(seconds=settings.open_unresolved_seconds),
        stir=lambda opening: world.bus.publish_ephemeral(
            *account_stirred(opening.user_id, opening.wish.account_id, opening.plan.venue, clock.now())
        ),
    )
    care = Care(
        store, openings, books, world.closes, world.claims, clock, check_seconds=settings.executions_check_seconds
    )

    def on_booked(opening: Opening, position: Position) -> None:
        if opening.execution_id is not None and not position.is_open:
            care.look(position.position_id)

    patience = timedelta(seconds=settings.open_patience_seconds)
    reporter = Reporter(books.record_order)
    reporter.start(process, "orders that opened nothing yet")

    reminder = Reminder(openings.unfilled, reporter.tell, world.claims)
    process.attend("orders that opened nothing told again", reminder.run)

    def on_progress(opening: Opening) -> None:
        if is_news(opening):
            reporter.tell(opening)

    opener = Opener(parts, world.claims, patience=patience, on_booked=on_booked, on_progress=on_progress)
    Gauge(
        "tandem_openings_unresolved", "Openings whose order's fate is not known.", registry=process.instruments.registry
    ).set_function(lambda: opener.unresolved)
    process.on_drain(lambda: opener.drain(_DRAIN_SECONDS), "openings")
    process.on_drain(care.drain, "executions")
    follower = ExecutionFollower(store, openings, clock)
    process.spawn("openings", opener.run())
    process.spawn("executions", care.run())
    process.attend("execution watchers", watching.run)
    process.attend("pruned openings", partial(_prune, openings, clock, timedelta(days=settings.intents_kept_days)))
    process.spawn("execution facts", world.bus.subscribe_durable(_CONSUMER, FOLLOWED, follower).run())
    opens = ManualOpens(openings, planner, opener, wait_seconds=settings.open_wait_seconds)
    return Rooms(opens, books, Executions(store, planner, opener, openings, watching, care, clock))


async def _prune(openings: PostgresOpenings, clock: Clock, kept: timedelta) -> None:
    """Forget openings that have been over for long; executions stay."""
    while True:
        try:
            await openings.prune(clock.now() - kept)
        except DomainError as error:
            _log.info("openings not pruned", reason=error.reason)
        await asyncio.sleep(_PRUNE_SECONDS)


def _told(relay: Relay, watching: Watching) -> None:
    relay.notify()
    watching.wake()
