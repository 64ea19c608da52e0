"""MonitorService over mutual TLS: who may call, whose position it is, and errors that arrive as what they are."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from deploy.local.certificates import CertificateFiles
from protos.monitor.v1.monitor_pb2 import ClosePositionRequest, ClosePositionResponse
from protos.monitor.v1.monitor_pb2_grpc import MonitorServiceStub
from protos.positions.v1 import types_pb2
from services.common.channels import open_channel
from services.common.errors import CallerRefused, FieldInvalid, PositionAlreadyClosed, PositionNotFound
from services.common.health import HealthRegistry
from services.common.server import GrpcServer
from services.common.telemetry import Instruments
from services.monitor.config import MonitorSettings
from services.monitor.domain.errors import CloseRejected
from services.monitor.opening.manual import ManualOpens
from services.monitor.rpc.trading import ACCESS, registrations
from tests.fakes.orders import Answer
from tests.unit.monitor.opening_world import OpeningWorld
from tests.unit.monitor.replica import Monitor


@dataclass(frozen=True)
class CallerSettings:
    tls_cert_file: Path
    tls_key_file: Path
    tls_ca_file: Path
    rpc_timeout_seconds: float = 10


class NoBooks:
    """Nothing that was opened is asked for here."""

    async def read(self, user_id: str, position_id: str) -> types_pb2.Position:
        raise PositionNotFound(position_id=position_id)


def nobody_opens() -> ManualOpens:
    """Nothing is opened here."""
    world = OpeningWorld()
    parts = world.parts()
    return ManualOpens(world.openings, parts.planner, world.opener(parts), wait_seconds=1)


@pytest.fixture
def monitor() -> Monitor:
    return Monitor(Answer.FILTERED)


@pytest.fixture
async def target(monitor: Monitor, settings: MonitorSettings) -> AsyncIterator[str]:
    instruments = Instruments(CollectorRegistry())
    server = GrpcServer(
        settings, registrations(monitor.manual, nobody_opens(), NoBooks()), ACCESS, HealthRegistry(), instruments
    )
    _, port = await server.start()
    yield f"ipv4:127.0.0.1:{port}"
    await server.drain(0)
    await monitor.settle()


async def close(
    target: str, caller: CertificateFiles, user_id: str, position_id: str, request_id: str, quantity: str = ""
) -> ClosePositionResponse:
    settings = CallerSettings(caller.certificate, caller.key, caller.authority)
    async with open_channel(settings, target, "monitor", Instruments(CollectorRegistry())) as channel:
        request = ClosePositionRequest(
            user_id=user_id, position_id=position_id, request_id=request_id, quantity=quantity
        )
        answer: ClosePositionResponse = await MonitorServiceStub(channel).ClosePosition(request)
        return answer


async def test_a_close_and_all_that_can_be_said_about_it(
    target: str, monitor: Monitor, certificates: dict[str, CertificateFiles]
) -> None:
    gateway, position_id = certificates["gateway"], monitor.position.position_id
    with pytest.raises(CloseRejected):
        await close(target, gateway, "demo", position_id, "r1")
    closed = await close(target, gateway, "demo", position_id, "r2")
    assert (closed.position_id, closed.exit_price, closed.quantity) == (position_id, "64000", "0.002")
    assert await close(target, gateway, "demo", position_id, "r2") == closed
    with pytest.raises(PositionAlreadyClosed):
        await close(target, gateway, "demo", position_id, "r3")
    with pytest.raises(FieldInvalid):
        await close(target, gateway, "demo", position_id, "")


async def test_another_user_has_no_such_position(
    target: str, monitor: Monitor, certificates: dict[str, CertificateFiles]
) -> None:
    with pytest.raises(PositionNotFound):
        await close(target, certificates["gateway"], "another", monitor.position.position_id, "r1")
    assert not monitor.intents.rows


async def test_another_user_does_not_get_at_a_close_by_its_request_id(
    target: str, monitor: Monitor, certificates: dict[str, CertificateFiles]
) -> None:
    monitor.venue.answers.clear()
    await close(target, certificates["gateway"], "demo", monitor.position.position_id, "r1")
    with pytest.raises(PositionNotFound):
        await close(target, certificates["gateway"], "another", monitor.position.position_id, "r1")


@pytest.mark.parametrize("quantity", ["much", "0", "-1", "NaN", "1"])
async def test_a_part_that_cannot_be_closed(
    quantity: str, target: str, monitor: Monitor, certificates: dict[str, CertificateFiles]
) -> None:
    with pytest.raises(FieldInvalid):
        await close(target, certificates["gateway"], "demo", monitor.position.position_id, "r1", quantity)
    assert not monitor.intents.rows


@pytest.mark.parametrize("caller", ["positions", "reconciler", "operator", "monitor"])
async def test_only_the_gateway_may_call(
    caller: str, target: str, monitor: Monitor, certificates: dict[str, CertificateFiles]
) -> None:
    with pytest.raises(CallerRefused):
        await close(target, certificates[caller], "demo", monitor.position.position_id, "r1")
    assert not monitor.intents.rows
