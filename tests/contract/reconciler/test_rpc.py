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
from tests.fakes.clock import FixedClock
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


async def test_what_was_found_is_told_to_its_user_and_to_administrators(
    stub_of: StubOf, replica: Replica, observatory: FakeObservatory
) -> None:
    stub = stub_of("gateway")
    account = observatory.listed[0]
    observatory.venues[account.account_id].trade("1")
    await replica.pass_over()
    for mine in (pb.ListDiscrepanciesRequest(user_id="demo"), pb.ListDiscrepanciesRequest(all_users=True)):
        [found] = (await stub.ListDiscrepancies(mine)).discrepancies
        assert (found.user_id, found.account_id, found.repaired) == ("demo", account.account_id, True)
        assert (found.kind, found.symbol, list(found.decisions)) == ("opened_externally", "BTCUSDT", ["adopt"])
        assert "long 1" in found.evidence
    [run] = (await stub.ListRuns(pb.ListRunsRequest(user_id="demo"))).runs
    assert (run.run_id, run.trigger, run.adopted) == (found.run_id, "schedule", 1)
    assert list((await stub.ListRuns(pb.ListRunsRequest(user_id="somebody else"))).runs) == []
    theirs = pb.ListDiscrepanciesRequest(user_id="somebody else", account_id=account.account_id)
    assert list((await stub.ListDiscrepancies(theirs)).discrepancies) == []
    with pytest.raises(FieldInvalid, match="user_id"):
        await stub.ListRuns(pb.ListRunsRequest())


async def test_the_overview_tells_how_late_it_is_and_who_needs_attention(
    stub_of: StubOf, replica: Replica, observatory: FakeObservatory, clock: FixedClock
) -> None:
    stub = stub_of("gateway")
    await replica.pass_over()
    observatory.failure = ServiceUnavailable(service="positions")
    clock.advance(300)
    await replica.pass_over()
    clock.advance(65)
    overview = await stub.GetOverview(pb.GetOverviewRequest())
    assert (overview.accounts, overview.overdue, overview.lag_milliseconds, overview.failing) == (1, 1, 60_000, 1)
    assert dict(overview.runs) == {"failed": 1}
    [failing] = overview.attention
    assert (failing.failures, failing.last_result) == (1, pb.RUN_RESULT_FAILED)
    assert "positions" in failing.last_reason
    status = await stub.GetStatus(pb.GetStatusRequest(user_id="demo"))
    assert status.lag_milliseconds == 60_000


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
