"""FlowService over gRPC."""

from collections.abc import AsyncIterator
from typing import Any, Protocol
from uuid import UUID

import grpc

from protos.monitor.v1 import flows_pb2
from protos.monitor.v1.flows_pb2_grpc import FlowServiceServicer, add_FlowServiceServicer_to_server
from services.common.errors import FieldInvalid
from services.common.fields import held, page_size_of, required
from services.common.identity import AccessTable
from services.common.server import Registration
from services.monitor.domain.execution import ExecutionNotFound
from services.monitor.events.executions import write_execution, write_update
from services.monitor.flows.executions import Executions
from services.monitor.rpc.wishes import execution_id_of, request_id_of, wish_of_execution

FULL_NAME = "monitor.v1.FlowService"
ACCESS: AccessTable = {FULL_NAME: frozenset({"gateway"})}

Context = grpc.aio.ServicerContext[Any, Any]


class FlowRpc(FlowServiceServicer):
    """Answers the gateway."""

    def __init__(self, executions: Executions) -> None:
        self._executions = executions

    async def StartExecution(
        self, request: flows_pb2.StartExecutionRequest, context: Context
    ) -> flows_pb2.StartExecutionResponse:
        """Begin to open a position for a flow."""
        wish, request_id = wish_of_execution(request), request_id_of(request.request_id)
        return flows_pb2.StartExecutionResponse(
            execution=write_execution(await self._executions.start(wish, request_id))
        )

    async def WatchExecution(
        self, request: flows_pb2.WatchExecutionRequest, context: Context
    ) -> AsyncIterator[flows_pb2.WatchExecutionResponse]:
        """The life of an execution until it ends."""
        if request.after_sequence < 0:
            raise FieldInvalid(field="after_sequence", problem="is negative")
        user_id, execution_id = _of(request)
        async for update, execution in self._executions.watch(user_id, execution_id, request.after_sequence):
            yield flows_pb2.WatchExecutionResponse(update=write_update(update), execution=write_execution(execution))

    async def StopExecution(
        self, request: flows_pb2.StopExecutionRequest, context: Context
    ) -> flows_pb2.StopExecutionResponse:
        """Have its position closed."""
        execution = await self._executions.stop(*_of(request), request_id_of(request.request_id))
        return flows_pb2.StopExecutionResponse(execution=write_execution(execution))

    async def GetExecution(
        self, request: flows_pb2.GetExecutionRequest, context: Context
    ) -> flows_pb2.GetExecutionResponse:
        """One with its steps."""
        execution, updates = await self._executions.get(*_of(request))
        return flows_pb2.GetExecutionResponse(
            execution=write_execution(execution), updates=[write_update(update) for update in updates]
        )

    async def ListExecutions(
        self, request: flows_pb2.ListExecutionsRequest, context: Context
    ) -> flows_pb2.ListExecutionsResponse:
        """A page of a user's executions."""
        page, before = await self._executions.list(
            required(request.user_id, "user_id"),
            held(request.flow_id, "flow_id"),
            page_size_of(request.page_size),
            _place_of(request.page_token),
            running=request.running,
        )
        return flows_pb2.ListExecutionsResponse(
            executions=[write_execution(execution) for execution in page],
            next_page_token="" if before is None else str(before),
        )


def registrations(executions: Executions) -> tuple[Registration, ...]:
    """What the monitor's server serves of flows."""
    return (Registration(add_FlowServiceServicer_to_server, FlowRpc(executions), FULL_NAME),)


class _OfExecution(Protocol):
    user_id: str
    execution_id: str


def _of(request: _OfExecution) -> tuple[str, UUID]:
    execution_id = execution_id_of(request.execution_id)
    if execution_id is None:
        raise ExecutionNotFound(execution_id=request.execution_id)
    return required(request.user_id, "user_id"), execution_id


def _place_of(token: str) -> int | None:
    """The place that a page token names. Raises FieldInvalid."""
    if not token:
        return None
    if not (token.isascii() and token.isdigit() and len(token) < 19):
        raise FieldInvalid(field="page_token", problem="is not one of ours")
    return int(token)
