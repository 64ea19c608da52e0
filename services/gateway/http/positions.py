"""Positions: what is open now, what is in the books, and one position as a whole with its timeline."""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from protos.positions.v1 import live_pb2, positions_pb2, types_pb2
from services.common.clock import Clock
from services.common.errors import DomainError, FieldInvalid
from services.common.status import RemoteFailure
from services.gateway.clients import Books, LivePositions
from services.gateway.http import examples, words
from services.gateway.http.direct import DirectRoute
from services.gateway.http.documents import (
    LevelDocument,
    LiveDocument,
    PositionAnswer,
    PositionDocument,
    level_document,
    live_document,
    position_document,
)
from services.gateway.http.identity import Authenticate, Caller
from services.gateway.http.json import Document, encode, optional_instant, optional_number, respond, respond_raw
from services.gateway.http.openapi import documented
from services.gateway.http.operations import OperationsAnswer, ReadWarning, operations_answer, write_operations

ExchangeName = Literal["binance", "bybit"]
StatusFilter = Literal["open", "closed", "all"]
PositionId = Annotated[str, Path(pattern=r"^[\x21-\x7e]{1,64}$", examples=["OP_1729425600_123"])]
Limit = Annotated[int, Query(ge=1, le=200, description="the most that one page holds")]
Cursor = Annotated[str, Query(max_length=512, description="`nextCursor` of the page before")]
Symbol = Annotated[
    str, Query(pattern=r"^[A-Za-z0-9_.:/-]{0,40}$", description="such as BTCUSDT; every symbol if empty")
]
FlowId = Annotated[str, Query(pattern=r"^[\x21-\x7e]{0,128}$", description="positions of one flow; all if empty")]

_EXCHANGE_PARAMETER = {
    "name": "exchange",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "enum": list(words.EXCHANGES)},
}


class PositionsAnswer(Document, kw_only=True, frozen=True):
    """Positions in the books, the latest opened first. `nextCursor` asks for what follows; null at the end."""

    success: bool = True
    positions: list[PositionDocument]
    count: int
    next_cursor: str | None
    data_source: str = "database"


class TimelineEntry(Document, kw_only=True, frozen=True):
    """A change of a position: who made it, on what evidence and why, and the levels as they were after it."""

    timestamp: str | None
    version: int
    actor: str
    change: str
    evidence: str
    reason: str | None
    stop_loss: LevelDocument
    take_profit: LevelDocument
    floor: Decimal | None


class TimelineAnswer(Document, kw_only=True, frozen=True):
    """Every change of a position, the first one first."""

    success: bool = True
    position_id: str
    entries: list[TimelineEntry]
    count: int
    next_cursor: str | None
    data_source: str = "database"


def live_router(live: LivePositions, authenticate: Authenticate, clock: Clock) -> APIRouter:
    """The real-time routes. One data, two paths: today's frontend uses both."""
    router = APIRouter(tags=["real-time"], route_class=DirectRoute, dependencies=[Depends(authenticate)])
    shown = documented(OperationsAnswer, examples.OPERATIONS)
    shown_at = {**shown, "openapi_extra": {"parameters": [_EXCHANGE_PARAMETER]}}

    async def list_current(request: Request, exchange: types_pb2.Exchange.ValueType) -> Response:
        caller = await authenticate.of(request)
        reading = await live.read_live(caller.user_id, exchange)
        body = write_operations(reading)
        if body is None:
            body = encode(operations_answer(live_pb2.ListLivePositionsResponse.FromString(reading), clock.now()))
        return respond_raw(body, 200)

    @router.get("/api/positions/current", summary="What is open now, at all exchanges", **shown)
    @router.get("/api/operations/positions", summary="The same as /api/positions/current", **shown)
    async def current(request: Request) -> Response:
        return await list_current(request, types_pb2.EXCHANGE_UNSPECIFIED)

    @router.get("/api/positions/current/{exchange}", summary="What is open now, at one exchange", **shown_at)
    async def current_at(request: Request) -> Response:
        exchange = words.EXCHANGES.get(request.path_params["exchange"])
        if exchange is None:
            await authenticate.of(request)
            raise FieldInvalid(field="exchange", problem=f"expected one of {', '.join(words.EXCHANGES)}")
        return await list_current(request, exchange)

    return router


