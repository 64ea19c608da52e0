"""The monitor's calls as the gateway makes them, for tests of what REST passes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from prometheus_client import CollectorRegistry

from protos.monitor.v1 import flows_pb2
from protos.monitor.v1.flows_pb2_grpc import FlowServiceStub
from protos.monitor.v1.monitor_pb2_grpc import MonitorServiceStub
from protos.positions.v1 import positions_pb2, types_pb2
from protos.positions.v1.positions_pb2_grpc import PositionsServiceStub
from services.common.channels import open_channel
from services.common.errors import Unavailable
from services.common.telemetry import Instruments
from tests.e2e.trader import DEADLINE_SECONDS
from tests.stack import RunningStack

if TYPE_CHECKING:
    from protos.monitor.v1.flows_pb2_grpc import FlowServiceAsyncStub
    from protos.monitor.v1.monitor_pb2_grpc import MonitorServiceAsyncStub
    from protos.positions.v1.positions_pb2_grpc import PositionsServiceAsyncStub


@dataclass(frozen=True)
class _AsGateway:
    tls_cert_file: Path
    tls_key_file: Path
    tls_ca_file: Path
    rpc_timeout_seconds: float = 20


@dataclass
class Life:
    """What a watcher of an execution has seen."""

    updates: list[flows_pb2.ExecutionUpdate] = field(default_factory=list)
    execution: flows_pb2.Execution = field(default_factory=flows_pb2.Execution)

    @property
    def steps(self) -> list[str]:
        return [flows_pb2.ExecutionStep.Name(update.step).removeprefix("EXECUTION_STEP_") for update in self.updates]


class FlowClient:
    """A user's executions, and what stands behind them."""

    def __init__(
        self,
        user_id: str,
        flows: "FlowServiceAsyncStub",
        trading: "MonitorServiceAsyncStub",
        books: "PositionsServiceAsyncStub",
    ) -> None:
        self.user_id = user_id
        self.flows = flows
        self.trading = trading
        self.books = books

    def wish(self, account_id: str, symbol: str, quantity: str, **more: object) -> flows_pb2.StartExecutionRequest:
        """A request to go long, with everything that a flow has to say of it."""
        return flows_pb2.StartExecutionRequest(
            user_id=self.user_id,
            flow_id="flow-1",
            node_id="node-7",
            account_id=account_id,
            symbol=symbol,
            side=types_pb2.SIDE_LONG,
            quantity=quantity,
            agent="breakout",
            ai_reasoning="It broke out of its range.",
            ai_confidence="0.8",
            market_conditions='{"volatility": "low"}',
            request_id=str(uuid4()),
            **more,  # type: ignore[arg-type]
        )

    async def start(self, request: flows_pb2.StartExecutionRequest) -> flows_pb2.Execution:
        return (await self.flows.StartExecution(request)).execution

    async def watch(self, execution_id: str, life: Life) -> Life:
        """Follow an execution to its end, from where `life` has come to; a monitor that restarts is asked again."""
        async with asyncio.timeout(2 * DEADLINE_SECONDS):
            while True:
                after = life.updates[-1].sequence if life.updates else 0
                request = flows_pb2.WatchExecutionRequest(
                    user_id=self.user_id, execution_id=execution_id, after_sequence=after
                )
                try:
                    async for answer in self.flows.WatchExecution(request):
                        life.updates.append(answer.update)
                        life.execution = answer.execution
                    return life
                except Unavailable:
                    await asyncio.sleep(0.2)

    async def timeline(self, position_id: str) -> list[positions_pb2.TimelineEntry]:
        request = positions_pb2.ListTimelineRequest(user_id=self.user_id, position_id=position_id, page_size=100)
        return list((await self.books.ListTimeline(request)).entries)


@asynccontextmanager
async def flow_client(stack: RunningStack, user_id: str) -> AsyncIterator[FlowClient]:
    """A client with the gateway's own certificate."""
    environment = environment_of(stack.description["processes"]["gateway"])
    certificate, key, authority = (Path(environment[f"TLS_{name}_FILE"]) for name in ("CERT", "KEY", "CA"))
    files = _AsGateway(certificate, key, authority)
    instruments = Instruments(CollectorRegistry())
    async with (
        open_channel(files, environment["MONITOR_TARGET"], "monitor", instruments) as monitor,
        open_channel(files, environment["POSITIONS_TARGET"], "positions", instruments) as positions,
    ):
        yield FlowClient(
            user_id, FlowServiceStub(monitor), MonitorServiceStub(monitor), PositionsServiceStub(positions)
        )


def environment_of(pid: int) -> dict[str, str]:
    """The environment that a process was started with."""
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode().rstrip("\0").split("\0")
    return dict(pair.split("=", 1) for pair in pairs)
