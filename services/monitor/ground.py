"""What every room of the monitor stands on: its engines, the venues, the books, and the partitions that it holds."""

import uuid
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.bus import Bus
from services.common.channels import ServiceChannel, open_channel
from services.common.clock import Clock, SystemClock
from services.common.database import create_engine, watch_database
from services.common.exchange.orders.market_orders import VenueOrders
from services.common.exchange.reader import VenueReader
from services.common.exchange.venues import Venues
from services.common.process import Process
from services.common.relay import Relay
from services.common.trading.side import Venue
from services.common.venues import reach_venues
from services.monitor.clients.positions import PositionsBooks, PositionsKeys
from services.monitor.closing.keys import KeyRing
from services.monitor.config import MonitorSettings
from services.monitor.metrics import Metrics
from services.monitor.partitions.holding import PartitionHolder


@dataclass(frozen=True, slots=True)
class Ground:
    """One process's own. `owner` is its name among the replicas."""

    settings: MonitorSettings
    process: Process
    clock: Clock
    owner: str
    engine: AsyncEngine
    bus: Bus
    relay: Relay
    positions: ServiceChannel
    venues: Venues
    reader: VenueReader
    orders: VenueOrders
    books: PositionsBooks
    keys: KeyRing
    holder: PartitionHolder
    metrics: Metrics


async def lay_ground(settings: MonitorSettings, process: Process) -> Ground:
    """Open everything; the process's drain closes it, after all that stands on it."""
    clock = SystemClock()
    owner = f"monitor-{uuid.uuid4().hex[:12]}"
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
    shares = dict.fromkeys(Venue, settings.venue_share)
    venues = await reach_venues(settings.service, settings, process, bus, clock, shares)
    holder = PartitionHolder(
        engine,
        owner,
        ttl_seconds=settings.partition_ttl_seconds,
        interval_seconds=settings.partition_interval_seconds,
    )
    process.on_drain(holder.release, "partitions")
    return Ground(
        settings=settings,
        process=process,
        clock=clock,
        owner=owner,
        engine=engine,
        bus=bus,
        relay=relay,
        positions=positions,
        venues=venues,
        reader=VenueReader(venues),
        orders=VenueOrders(venues),
        books=PositionsBooks(positions),
        keys=KeyRing(PositionsKeys(positions), clock),
        holder=holder,
        metrics=Metrics(process.instruments.registry, clock),
    )
