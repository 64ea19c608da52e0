"""Executions of trading flows: each opens one position and waits for its end."""

from decimal import Decimal
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from protos.monitor.v1 import flows_pb2
from services.common.errors import FieldInvalid
from services.gateway.clients import Flows
from services.gateway.http import flows_examples as examples
from services.gateway.http import words
from services.gateway.http.body import NoBody, check_unit
from services.gateway.http.documents import ExitDocument, exit_document
from services.gateway.http.identity import Authenticate, Caller
from services.gateway.http.json import Document, optional_instant, respond
from services.gateway.http.openapi import documented
from services.gateway.http.opening import OpenBody, opening_details, opening_fields
from services.gateway.http.positions import Cursor, FlowId, Limit
from services.gateway.http.writes import Action, Details, Writes

FlowPath = Annotated[str, Path(pattern=r"^[\x21-\x7e]{1,128}$", examples=["trend-following"])]
ExecutionId = Annotated[str, Path(pattern=r"^[\x21-\x7e]{1,64}$", examples=["c2a4e1f0-7d8b-4f36-8f25-0a4b5c6d7e8f"])]
_Name = Annotated[str, msgspec.Meta(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]


def _no_conditions() -> msgspec.Raw:
    return msgspec.Raw(b"null")


class ExecutionBody(OpenBody, kw_only=True, frozen=True):
    """The position that an execution opens, as for POST /api/positions, and what stays with it for life.

    `aiConfidence` is from 0 to 1; `marketConditions` is an object that is kept as it is.
    """

    node_id: _Name = ""
    agent: _Name = ""
    ai_reasoning: Annotated[str, msgspec.Meta(max_length=8000)] = ""
    ai_confidence: Decimal | None = None
    market_conditions: msgspec.Raw = msgspec.field(default_factory=_no_conditions)


class ExecutionDocument(Document, kw_only=True, frozen=True):
    """An execution. `state`: opening, open, closing, closed, failed, unresolved; `reason` says why the last two.

    `result` is how its position ended; `sequence` is that of its latest update.
    """

    id: str
    flow_id: str
    node_id: str | None
    account_id: str
    exchange: str | None
    symbol: str
    side: str
    state: str
    reason: str | None
    position_id: str | None
    started_at: str | None
    ended_at: str | None
    result: ExitDocument | None
    sequence: int


class UpdateDocument(Document, kw_only=True, frozen=True):
    """One step: opening, opened, level_moved, evaluated, closing, closed, failed, unresolved; `detail` in words."""

    sequence: int
    timestamp: str | None
    step: str
    detail: str


class ExecutionAnswer(Document, kw_only=True, frozen=True):
    """One execution."""

    success: bool = True
    execution: ExecutionDocument


class ExecutionLifeAnswer(Document, kw_only=True, frozen=True):
    """One execution and its life so far, the first step first."""

    success: bool = True
    execution: ExecutionDocument
    updates: list[UpdateDocument]


class ExecutionsAnswer(Document, kw_only=True, frozen=True):
    """Executions, the latest started first. `nextCursor` asks for what follows; null at the end."""

    success: bool = True
    executions: list[ExecutionDocument]
    count: int
    next_cursor: str | None


class ExecutionPush(Document, kw_only=True, frozen=True):
    """A step of an execution, and the execution as it was after it."""

    update: UpdateDocument
    execution: ExecutionDocument


TYPES = (ExecutionBody, ExecutionAnswer, ExecutionLifeAnswer, ExecutionsAnswer)


def flows_router(flows: Flows, authenticate: Authenticate, writes: Writes) -> APIRouter:
    router = APIRouter(tags=["flows"])

    @router.post(
        "/api/flows/{flow_id}/executions",
        summary="Open a position for a flow; its life is told over the WebSocket",
        **documented(
            ExecutionAnswer, examples.EXECUTION, body=ExecutionBody, body_example=examples.EXECUTION_BODY, write=True
        ),
    )
    async def start(flow_id: FlowPath, request: Request, caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        async def command(body: ExecutionBody, request_id: str) -> Document:
            execution = await flows.start(_start(caller.user_id, flow_id, body, request_id))
            return ExecutionAnswer(execution=execution_document(execution))

        return await writes.perform(
            request, caller, Action("start_execution", flow_id), ExecutionBody, command, _details
        )

    @router.get("/api/executions", summary="My executions", **documented(ExecutionsAnswer, examples.EXECUTIONS))
    async def list_executions(
        caller: Annotated[Caller, Depends(authenticate)],
        flow: FlowId = "",
        running: Annotated[bool, Query(description="only those that have not ended")] = False,
        limit: Limit = 50,
        cursor: Cursor = "",
    ) -> Response:
        page = await flows.list_executions(
            flows_pb2.ListExecutionsRequest(
                user_id=caller.user_id, flow_id=flow, running=running, page_size=limit, page_token=cursor
            )
        )
        rows = [execution_document(execution) for execution in page.executions]
        return respond(ExecutionsAnswer(executions=rows, count=len(rows), next_cursor=page.next_page_token or None))

    @router.get(
        "/api/executions/{execution_id}",
        summary="One execution and its life so far",
        **documented(ExecutionLifeAnswer, examples.EXECUTION_LIFE),
    )
    async def get_execution(execution_id: ExecutionId, caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        found = await flows.get_execution(caller.user_id, execution_id)
        return respond(
            ExecutionLifeAnswer(
                execution=execution_document(found.execution),
                updates=[update_document(update) for update in found.updates],
            )
        )

    @router.post(
        "/api/executions/{execution_id}/stop",
        summary="Close its position and end it",
        **documented(ExecutionAnswer, examples.EXECUTION, write=True),
    )
    async def stop(
        execution_id: ExecutionId, request: Request, caller: Annotated[Caller, Depends(authenticate)]
    ) -> Response:
        async def command(_: NoBody, request_id: str) -> Document:
            stopped = await flows.stop(
                flows_pb2.StopExecutionRequest(user_id=caller.user_id, execution_id=execution_id, request_id=request_id)
            )
            return ExecutionAnswer(execution=execution_document(stopped))

        return await writes.perform(request, caller, Action("stop_execution", execution_id), NoBody, command)

    return router


def execution_document(execution: flows_pb2.Execution) -> ExecutionDocument:
    return ExecutionDocument(
        id=execution.execution_id,
        flow_id=execution.flow_id,
        node_id=execution.node_id or None,
        account_id=execution.account_id,
        exchange=words.known_exchange(execution.exchange),
        symbol=execution.symbol,
        side=words.side(execution.side),
        state=words.execution_state(execution.state),
        reason=execution.reason or None,
        position_id=execution.position_id or None,
        started_at=optional_instant(execution.started_at, present=execution.HasField("started_at")),
        ended_at=optional_instant(execution.ended_at, present=execution.HasField("ended_at")),
        result=exit_document(execution.result) if execution.HasField("result") else None,
        sequence=execution.sequence,
    )


def update_document(update: flows_pb2.ExecutionUpdate) -> UpdateDocument:
    return UpdateDocument(
        sequence=update.sequence,
        timestamp=optional_instant(update.happened_at, present=update.HasField("happened_at")),
        step=words.execution_step(update.step),
        detail=update.detail,
    )


def _start(user_id: str, flow_id: str, body: ExecutionBody, request_id: str) -> flows_pb2.StartExecutionRequest:
    return flows_pb2.StartExecutionRequest(
        user_id=user_id,
        flow_id=flow_id,
        node_id=body.node_id,
        agent=body.agent,
        ai_reasoning=body.ai_reasoning,
        ai_confidence="" if body.ai_confidence is None else check_unit("aiConfidence", body.ai_confidence),
        market_conditions=_conditions(body.market_conditions),
        request_id=request_id,
        **opening_fields(body),
    )


def _conditions(raw: msgspec.Raw) -> str:
    text = bytes(raw).decode()
    if text in ("", "null"):
        return ""
    if not text.lstrip().startswith("{"):  # it is JSON already, so this alone tells an object
        raise FieldInvalid(field="marketConditions", problem="expected an object")
    return text


def _details(body: ExecutionBody) -> Details:
    _start("", "", body, "")
    return opening_details(body)
