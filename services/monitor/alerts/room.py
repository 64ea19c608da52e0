"""Builds the room of alerts and starts its work."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.bus import Bus, Received
from services.common.channels import ServiceChannel
from services.common.clock import Clock
from services.common.errors import DomainError
from services.common.exchange.prices import PriceReader
from services.common.process import Process, Work
from services.common.relay import Relay
from services.common.server import Registration
from services.common.trading.side import Venue
from services.monitor.alerts.commands import AlertCommands
from services.monitor.alerts.delivering import Delivering
from services.monitor.alerts.liquidations import Liquidations
from services.monitor.alerts.metrics import Metrics
from services.monitor.alerts.minding import Minding
from services.monitor.alerts.posting import Poster, resolve
from services.monitor.alerts.rows import Told
from services.monitor.alerts.stops import Stops
from services.monitor.alerts.store import PostgresAlerts
from services.monitor.alerts.telling import Teller
from services.monitor.alerts.watches import PostgresWatches
from services.monitor.alerts.watching import Watching
from services.monitor.alerts.webhooks import Webhooks
from services.monitor.alerts.writing import Writing
from services.monitor.clients.live import UserPositions
from services.monitor.clients.positions import PositionsBooks
from services.monitor.config import MonitorSettings
from services.monitor.domain.alert import Alert
from services.monitor.domain.position import Instrument, Position
from services.monitor.domain.price_check import Price
from services.monitor.events.alerts import CHANGED, CONSUMER, FACTS, changed_subject, read_fact
from services.monitor.events.followed import FOLLOWED, FactHandler
from services.monitor.partitions.holding import PartitionHolder, fence
from services.monitor.rpc.alerts import FULL_NAME, registration

_log = structlog.get_logger(__name__)

_MIND_SECONDS = 1.0
_LIQUIDATION_SECONDS = 5.0
_POLL_SECONDS = 1.0
_PRUNE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the rest of the monitor gives the room."""

    engine: AsyncEngine
    bus: Bus
    relay: Relay
    positions: ServiceChannel
    reader: PriceReader
    holder: PartitionHolder
    clock: Clock
    price_of: Callable[[Instrument], Price | None]
    watermark_of: Callable[[str], Decimal | None]
    enforced: Callable[[], tuple[Position, ...]]
    on_symbols: Callable[[Mapping[Venue, frozenset[str]]], None]


@dataclass(frozen=True, slots=True)
class Room:
    """`on_price` takes each checked price; `registration` is what the server serves."""

    on_price: Callable[[Price], None]
    registration: Registration


class _Told:
    """After a commit: what was told is counted, published and posted. Its parts are made after the teller."""

    def __init__(self, notify: Callable[[], None]) -> None:
        self._notify = notify
        self.metrics: Metrics
        self.delivering: Delivering

    def __call__(self, alerts: Sequence[Alert]) -> None:
        if alerts:
            self.metrics.told(alerts)
            self._notify()
            self.delivering.nudge()


