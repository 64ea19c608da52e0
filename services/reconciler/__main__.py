"""`python -m services.reconciler serve|migrate|check-config`: wiring, and nothing else."""

import os
import socket
from datetime import timedelta
from functools import partial

from services.common.bus import Bus
from services.common.channels import open_channel
from services.common.clock import SystemClock
from services.common.command_line import run_command
from services.common.database import create_engine, watch_database
from services.common.process import Process
from services.common.relay import Relay
from services.common.server import GrpcServer
from services.reconciler.clients.positions import PositionsObservatory
from services.reconciler.commands import Cadence, ConfirmAbsence, Reconciliation, SyncUser
from services.reconciler.config import ReconcilerSettings
from services.reconciler.domain.absence import AbsencePolicy
from services.reconciler.domain.run import AccountRun
from services.reconciler.events import (
    ACCOUNT_CHANGED,
    ACCOUNT_STIRRED,
    AccountEvents,
    Prompts,
    announce,
    watch_accounts,
)
from services.reconciler.examination import Examination
from services.reconciler.metrics import Metrics
from services.reconciler.queries import HistoryQuery, StatusQuery
from services.reconciler.rpc import ACCESS, SERVICE, ReconcilerRpc, registration
from services.reconciler.schedule import Schedule
from services.reconciler.store.accounts import AccountStore
from services.reconciler.store.confirmations import ConfirmationStore
from services.reconciler.store.history import HistoryStore
from services.reconciler.store.runs import RunStore
from services.reconciler.upkeep import measure, prune

SCHEDULE = "reconciler.v1.Schedule"
"""The health name of the schedule: it serves once the first pass has begun."""

_APPLYING_SECONDS = 25
"""What a run may take beyond its longest wait for a venue."""


async def serve(settings: ReconcilerSettings, process: Process) -> None:
    """Start everything, in the order in which it is needed."""
    health, instruments, clock = process.health, process.instruments, SystemClock()
    interval = timedelta(seconds=settings.reconcile_interval_seconds)
    # Positions is another service: readiness must not wait for it.
    health.declare(SCHEDULE, readiness=False)
    health.declare(SERVICE)

    engine = create_engine(
        settings.database_url,
        settings.service,
        settings.database_pool_size,
        statement_timeout_seconds=settings.database_statement_timeout_seconds,
    )
    process.on_drain(engine.dispose, "database")
    process.spawn("database health", watch_database(engine, health, instruments))
    bus = Bus(settings, settings.service, instruments)
    process.spawn("bus", bus.run())
    relay = Relay(engine, bus, instruments)
    process.spawn("relay", relay.run())
    channel = open_channel(settings, settings.positions_target, "positions", instruments)
    process.on_drain(channel.close, "channel to positions")

    observatory = PositionsObservatory(channel, settings.reconcile_observe_timeout_seconds)
    accounts, runs, history = AccountStore(engine), RunStore(engine), HistoryStore(engine)
    metrics = Metrics(instruments.registry)

    def run_finished(run: AccountRun | None) -> None:
        if run is not None:
            metrics.count(run)
        relay.notify()
        schedule.wake()

    cadence = Cadence(
        interval=interval,
        lease=timedelta(seconds=settings.reconcile_lease_seconds),
        recheck=timedelta(seconds=settings.reconcile_recheck_seconds),
        longest_run=timedelta(seconds=settings.reconcile_observe_timeout_seconds + _APPLYING_SECONDS),
        patience=timedelta(seconds=settings.reconcile_fills_lag_seconds),
        degraded_window=timedelta(seconds=settings.reconcile_degraded_window_seconds),
        degraded_share=settings.reconcile_degraded_share,
    )
    policy = AbsencePolicy(
        spacing=timedelta(seconds=settings.reconcile_absence_spacing_seconds),
        confirmations=settings.reconcile_absence_confirmations,
        fills_lag=timedelta(seconds=settings.reconcile_fills_lag_seconds),
    )

    reconciliation = Reconciliation(
        examination=Examination(observatory, policy, runs.expect_exits),
        accounts=accounts,
        runs=runs,
        clock=clock,
        owner=f"{socket.gethostname()}:{os.getpid()}",
        cadence=cadence,
        announce=announce,
        finished=run_finished,
    )
    schedule = Schedule(
        observatory=observatory,
        accounts=accounts,
        reconciliation=reconciliation,
        clock=clock,
        refresh_every=timedelta(seconds=settings.reconcile_refresh_seconds),
        concurrency=settings.reconcile_concurrency,
        pace=timedelta(seconds=settings.reconcile_pace_seconds),
        begun=lambda: health.set(SCHEDULE, True),
    )
    process.on_drain(lambda: reconciliation.drain(settings.drain_timeout_seconds / 2), "runs under way")
    process.spawn("leases", reconciliation.keep_leases())
    process.spawn("schedule", schedule.run())
    consumer = bus.subscribe_durable("reconciler-accounts", [ACCOUNT_CHANGED], AccountEvents(schedule))
    process.spawn("account events", watch_accounts(consumer, schedule))

    process.spawn("prompts", bus.subscribe_ephemeral(ACCOUNT_STIRRED, Prompts(schedule)).run())

    status = StatusQuery(history, clock, interval, lambda: schedule.is_running)
    retention = timedelta(days=settings.reconcile_retention_days)
    process.attend("retention", partial(prune, runs, clock, retention, settings.reconcile_prune_seconds))
    process.attend("measurements", partial(measure, status, metrics))
    servicer = ReconcilerRpc(
        SyncUser(observatory=observatory, accounts=accounts, reconciliation=reconciliation, clock=clock),
        status,
        HistoryQuery(history),
        ConfirmAbsence(ConfirmationStore(engine), accounts, clock),
    )
    server = GrpcServer(settings, [registration(servicer)], ACCESS, health, instruments)
    await server.start()
    process.on_drain(server.drain, "gRPC server")
    health.set(SERVICE, True)


def main() -> None:
    """Do what the command line says."""
    run_command(ReconcilerSettings, serve)


if __name__ == "__main__":
    main()