def books_router(books: Books, live: LivePositions, authenticate: Authenticate) -> APIRouter:
    """The document routes. Include it after every router with a static path under /api/positions/."""
    router = APIRouter(tags=["books"])

    @router.get("/api/positions", summary="Positions in the books", **documented(PositionsAnswer, examples.POSITIONS))
    async def list_positions(
        caller: Annotated[Caller, Depends(authenticate)],
        status: StatusFilter = "all",
        exchange: ExchangeName | None = None,
        symbol: Symbol = "",
        flow: FlowId = "",
        limit: Limit = 50,
        cursor: Cursor = "",
    ) -> Response:
        request = positions_pb2.ListPositionsRequest(
            user_id=caller.user_id,
            filter=words.FILTERS[status],
            exchange=words.optional_exchange(exchange),
            symbol=symbol,
            flow_id=flow,
            page_size=limit,
            page_token=cursor,
        )
        return respond(await list_page(books, request))

    @router.get(
        "/api/positions/{position_id}",
        summary="One position as a whole",
        **documented(PositionAnswer, examples.POSITION),
    )
    async def get_position(position_id: PositionId, caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        position = await books.get_position(caller.user_id, position_id)
        shown, warning = None, None
        if position.status == types_pb2.POSITION_STATUS_OPEN:
            shown, warning = await _read_live(live, caller.user_id, position)
        return respond(
            PositionAnswer(
                position=position_document(position),
                live=shown,
                warnings=msgspec.UNSET if warning is None else [warning],
            )
        )

    @router.get(
        "/api/positions/{position_id}/timeline",
        summary="Why a level moved, who closed it, on what evidence",
        **documented(TimelineAnswer, examples.TIMELINE),
    )
    async def timeline(
        position_id: PositionId,
        caller: Annotated[Caller, Depends(authenticate)],
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> Response:
        page = await books.list_timeline(
            positions_pb2.ListTimelineRequest(
                user_id=caller.user_id, position_id=position_id, page_size=limit, page_token=cursor
            )
        )
        entries = [_entry(entry) for entry in page.entries]
        return respond(
            TimelineAnswer(
                position_id=position_id,
                entries=entries,
                count=len(entries),
                next_cursor=page.next_page_token or None,
            )
        )

    return router


async def list_page(books: Books, request: positions_pb2.ListPositionsRequest) -> PositionsAnswer:
    """One page of positions in the books."""
    page = await books.list_positions(request)
    positions = [position_document(position) for position in page.positions]
    return PositionsAnswer(positions=positions, count=len(positions), next_cursor=page.next_page_token or None)


async def _read_live(
    live: LivePositions, user_id: str, position: types_pb2.Position
) -> tuple[LiveDocument | None, ReadWarning | None]:
    """The live side of an open position; without it the books are shown all the same, and why."""
    try:
        reading = await live.list_live(user_id, position.exchange)
    except DomainError as error:
        return None, ReadWarning(code=error.reason, message=error.message)
    except RemoteFailure:
        return None, ReadWarning(code="INTERNAL", message="The live side could not be read")
    for row in reading.positions:
        if row.position_id == position.position_id:
            return live_document(row), None
    return None, None


def _entry(entry: positions_pb2.TimelineEntry) -> TimelineEntry:
    return TimelineEntry(
        timestamp=optional_instant(entry.happened_at, present=entry.HasField("happened_at")),
        version=entry.version,
        actor=entry.actor,
        change=entry.change,
        evidence=entry.evidence,
        reason=entry.reason or None,
        stop_loss=level_document(entry.levels.stop_loss),
        take_profit=level_document(entry.levels.take_profit),
        floor=optional_number(entry.levels.floor),
    )
