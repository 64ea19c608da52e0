"""`python -m services.positions serve|migrate|rotate-keys`: wiring only."""

import asyncio
import sys
from datetime import timedelta
from functools import partial

from services.common.bus import Bus
from services.common.clock import SystemClock
from services.common.database import create_engine, watch_database
from services.common.exchange.reader import VenueReader
from services.common.exchange.venues import ExchangeSettings, open_venues
from services.common.migration import migrate
from services.common.process import Process, run
from services.common.relay import Relay
from services.common.server import GrpcServer
from services.common.subjects import all_users, all_users_ephemeral
from services.common.telemetry import configure_logging
from services.positions.access import ACCESS
from services.positions.commands.accounts import AccountCommands
from services.positions.commands.decisions import DecisionCommands
from services.positions.commands.fills import FillCommands
from services.positions.commands.journal import Journal
from services.positions.commands.levels import LevelCommands
from services.positions.commands.openings import OpeningCommands
from services.positions.commands.rotation import rotate_keys
from services.positions.config import PositionsSettings
from services.positions.custody import Custodian
from services.positions.events import forget, hear_account_changes, hear_heartbeats
from services.positions.guards import Guards
from services.positions.keys import KeptKeys
from services.positions.queries.books import BookQueries
from services.positions.queries.documents import DocumentQueries
from services.positions.queries.live import LiveQueries
from services.positions.queries.observation import ObservationQueries
from services.positions.readings import AccountReadings
from services.positions.rpc import accounts, history, live, observation, positions


def main() -> None:
    """Read the settings and do what the command says."""
    settings = PositionsSettings.load()
    match sys.argv[1:]:
        case ["migrate"]:
            configure_logging(settings.service, settings.log_level)
            migrate(settings, "services.positions")
        case ["serve"]:
            run(settings, partial(serve, settings))
        case ["rotate-keys"]:
            configure_logging(settings.service, settings.log_level)
            asyncio.run(rotate(settings))
        case _:
            raise SystemExit("usage: python -m services.positions serve|migrate|rotate-keys")


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
    guards = Guards(timedelta(seconds=settings.heartbeat_max_age_seconds))
    heartbeats = bus.subscribe_ephemeral(
        [all_users_ephemeral("monitor", "guard_heartbeat")], hear_heartbeats(guards, clock)
    )
    process.spawn("heartbeats", heartbeats.run())

    venues_context = open_venues(
        ExchangeSettings(mode=settings.exchange_mode, sandbox_url=settings.exchange_sandbox_url), now=clock.now
    )
    venues = await venues_context.__aenter__()
    process.on_drain(partial(venues_context.__aexit__, None, None, None), "venues")
    reader = VenueReader(venues)
    keys = KeptKeys(engine, custodian, clock)
    readings = AccountReadings(reader, keys, clock, timedelta(seconds=settings.reading_max_age_seconds))
    changes = bus.follow(
        [all_users("positions", "account_changed")],
        hear_account_changes(keys.drop, readings.drop),
        on_gap=forget(keys.drop_all),
    )
    process.spawn("account changes", changes.run())

    journal = Journal(engine, relay.notify)
    account_commands = AccountCommands(
        journal, reader, custodian, readings, clock, timedelta(seconds=settings.credential_lease_seconds), keys
    )
    books = BookQueries(engine, clock)
    services = [
        accounts.registration(accounts.AccountsRpc(account_commands)),
        positions.registration(
            positions.PositionsRpc(
                books,
                LevelCommands(journal, readings, clock),
                FillCommands(journal, readings, clock),
                OpeningCommands(journal, readings, clock),
                DocumentQueries(engine),
                clock,
            )
        ),
        live.registration(live.LiveRpc(LiveQueries(engine, readings, guards, clock))),
        history.registration(history.HistoryRpc(books)),
        observation.registration(
            observation.ObservationRpc(
                ObservationQueries(engine, readings, reader, keys), DecisionCommands(journal, readings, clock)
            )
        ),
    ]
    server = GrpcServer(settings, services, ACCESS, process.health, process.instruments)
    await server.start()
    process.on_drain(server.drain, "grpc")
    for service in services:
        process.health.set(service.full_name, True)


if __name__ == "__main__":
    main()
