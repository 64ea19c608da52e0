"""Positions: what is open now, one position as a whole, its levels, and closing it."""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from protos.positions.v1 import positions_pb2, types_pb2
from services.common.clock import Clock
from services.common.errors import DomainError
from services.common.status import RemoteFailure
from services.gateway.clients import Books, Closing, LivePositions
from services.gateway.http import examples, words
from services.gateway.http.body import NoBody, check_price
from services.gateway.http.documents import (
    LevelAnswer,
    LiveDocument,
    PositionAnswer,
    live_document,
    position_document,
)
from services.gateway.http.identity import Authenticate, Caller
from services.gateway.http.json import Body, Document, optional_number, respond
from services.gateway.http.openapi import documented
from services.gateway.http.operations import OperationsAnswer, ReadWarning, operations_answer
from services.gateway.http.writes import Action, Writes

ExchangeName = Literal["binance", "bybit"]
PositionId = Annotated[str, Path(pattern=r"^[\x21-\x7e]{1,64}$", examples=["OP_1729425600_123"])]


class LevelBody(Body, kw_only=True, frozen=True):
    """A level is pinned to a price, or taken away (null); with `expectedVersion`, only while the position is at it."""

    price: Decimal | None
    expected_version: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)] | None = None


class CloseAnswer(Document, kw_only=True, frozen=True):
    """What a close did: volume-weighted exit price and quantity."""

    success: bool = True
    position_id: str
    intent_id: str
    exit_price: Decimal | None
    quantity: Decimal | None


def live_router(live: LivePositions, authenticate: Authenticate, clock: Clock) -> APIRouter:
    """The real-time routes. One data, two paths: today's frontend uses both."""
    router = APIRouter(tags=["real-time"])
    shown = documented(OperationsAnswer, examples.OPERATIONS)

    async def list_current(caller: Caller, exchange: types_pb2.Exchange.ValueType) -> Response:
        return respond(operations_answer(await live.list_live(caller.user_id, exchange), clock.now()))

    @router.get("/api/positions/current", summary="What is open now, at all exchanges", **shown)
    @router.get("/api/operations/positions", summary="The same as /api/positions/current", **shown)
    async def current(caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        return await list_current(caller, types_pb2.EXCHANGE_UNSPECIFIED)

    @router.get("/api/positions/current/{exchange}", summary="What is open now, at one exchange", **shown)
    async def current_at(exchange: ExchangeName, caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        return await list_current(caller, words.EXCHANGES[exchange])

    return router


def books_router(
    books: Books, live: LivePositions, closing: Closing, authenticate: Authenticate, writes: Writes
) -> APIRouter:
    """The document routes. Include it after every router with a static path under /api/positions/."""
    router = APIRouter(tags=["books"])

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

    async def set_level(kind: str, position_id: str, request: Request, caller: Caller) -> Response:
        async def command(body: LevelBody, request_id: str) -> Document:
            position = await books.set_level(_level_request(caller, position_id, kind, body, request_id))
            return LevelAnswer(position=position_document(position))

        action = Action(f"set_{kind}", position_id)
        return await writes.perform(request, caller, action, LevelBody, command, _level_details)

    @router.patch(
        "/api/positions/{position_id}/stop-loss",
        summary="Set the stop-loss, which is enforced from then on",
        **documented(LevelAnswer, examples.LEVEL, body=LevelBody, body_example=examples.STOP_BODY, write=True),
    )
    async def set_stop_loss(
        position_id: PositionId, request: Request, caller: Annotated[Caller, Depends(authenticate)]
    ) -> Response:
        return await set_level("stop_loss", position_id, request, caller)

    @router.patch(
        "/api/positions/{position_id}/take-profit",
        summary="Set the take-profit, which is enforced from then on",
        **documented(LevelAnswer, examples.LEVEL, body=LevelBody, body_example=examples.TARGET_BODY, write=True),
    )
    async def set_take_profit(
        position_id: PositionId, request: Request, caller: Annotated[Caller, Depends(authenticate)]
    ) -> Response:
        return await set_level("take_profit", position_id, request, caller)

    @router.post(
        "/api/positions/{position_id}/close",
        summary="Close the whole position at market, reduce-only",
        **documented(CloseAnswer, examples.CLOSE, write=True),
    )
    async def close(
        position_id: PositionId, request: Request, caller: Annotated[Caller, Depends(authenticate)]
    ) -> Response:
        async def command(_: NoBody, request_id: str) -> Document:
            closed = await closing.close_position(caller.user_id, position_id, request_id)
            return CloseAnswer(
                position_id=closed.position_id or position_id,
                intent_id=closed.intent_id,
                exit_price=optional_number(closed.exit_price),
                quantity=optional_number(closed.quantity),
            )

        return await writes.perform(request, caller, Action("close", position_id), NoBody, command)

    return router


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


def _level_request(
    caller: Caller, position_id: str, kind: str, body: LevelBody, request_id: str
) -> positions_pb2.SetLevelRequest:
    request = positions_pb2.SetLevelRequest(
        user_id=caller.user_id,
        position_id=position_id,
        kind=words.LEVELS[kind],
        request_id=request_id,
        expected_version=body.expected_version or 0,
    )
    if body.price is None:
        request.none.SetInParent()
    else:
        request.pinned.price = check_price("price", body.price)
    return request


def _level_details(body: LevelBody) -> dict[str, str | bool | None]:
    return {"price": None if body.price is None else check_price("price", body.price)}
