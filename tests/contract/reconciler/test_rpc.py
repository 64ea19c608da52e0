"""ReconcilerService over real mutual TLS: what it answers, and to whom."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from deploy.local.certificates import CertificateFiles
from protos.reconciler.v1 import reconciler_pb2 as pb
from protos.reconciler.v1.reconciler_pb2_grpc import ReconcilerServiceStub
from services.common.channels import open_channel
from services.common.errors import CallerRefused, FieldInvalid, NoVerifiedApiKeys, ServiceUnavailable
from services.common.health import HealthRegistry
from services.common.server import GrpcServer
from services.common.telemetry import Instruments
from services.reconciler.config import ReconcilerSettings
from services.reconciler.rpc import ACCESS, ReconcilerRpc, registration
from tests.contract.common.settings import RpcSettings
from tests.contract.reconciler.conftest import Replica
from tests.fakes.observatory import FakeObservatory

if TYPE_CHECKING:
    from protos.reconciler.v1.reconciler_pb2_grpc import ReconcilerServiceAsyncStub

StubOf = Callable[[str], "ReconcilerServiceAsyncStub"]


@pytest.fixture
async def stub_of(
    replica: Replica, settings: ReconcilerSettings, certificates: dict[str, CertificateFiles]
) -> AsyncIterator[StubOf]:
    """A stub for each identity, over a server that answers for the replica."""
    servicer = ReconcilerRpc(replica.sync, replica.status, replica.history, replica.confirm)
    instruments = Instruments(CollectorRegistry())
    server = GrpcServer(settings, [registration(servicer)], ACCESS, HealthRegistry(), instruments)
    _, port = await server.start()
    channels = {
        identity: open_channel(RpcSettings.of(files), f"ipv4:127.0.0.1:{port}", "reconciler", instruments)
        for identity, files in certificates.items()
    }
    yield lambda identity: ReconcilerServiceStub(channels[identity])
    for channel in channels.values():
        await channel.close()
    await server.drain(grace_seconds=0)


async def test_a_sync_answers_with_its_runs(stub_of: StubOf, observatory: FakeObservatory) -> None:
    account = observatory.listed[0]
    observatory.venues[account.account_id].trade("1")
    answer = await stub_of("gateway").SyncNow(pb.SyncNowRequest(user_id="demo", request_id="1"))
    [run] = answer.runs
    assert UUID(run.run_id)
    assert (run.account_id, run.exchange, run.result) == (account.account_id, "binance", pb.RUN_RESULT_IN_STEP)
    assert (run.adopted, run.closed, run.adjusted, run.pending, run.reason) == (1, 0, 0, 0, "")
    assert run.HasField("started_at")
    assert run.HasField("finished_at")


async def test_the_status_of_a_user(stub_of: StubOf, replica: Replica) -> None:
    stub = stub_of("gateway")
    before = await stub.GetStatus(pb.GetStatusRequest(user_id="demo"))
    assert (before.is_running, before.interval_milliseconds) == (False, 300_000)
    assert not before.HasField("last_run")
    assert not before.HasField("next_run")
    await replica.pass_over()
    after = await stub.GetStatus(pb.GetStatusRequest(user_id="demo"))
    assert after.is_running
    assert timedelta(0) < after.next_run.ToDatetime() - after.last_run.ToDatetime() <= replica.status.interval


async def test_errors_arrive_as_what_they_are(stub_of: StubOf, observatory: FakeObservatory) -> None:
    stub = stub_of("gateway")
    with pytest.raises(NoVerifiedApiKeys):
        await stub.SyncNow(pb.SyncNowRequest(user_id="somebody else"))
    with pytest.raises(FieldInvalid, match="user_id"):
        await stub.SyncNow(pb.SyncNowRequest())
    observatory.failure = ServiceUnavailable(service="positions")
    with pytest.raises(ServiceUnavailable, match="positions"):
        await stub.SyncNow(pb.SyncNowRequest(user_id="demo"))


@pytest.mark.parametrize("identity", ["positions", "monitor", "reconciler", "operator"])
async def test_the_gateway_alone_may_call(stub_of: StubOf, identity: str) -> None:
    with pytest.raises(CallerRefused):
        await stub_of(identity).GetStatus(pb.GetStatusRequest(user_id="demo"))
