"""Pauses over a real Postgres: every replica sees them, the user is told, and a stop that is paused does not fire."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.certificates import CertificateFiles
from protos.monitor.v1.events_pb2 import ALERT_KIND_TRADING_PAUSED, AlertTriggered
from protos.monitor.v1.pauses_pb2 import GetPauseRequest, SetPauseRequest
from protos.monitor.v1.pauses_pb2_grpc import PausesServiceStub
from services.common.channels import open_channel
from services.common.database import transaction
from services.common.errors import CallerRefused, FieldInvalid
from services.common.health import HealthRegistry
from services.common.server import GrpcServer
from services.common.telemetry import Instruments
from services.monitor.closing.closer import Closer
from services.monitor.config import MonitorSettings
from services.monitor.domain.pause import (
    CONFIRMATION,
    EVERYBODY,
    ClosingPaused,
    Pause,
    PauseByOperator,
    PauseNotConfirmed,
    PausesUnknown,
)
from services.monitor.pauses.store import PostgresPauses
from services.monitor.pauses.switch import PauseSwitch
from services.monitor.rpc.pauses import ACCESS, registration
from tests.contract.monitor.test_rpc import CallerSettings
from tests.factories import NOON
from tests.fakes.clock import FixedClock
from tests.unit.monitor.replica import Monitor


@pytest.fixture
async def paused(engine: AsyncEngine) -> AsyncEngine:
    """The engine, with no pause set."""
    async with transaction(engine) as connection:
        await connection.execute(text("TRUNCATE pauses"))
    return engine


def switch_on(engine: AsyncEngine) -> PauseSwitch:
    return PauseSwitch(PostgresPauses(engine), FixedClock(NOON), lambda: None)


@asynccontextmanager
async def reading(switch: PauseSwitch) -> AsyncIterator[None]:
    task = asyncio.create_task(switch.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_another_replica_sees_it_and_lets_go_again(paused: AsyncEngine) -> None:
    one, two = switch_on(paused), switch_on(paused)

    async def stopped(wanted: bool) -> None:
        async with asyncio.timeout(10):
            while True:
                try:
                    two.check_closing("ann")
                    if not wanted:
                        return
                except ClosingPaused:
                    if wanted:
                        return
                except PausesUnknown:
                    pass  # it has not read any yet
                await asyncio.sleep(0.01)

    async with reading(one), reading(two):
        await one.set(Pause(EVERYBODY, closing=True, reason="drill", set_by="root"), CONFIRMATION)
        await stopped(wanted=True)
        await one.set(Pause(EVERYBODY, set_by="root"), "")
        await stopped(wanted=False)


async def test_the_user_is_told_once_of_what_changed(paused: AsyncEngine) -> None:
    switch = switch_on(paused)
    for _ in range(2):
        await switch.set(Pause("ann.b", opening=True, reason="tired", set_by="ann.b"), "")
    await switch.set(Pause("ann.b", opening=True, reason="ill", set_by="ann.b"), "")
    assert (await switch.get("ann.b"))[0].reason == "ill"
    await switch.set(Pause("ann.b", set_by="ann.b"), "")
    await switch.set(Pause(EVERYBODY, opening=True, set_by="root"), "")
    async with transaction(paused) as connection:
        rows = await connection.execute(text("SELECT subject, payload FROM outbox ORDER BY place"))
        told = [(row.subject, AlertTriggered.FromString(row.payload)) for row in rows]
    assert {subject for subject, _ in told} == {"monitor.v1.alert_triggered.ann%2Eb"}
    assert [(alert.kind, alert.reason) for _, alert in told] == [
        (ALERT_KIND_TRADING_PAUSED, "opening paused: tired"),
        (ALERT_KIND_TRADING_PAUSED, "opening paused: ill"),
        (ALERT_KIND_TRADING_PAUSED, "trading goes on"),
    ]


async def test_what_an_operator_stops_for_a_user_is_not_the_users_to_let_go_on(paused: AsyncEngine) -> None:
    switch = switch_on(paused)
    await switch.set(Pause("ann", opening=True, reason="under review", set_by="root"), "")
    for wanted in (
        Pause("ann", set_by="ann"),
        Pause("ann", opening=True, closing=True, reason="mine", set_by="ann"),
        Pause("ann", opening=True, reason="mine", set_by="ann"),
    ):
        with pytest.raises(PauseByOperator):
            await switch.set(wanted, CONFIRMATION)
    assert (await switch.get("ann"))[0].reason == "under review"
    await switch.set(Pause("ann", set_by="root"), "")
    await switch.set(Pause("ann", opening=True, set_by="ann"), "")
    await switch.set(Pause("ann", set_by="ann"), "")
    assert not (await switch.get("ann"))[0].opening


async def test_a_stop_that_is_crossed_while_closing_is_paused_fires_when_it_goes_on(paused: AsyncEngine) -> None:
    switch = switch_on(paused)
    monitor = Monitor()
    monitor.closer = Closer(monitor.parts(), monitor, check=switch.check_closing, scan_seconds=0.01)
    monitor.firing._closes = monitor.closer
    user_id = monitor.position.user_id
    await switch.set(Pause(user_id, closing=True, reason="drill", set_by=user_id), CONFIRMATION)
    await monitor.tick("60000")
    assert not monitor.intents.rows
    assert switch.trouble(monitor.position).startswith("CLOSING_PAUSED")

    await switch.set(Pause(user_id, set_by=user_id), "")
    monitor.clock.advance(seconds=2)
    await monitor.tick("60000")
    assert len(monitor.intents.rows) == 1
    assert switch.trouble(monitor.position) == ""


async def test_the_calls(
    paused: AsyncEngine, settings: MonitorSettings, certificates: dict[str, CertificateFiles]
) -> None:
    switch = switch_on(paused)
    server = GrpcServer(settings, (registration(switch),), ACCESS, HealthRegistry(), Instruments(CollectorRegistry()))
    _, port = await server.start()

    def channel(caller: str):  # type: ignore[no-untyped-def]
        files = certificates[caller]
        own = CallerSettings(files.certificate, files.key, files.authority)
        return open_channel(own, f"ipv4:127.0.0.1:{port}", "monitor", Instruments(CollectorRegistry()))

    try:
        async with channel("gateway") as gateway:
            stub = PausesServiceStub(gateway)
            request = SetPauseRequest(user_id="ann", closing_paused=True, reason="drill", set_by="ann")
            with pytest.raises(PauseNotConfirmed):
                await stub.SetPause(request)
            request.confirmation = CONFIRMATION
            assert (await stub.SetPause(request)).pause.closing_paused
            assert (await stub.GetPause(GetPauseRequest(user_id="ann"))).user.reason == "drill"
            other = await stub.GetPause(GetPauseRequest(user_id="bob"))
            assert (other.user.closing_paused, other.everybody.closing_paused) == (False, False)
            with pytest.raises(FieldInvalid):
                await stub.SetPause(SetPauseRequest(user_id="ann"))
        async with channel("reconciler") as reconciler:
            with pytest.raises(CallerRefused):
                await PausesServiceStub(reconciler).GetPause(GetPauseRequest(user_id="ann"))
    finally:
        await server.drain(0)
