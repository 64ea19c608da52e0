"""`python -m services.gateway serve|migrate|check-config`: wiring, and nothing else."""

import asyncio
from functools import partial

import structlog

from services.common.bus import Bus
from services.common.channels import open_channel
from services.common.clock import Clock, SystemClock
from services.common.command_line import run_command
from services.common.database import create_engine, watch_database
from services.common.errors import DatabaseUnavailable
from services.common.process import Process
from services.gateway.clients import (
    GrpcHealth,
    HeardVenues,
    MonitorClient,
    PositionsClient,
    ReconcilerClient,
    SharingLive,
    VenuesClient,
    WatchingLive,
)
from services.gateway.config import GatewaySettings
from services.gateway.events import MARK_SUBJECTS, SUBJECTS, Facts, Replay, telling_watched
from services.gateway.http.app import Parts, create_app
from services.gateway.http.identity import SharedSecret, SigningKeys, TokenVerifier
from services.gateway.http.limits import Limit, RateLimits
from services.gateway.http.observation import HttpInstruments
from services.gateway.http.server import HttpServer
from services.gateway.http.status import StatusBoard
from services.gateway.hub import Hub
from services.gateway.jwks import HttpKeySource, PublishedKeys
from services.gateway.own import OwnStateReader
from services.gateway.store import PostgresWriteLog
from services.gateway.stream import EventStream, SocketInstruments
from services.gateway.watching import UserWatch

_log = structlog.get_logger(__name__)

HEALTH = "gateway.http"
_POSITIONS = [
    "positions.v1.AccountsService",
    "positions.v1.PositionsService",
    "positions.v1.LivePositionsService",
    "positions.v1.HistoryService",
    "positions.v1.ObservationService",
    "venue.v1.VenueStatusService",
]
_RECONCILER = ["reconciler.v1.ReconcilerService", "reconciler.v1.Schedule"]
_MONITOR = [
    "monitor.v1.MonitorService",
    "monitor.v1.AlertsService",
    "monitor.v1.EvaluationsService",
    "monitor.v1.FlowService",
    "monitor.v1.PausesService",
    "venue.v1.VenueStatusService",
]
_FORGET_SECONDS = 3600.0


async def serve(settings: GatewaySettings, process: Process) -> None:
    """Wire the gateway and start it."""
    process.health.declare(HEALTH)
    clock = SystemClock()
    engine = create_engine(
        settings.database_url,
        settings.service,
        settings.database_pool_size,
        statement_timeout_seconds=settings.database_statement_timeout_seconds,
    )
    process.on_drain(engine.dispose)
    process.spawn("database watch", watch_database(engine, process.health, process.instruments))
    write_log = PostgresWriteLog(engine, clock)
    process.attend("forget old keys", partial(forget_old_keys, write_log))

    positions = open_channel(settings, settings.positions_target, "positions", process.instruments)
    reconciler = open_channel(settings, settings.reconciler_target, "reconciler", process.instruments)
    monitor = open_channel(settings, settings.monitor_target, "monitor", process.instruments)
    for channel in (positions, reconciler, monitor):
        process.on_drain(channel.close, f"channel to {channel.service}")

    hub = Hub(settings.socket_backlog, per_user=settings.sockets_per_user)
    facts = Facts(hub)
    bus = Bus(settings, settings.service, process.instruments)
    process.spawn("bus", bus.run())
    follower = bus.follow(SUBJECTS, facts.handle, on_gap=facts.missed)
    process.spawn("facts", follower.run())
    process.spawn("marks", bus.subscribe_ephemeral(MARK_SUBJECTS, facts.handle_mark).run())
    watch = UserWatch(lambda: hub.users, telling_watched(bus.publish_ephemeral, clock))
    process.attend("watched users", watch.run)

    venues = {
        channel.service: HeardVenues(channel.service, VenuesClient(channel), clock) for channel in (positions, monitor)
    }
    for service, heard in venues.items():
        process.spawn(f"venues of {service}", bus.subscribe_ephemeral(heard.subjects, heard.hear).run())

    def place() -> int:
        return max(0, follower.place - 1)

    verifier = TokenVerifier(
        signing_keys(settings, clock), issuer=settings.jwt_issuer, audience=settings.jwt_audience, clock=clock
    )
    minder = MonitorClient(monitor, close_timeout_seconds=settings.close_timeout_seconds)
    books = PositionsClient(positions, key_timeout_seconds=settings.key_timeout_seconds)
    app = create_app(
        Parts(
            live=WatchingLive(SharingLive(books), watch.looked),
            books=books,
            transactions=books,
            history=books,
            accounts=books,
            reconciliation=ReconcilerClient(reconciler, sync_timeout_seconds=settings.sync_timeout_seconds),
            closing=minder,
            opening=minder,
            alerts=minder,
            flows=minder,
            evaluations=minder,
            pauses=minder,
            venues=venues,
            board=StatusBoard(
                {
                    "positions": GrpcHealth(positions, _POSITIONS),
                    "reconciler": GrpcHealth(reconciler, _RECONCILER),
                    "monitor": GrpcHealth(monitor, _MONITOR),
                },
                clock,
            ),
            verifier=verifier,
            limits=RateLimits(Limit("reads", settings.rate_limit_reads), Limit("writes", settings.rate_limit_writes)),
            write_log=write_log,
            audit=write_log,
            own=OwnStateReader(hub, bus, process.health, replica=process.replica, place=place),
            stream=EventStream(
                hub,
                verifier,
                Replay(bus, limit=settings.socket_replay_limit),
                clock,
                place=place,
                auth_seconds=settings.socket_auth_seconds,
                stall_seconds=settings.socket_stall_seconds,
                instruments=SocketInstruments(process.instruments.registry),
            ),
            clock=clock,
            instruments=HttpInstruments(process.instruments.registry),
            cors_origins=settings.cors_origins,
            demo_token=settings.gateway_demo_token,
        )
    )
    server = HttpServer(
        app,
        host=settings.gateway_host,
        port=settings.gateway_port,
        ping_seconds=settings.socket_ping_seconds,
        drain_seconds=max(1, int(settings.drain_timeout_seconds / 2)),
    )
    host, port = server.bind()
    served = process.spawn("http", server.run(partial(process.health.set, HEALTH, True)))

    async def drain() -> None:
        hub.close()
        server.drain()
        await asyncio.wait([served])

    process.on_drain(drain, "http")
    _log.info("http serving", address=f"{host}:{port}")


def signing_keys(settings: GatewaySettings, clock: Clock) -> SigningKeys:
    """The keys that tokens are signed with, wherever the settings say that they are."""
    if settings.jwt_secret is not None:
        return SharedSecret(settings.jwt_secret)
    return PublishedKeys(
        HttpKeySource(settings.jwt_jwks_url or ""),
        clock,
        fresh_seconds=settings.jwks_fresh_seconds,
        spacing_seconds=settings.jwks_spacing_seconds,
        stale_seconds=settings.jwks_stale_seconds,
    )


async def forget_old_keys(write_log: PostgresWriteLog) -> None:
    """Delete idempotency keys that promise nothing any more, each hour; runs until it is cancelled."""
    while True:
        try:
            await write_log.forget_old_keys()
        except DatabaseUnavailable as error:
            _log.info("old keys wait", reason=error.reason)
        await asyncio.sleep(_FORGET_SECONDS)


def main() -> None:
    """Do what the command line says."""
    run_command(GatewaySettings, serve)


if __name__ == "__main__":
    main()
