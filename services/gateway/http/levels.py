"""What a user does to a position: its levels, taking it into care and giving it back, and closing it."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, ClassVar

import msgspec
from fastapi import APIRouter, Depends, Request
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from protos.monitor.v1 import monitor_pb2
from protos.positions.v1 import positions_pb2, types_pb2
from services.common.errors import FieldInvalid
from services.gateway.clients import Books, Closing
from services.gateway.http import examples, words
from services.gateway.http.body import check_fraction, check_price, check_quantity
from services.gateway.http.documents import LevelAnswer, position_document
from services.gateway.http.identity import Authenticate, Caller
from services.gateway.http.json import Body, Document, optional_number
from services.gateway.http.openapi import documented
from services.gateway.http.positions import PositionId
from services.gateway.http.writes import Action, Details, Writes

_Version = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
_Reason = Annotated[str, msgspec.Meta(max_length=500)]


class LevelChoice(Body, kw_only=True, frozen=True):
    """A level: pinned to a `price`, trailing at a `trailingDistance` (0.02 is 2 %), or none (price null)."""

    price: Decimal | UnsetType | None = UNSET
    trailing_distance: Decimal | UnsetType = UNSET


class LevelBody(LevelChoice, kw_only=True, frozen=True):
    """A level as above; with `expectedVersion`, only while the position is at it. `reason` is for the timeline."""

    expected_version: _Version | None = None
    reason: _Reason = ""


class ManageBody(Body, kw_only=True, frozen=True):
    """Both levels, which are enforced from then on; one that is left out trails, the stop at 2 %, the target at 4 %."""

    may_be_empty: ClassVar[bool] = True

    stop_loss: LevelChoice | None = None
    take_profit: LevelChoice | None = None
    expected_version: _Version | None = None
    reason: _Reason = ""


class ReleaseBody(Body, kw_only=True, frozen=True):
    """Gives a position back: nothing of it is enforced from then on."""

    may_be_empty: ClassVar[bool] = True

    expected_version: _Version | None = None
    reason: _Reason = ""


class CloseBody(Body, kw_only=True, frozen=True):
    """How much to close, in base units; all of it where that is left out."""

    may_be_empty: ClassVar[bool] = True

    quantity: Decimal | None = None


class CloseAnswer(Document, kw_only=True, frozen=True):
    """What a close did: volume-weighted exit price and quantity."""

    success: bool = True
    position_id: str
    intent_id: str
    exit_price: Decimal | None
    quantity: Decimal | None


def levels_router(books: Books, closing: Closing, authenticate: Authenticate, writes: Writes) -> APIRouter:
    router = APIRouter(tags=["books"])

    async def set_level(kind: str, position_id: str, request: Request, caller: Caller) -> Response:
        async def command(body: LevelBody, request_id: str) -> Document:
            changed = await books.set_level(_set_level(caller, position_id, kind, body, request_id))
            return _answer(changed.position, changed.warnings)

        return await writes.perform(
            request, caller, Action(f"set_{kind}", position_id), LevelBody, command, _level_details
        )

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
        description="A target that trails is a projection that moves with the price: it is shown and never fired.",
        **documented(LevelAnswer, examples.LEVEL, body=LevelBody, body_example=examples.TARGET_BODY, write=True),
    )
    async def set_take_profit(
        position_id: PositionId, request: Request, caller: Annotated[Caller, Depends(authenticate)]
    ) -> Response:
        return await set_level("take_profit", position_id, request, caller)

    @router.post(
        "/api/positions/{position_id}/manage",
        summary="Take a position into Tandem's care: both levels are enforced",
        **documented(LevelAnswer, examples.LEVEL, body=ManageBody, body_example=examples.MANAGE_BODY, write=True),
    )
    async def manage(
        position_id: PositionId, request: Request, caller: Annotated[Caller, Depends(authenticate)]
    ) -> Response:
        async def command(body: ManageBody, request_id: str) -> Document:
            changed = await books.manage(_manage(caller, position_id, body, request_id))
            return _answer(changed.position, changed.warnings)

        return await writes.perform(request, caller, Action("manage", position_id), ManageBody, command, _both_details)

    @router.post(
        "/api/positions/{position_id}/release",
        summary="Give a position back: nothing of it is enforced",
        **documented(LevelAnswer, examples.LEVEL, body=ReleaseBody, body_example={}, write=True),
    )
    async def release(
        position_id: PositionId, request: Request, caller: Annotated[Caller, Depends(authenticate)]
    ) -> Response:
        async def command(body: ReleaseBody, request_id: str) -> Document:
            position = await books.release(
                positions_pb2.ReleasePositionRequest(
                    user_id=caller.user_id,
                    position_id=position_id,
                    request_id=request_id,
                    expected_version=body.expected_version or 0,
                    author=types_pb2.AUTHOR_USER,
                    reason=body.reason,
                )
            )
            return _answer(position, ())

        return await writes.perform(request, caller, Action("release", position_id), ReleaseBody, command)

    @router.post(
        "/api/positions/{position_id}/close",
        summary="Close a position or a part of it at market, reduce-only",
        **documented(CloseAnswer, examples.CLOSE, body=CloseBody, body_example=examples.CLOSE_BODY, write=True),
    )
    async def close(
        position_id: PositionId, request: Request, caller: Annotated[Caller, Depends(authenticate)]
    ) -> Response:
        async def command(body: CloseBody, request_id: str) -> Document:
            closed = await closing.close_position(
                monitor_pb2.ClosePositionRequest(
                    user_id=caller.user_id,
                    position_id=position_id,
                    request_id=request_id,
                    quantity=_quantity(body) or "",
                )
            )
            return CloseAnswer(
                position_id=closed.position_id or position_id,
                intent_id=closed.intent_id,
                exit_price=optional_number(closed.exit_price),
                quantity=optional_number(closed.quantity),
            )

        return await writes.perform(
            request,
            caller,
            Action("close", position_id),
            CloseBody,
            command,
            lambda body: {"quantity": _quantity(body)},
        )

    return router


def _answer(position: types_pb2.Position, warnings: Iterable[str]) -> LevelAnswer:
    return LevelAnswer(position=position_document(position), notes=list(warnings) or UNSET)


def _set_level(
    caller: Caller, position_id: str, kind: str, body: LevelBody, request_id: str
) -> positions_pb2.SetLevelRequest:
    request = positions_pb2.SetLevelRequest(
        user_id=caller.user_id,
        position_id=position_id,
        kind=words.LEVELS[kind],
        request_id=request_id,
        expected_version=body.expected_version or 0,
        author=types_pb2.AUTHOR_USER,
        reason=body.reason,
    )
    level = level_of(body, "")
    if level.HasField("pinned"):
        request.pinned.CopyFrom(level.pinned)
    elif level.HasField("trailing"):
        request.trailing.CopyFrom(level.trailing)
    else:
        request.none.SetInParent()
    return request


def _manage(caller: Caller, position_id: str, body: ManageBody, request_id: str) -> positions_pb2.ManagePositionRequest:
    return positions_pb2.ManagePositionRequest(
        user_id=caller.user_id,
        position_id=position_id,
        stop_loss=None if body.stop_loss is None else level_of(body.stop_loss, "stopLoss."),
        take_profit=None if body.take_profit is None else level_of(body.take_profit, "takeProfit."),
        request_id=request_id,
        expected_version=body.expected_version or 0,
        author=types_pb2.AUTHOR_USER,
        reason=body.reason,
    )


def level_of(choice: LevelChoice, place: str) -> types_pb2.Level:
    """The rule that a body chose. Raises FieldInvalid where it chose none, or two."""
    level = types_pb2.Level()
    if isinstance(choice.trailing_distance, Decimal):
        if choice.price not in (UNSET, None):
            raise FieldInvalid(field=f"{place}price", problem="expected either price or trailingDistance")
        level.trailing.distance = check_fraction(f"{place}trailingDistance", choice.trailing_distance)
    elif isinstance(choice.price, Decimal):
        level.pinned.price = check_price(f"{place}price", choice.price)
    elif choice.price is None:
        level.none.SetInParent()
    else:
        raise FieldInvalid(field=f"{place}price", problem="required, or trailingDistance instead; null for no level")
    return level


def level_words(level: types_pb2.Level) -> str:
    if level.HasField("trailing"):
        return f"trailing {level.trailing.distance}"
    return level.pinned.price or "none"


def _level_details(body: LevelBody) -> Details:
    return {"level": level_words(level_of(body, ""))}


def _both_details(body: ManageBody) -> Details:
    return {
        "stopLoss": None if body.stop_loss is None else level_words(level_of(body.stop_loss, "stopLoss.")),
        "takeProfit": None if body.take_profit is None else level_words(level_of(body.take_profit, "takeProfit.")),
    }


def _quantity(body: CloseBody) -> str | None:
    return None if body.quantity is None else check_quantity("quantity", body.quantity)