def build(settings: MonitorSettings, process: Process, around: Surroundings) -> Room:
    """Make the room and start its work, which the process's drain ends."""
    process.health.declare(FULL_NAME, readiness=False)
    clock, engine = around.clock, around.engine
    unasked = Decimal(str(settings.liquidation_near_percent)) or None
    waits = asyncio.Event()
    watching = Watching(
        clock,
        around.price_of,
        waits.set,
        around.on_symbols,
        longest_gap=timedelta(seconds=settings.price_gap_seconds),
        unasked=unasked,
    )
    store, told = PostgresAlerts(engine, settings.alerts_per_user), _Told(around.relay.notify)
    teller = Teller(engine, fence, told)
    users = UserPositions(around.positions)
    minding = Minding(
        watching,
        store,
        PostgresWatches(engine),
        users,
        around.reader,
        around.holder,
        clock,
        around.enforced,
        waits.set,
        relist=timedelta(seconds=settings.alerts_relist_seconds),
    )
    writing = Writing(watching, teller, around.holder, clock, minding.reload, waits)
    told.metrics = Metrics(process.instruments.registry, lambda: len(watching), lambda: len(watching.owed))
    key = settings.webhook_key.get_secret_value() if settings.webhook_key else None
    loopback = settings.webhook_loopback
    webhooks = Webhooks(engine, clock, key, resolve, loopback=loopback)
    told.delivering = Delivering(
        webhooks,
        Poster(clock, resolve, loopback=loopback, timeout_seconds=settings.webhook_timeout_seconds),
        told.metrics.deliveries,
        concurrency=settings.webhook_concurrency,
        attempt_seconds=settings.webhook_timeout_seconds,
        poll_seconds=_POLL_SECONDS,
    )
    stops = Stops(
        watching,
        teller,
        around.holder,
        clock,
        around.watermark_of,
        between=timedelta(seconds=settings.stop_moved_seconds),
    )
    news = _News(minding, stops, around.bus, around.holder.owner)
    commands = AlertCommands(
        store, PositionsBooks(around.positions), around.reader, clock, around.price_of, news.changed
    )
    liquidations = Liquidations(
        watching,
        users,
        clock,
        around.price_of,
        between=timedelta(seconds=settings.liquidation_seconds),
        unasked=unasked is not None,
    )
    followed = around.bus.follow(FOLLOWED, FactHandler(watching.positions.apply, lambda _: None), on_gap=minding.relist)
    facts = _FactHandler(teller, clock, news.changed)
    work: dict[str, Work] = {
        "alerts": partial(minding.run, _MIND_SECONDS),
        "alerts looked back": partial(minding.look_back_again, _MIND_SECONDS),
        "alerts written": writing.run,
        "positions of alerts": followed.run,
        "facts of alerts": around.bus.subscribe_durable(CONSUMER, FACTS, facts).run,
        "changed alerts": around.bus.subscribe_ephemeral([CHANGED], news.hear).run,
        "alerts of stops": partial(stops.run, _MIND_SECONDS),
        "alerts of liquidations": partial(liquidations.run, _LIQUIDATION_SECONDS),
        "webhooks": told.delivering.run,
        "alerts pruned": partial(
            _prune,
            store,
            webhooks,
            clock,
            timedelta(days=settings.alerts_kept_days),
            timedelta(days=settings.deliveries_kept_days),
        ),
    }
    for name, begin in work.items():
        process.attend(name, begin)
    return Room(watching.on_price, registration(commands, store, webhooks))


class _News:
    """Tells every replica, this one first, whose alerts have changed."""

    def __init__(self, minding: Minding, stops: Stops, bus: Bus, owner: str) -> None:
        self._minding = minding
        self._stops = stops
        self._bus = bus
        self._owner = owner

    async def changed(self, user_id: str) -> None:
        """They are committed already: what cannot be read now is read by and by."""
        await self._reload(user_id)
        await self._bus.publish_ephemeral(changed_subject(user_id), f"{self._owner} {user_id}".encode())

    async def hear(self, received: Received) -> None:
        """Another replica has changed somebody's alerts."""
        owner, _, user_id = received.payload.decode().partition(" ")
        if owner != self._owner:
            await self._reload(user_id)

    async def _reload(self, user_id: str) -> None:
        try:
            await self._minding.reload(user_id)
            await self._stops.look()  # where they are now is where they move from
        except DomainError as error:
            _log.info("changed alerts not read", reason=error.reason)
            await self._minding.relist()


class _FactHandler:
    """Tells alerts of what has happened; a fact that is brought again changes nothing."""

    def __init__(self, teller: Teller, clock: Clock, changed: Callable[[str], Coroutine[None, None, None]]) -> None:
        self._teller = teller
        self._clock = clock
        self._changed = changed

    async def __call__(self, received: Received) -> None:
        """Take in one fact. Raises what is unavailable: it is brought again then."""
        fact = read_fact(received)
        if fact is None:
            return
        if isinstance(fact, Told):
            await self._teller.keep(fact)
            return
        told = await self._teller.happened(fact.alert, received.message_id, self._clock.now(), fact.occurred_at)
        if fact.closes:
            await self._teller.closed(fact.closes)
        if told or fact.closes:
            await self._changed(fact.alert.user_id)


async def _prune(
    store: PostgresAlerts, webhooks: Webhooks, clock: Clock, told_kept: timedelta, deliveries_kept: timedelta
) -> None:
    """Forget what was told and delivered long ago."""
    while True:
        try:
            await store.prune(clock.now() - told_kept)
            await webhooks.prune(clock.now() - deliveries_kept)
        except DomainError as error:
            _log.info("alerts not pruned", reason=error.reason)
        await asyncio.sleep(_PRUNE_SECONDS)
