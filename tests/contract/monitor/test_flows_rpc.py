"""FlowService and OpenPosition over mutual TLS: who may call, whose it is, and errors that arrive as what they are."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.certificates import CertificateFiles
from protos.monitor.v1 import flows_pb2, monitor_pb2
from protos.monitor.v1.flows_pb2_grpc import FlowServiceStub
from protos.monitor.v1.monitor_pb2_grpc import MonitorServiceStub
from protos.positions.v1 import types_pb2
from services.common.channels import ServiceChannel, open_channel
from services.common.errors import (
    AccountNotFound,
    CallerRefused,
    FieldInvalid,
    PositionNotFound,
    StopBeyondLiquidation,
    TradingNotEnabled,
)
from services.common.health import HealthRegistry
from services.common.server import GrpcServer
from services.common.telemetry import Instruments
from services.monitor.config import MonitorSettings
from services.monitor.domain.execution import ExecutionEnded, ExecutionNotFound
from services.monitor.domain.opening_errors import InsufficientMargin, OpenRejected, SlotTaken
from services.monitor.rpc import flows, trading
from tests.contract.monitor.flows_world import FlowsWorld, a_result, flows_world, seen
from tests.fakes.orders import Answer
from tests.unit.monitor.opening_world import ACCOUNT, USER
from tests.unit.monitor.replica import Monitor


@dataclass(frozen=True)
class CallerSettings:
    tls_cert_file: Path
    tls_key_file: Path
    tls_ca_file: Path
    rpc_timeout_seconds: float = 10


@dataclass(frozen=True)
class Told:
    """The books, for answers."""

    world: FlowsWorld

    async def read(self, user_id: str, position_id: str) -> types_pb2.Position:
        for opening, position in self.world.books.booked.values():
            if (position.position_id, position.user_id) == (position_id, user_id):
                return types_pb2.Position(position_id=position_id, intent_id=str(opening.intent_id))
        raise PositionNotFound(position_id=position_id)


@pytest.fixture
async def world(engine: AsyncEngine) -> AsyncIterator[FlowsWorld]:
    async with flows_world(engine) as one:
        yield one


@pytest.fixture
async def target(world: FlowsWorld, settings: MonitorSettings) -> AsyncIterator[str]:
    registrations = (
        *trading.registrations(Monitor().manual, world.opens, Told(world)),
        *flows.registrations(world.executions),
    )
    access = {**trading.ACCESS, **flows.ACCESS}
    server = GrpcServer(settings, registrations, access, HealthRegistry(), Instruments(CollectorRegistry()))
    _, port = await server.start()
    yield f"ipv4:127.0.0.1:{port}"
    await server.drain(0)


def channel_of(target: str, caller: CertificateFiles) -> ServiceChannel:
    settings = CallerSettings(caller.certificate, caller.key, caller.authority)
    return open_channel(settings, target, "monitor", Instruments(CollectorRegistry()))


@pytest.fixture
async def channel(target: str, certificates: dict[str, CertificateFiles]) -> AsyncIterator[ServiceChannel]:
    async with channel_of(target, certificates["gateway"]) as one:
        yield one


def start_request(**changes: Any) -> flows_pb2.StartExecutionRequest:
    values: dict[str, Any] = {
        "user_id": USER,
        "flow_id": "flow",
        "account_id": ACCOUNT,
        "symbol": "BTCUSDT",
        "side": types_pb2.SIDE_LONG,
        "quantity": "2",
        "ai_confidence": "0.7",
        "market_conditions": "{}",
        "request_id": "r1",
    }
    return flows_pb2.StartExecutionRequest(**{**values, **changes})


def open_request(**changes: Any) -> monitor_pb2.OpenPositionRequest:
    values: dict[str, Any] = {
        "user_id": USER,
        "account_id": ACCOUNT,
        "symbol": "BTCUSDT",
        "side": types_pb2.SIDE_SHORT,
        "notional": "150",
        "origin": types_pb2.ORIGIN_MANUAL,
        "request_id": "r1",
    }
    return monitor_pb2.OpenPositionRequest(**{**values, **changes})


async def test_a_flow_is_started_watched_stopped_and_listed(world: FlowsWorld, channel: ServiceChannel) -> None:
    stub = FlowServiceStub(channel)
    started = (await stub.StartExecution(start_request())).execution
    assert started.state == flows_pb2.EXECUTION_STATE_OPENING
    execution = await world.opened(await world.store.get(USER, (await _only(world)).execution_id))
    of_it: dict[str, Any] = {"user_id": USER, "execution_id": started.execution_id}
    got = await stub.GetExecution(flows_pb2.GetExecutionRequest(**of_it))
    assert (got.execution.state, got.execution.position_id) == (flows_pb2.EXECUTION_STATE_OPEN, "OP_1_1")
    stopping = await stub.StopExecution(flows_pb2.StopExecutionRequest(request_id="s1", **of_it))
    assert stopping.execution.state == flows_pb2.EXECUTION_STATE_CLOSING
    await world.store.follow(seen(execution, 1, is_open=False, result=a_result(world.clock)), world.clock.now())
    life = [answer async for answer in stub.WatchExecution(flows_pb2.WatchExecutionRequest(**of_it))]
    assert [answer.update.sequence for answer in life] == [1, 2, 3, 4]
    assert life[-1].execution.result.reason == types_pb2.EXIT_REASON_STOP_LOSS
    page = await stub.ListExecutions(flows_pb2.ListExecutionsRequest(user_id=USER, page_size=1))
    assert [one.execution_id for one in page.executions] == [started.execution_id]
    assert page.next_page_token == ""
    with pytest.raises(ExecutionEnded):
        await stub.StopExecution(flows_pb2.StopExecutionRequest(request_id="s2", **of_it))


async def _only(world: FlowsWorld) -> Any:
    (execution,), _ = await world.executions.list(USER, "", 10, None, running=False)
    return execution


async def test_a_position_is_opened_by_hand_and_told_as_the_books_have_it(
    world: FlowsWorld, channel: ServiceChannel
) -> None:
    stub = MonitorServiceStub(channel)
    opened = await stub.OpenPosition(open_request())
    assert (opened.position.position_id, opened.position.intent_id) == ("OP_1_1", opened.intent_id)
    assert await stub.OpenPosition(open_request()) == opened
    assert world.venue.state.positions[0].quantity == Decimal("1.5")
    with pytest.raises(SlotTaken):
        await stub.OpenPosition(open_request(request_id="r2"))


async def test_each_refusal_arrives_by_name(world: FlowsWorld, channel: ServiceChannel) -> None:
    stub = MonitorServiceStub(channel)
    far = types_pb2.Level(pinned=types_pb2.Pinned(price="199"))
    refusals: list[tuple[dict[str, Any], type[Exception]]] = [
        ({"user_id": ""}, FieldInvalid),
        ({"account_id": str(uuid4())}, AccountNotFound),
        ({"side": types_pb2.SIDE_UNSPECIFIED}, FieldInvalid),
        ({"notional": "1"}, FieldInvalid),
        ({"origin": types_pb2.ORIGIN_EXTERNAL}, FieldInvalid),
        ({"notional": "90000", "leverage": "1"}, InsufficientMargin),
        ({"notional": "100000", "stop_loss": far}, StopBeyondLiquidation),
        ({"request_id": ""}, FieldInvalid),
    ]
    for changes, error in refusals:
        with pytest.raises(error):
            await stub.OpenPosition(open_request(**changes))
    world.books.account = type(world.books.account)(
        ACCOUNT, world.books.account.venue, False, world.books.account.trigger_price
    )
    with pytest.raises(TradingNotEnabled):
        await stub.OpenPosition(open_request())
    assert world.venue.state.sent == 0


async def test_what_the_venue_refuses_is_told_with_its_words(world: FlowsWorld, channel: ServiceChannel) -> None:
    world.venue.answers.append(Answer.FILTERED)
    with pytest.raises(OpenRejected, match="-2019 Margin is insufficient"):
        await MonitorServiceStub(channel).OpenPosition(open_request())


async def test_another_user_has_neither_account_nor_execution(world: FlowsWorld, channel: ServiceChannel) -> None:
    stub = FlowServiceStub(channel)
    started = (await stub.StartExecution(start_request())).execution
    await world.opened(await _only(world))
    of_it: dict[str, Any] = {"user_id": "another", "execution_id": started.execution_id}
    with pytest.raises(AccountNotFound):
        await stub.StartExecution(start_request(user_id="another"))
    with pytest.raises(AccountNotFound):
        await MonitorServiceStub(channel).OpenPosition(open_request(user_id="another"))
    with pytest.raises(ExecutionNotFound):
        await stub.GetExecution(flows_pb2.GetExecutionRequest(**of_it))
    with pytest.raises(ExecutionNotFound):
        await stub.StopExecution(flows_pb2.StopExecutionRequest(request_id="s1", **of_it))
    with pytest.raises(ExecutionNotFound):
        _ = [answer async for answer in stub.WatchExecution(flows_pb2.WatchExecutionRequest(**of_it))]
    assert not (await stub.ListExecutions(flows_pb2.ListExecutionsRequest(user_id="another"))).executions


@pytest.mark.parametrize("caller", ["positions", "reconciler", "operator", "monitor"])
async def test_only_the_gateway_may_call(
    caller: str, target: str, world: FlowsWorld, certificates: dict[str, CertificateFiles]
) -> None:
    async with channel_of(target, certificates[caller]) as channel:
        with pytest.raises(CallerRefused):
            await FlowServiceStub(channel).StartExecution(start_request())
        with pytest.raises(CallerRefused):
            await MonitorServiceStub(channel).OpenPosition(open_request())
    assert world.venue.state.sent == 0
