"""Opening a position by hand: what a person says of it, which is also most of what a flow says."""

from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from protos.monitor.v1 import monitor_pb2
from protos.positions.v1 import types_pb2
from services.common.errors import FieldInvalid
from services.gateway.clients import Opening
from services.gateway.http import flows_examples as examples
from services.gateway.http import words
from services.gateway.http.body import check_percent, check_positive, check_quantity
from services.gateway.http.documents import PositionDocument, position_document
from services.gateway.http.identity import Authenticate, Caller
from services.gateway.http.json import Body, Document
from services.gateway.http.levels import LevelChoice, level_of, level_words
from services.gateway.http.openapi import documented
from services.gateway.http.writes import Action, Details, Writes

_AccountId = Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]{1,64}$")]
_Symbol = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.:/-]{1,40}$")]


class OpenBody(Body, kw_only=True, frozen=True):
    """A position at market, with levels that are enforced from the start; one that is left out trails at 2 % or 4 %.

    Its size is one of `quantity` (base units), `notional` (quote currency), or `riskPercent` of the account's equity,
    which is what is lost where the stop is hit. `leverage` is set at the venue before; left out, it stays as it is.
    """

    account_id: _AccountId
    symbol: _Symbol
    side: Literal["long", "short"]
    quantity: Decimal | None = None
    notional: Decimal | None = None
    risk_percent: Decimal | None = None
    leverage: Decimal | None = None
    stop_loss: LevelChoice | None = None
    take_profit: LevelChoice | None = None


class OpenAnswer(Document, kw_only=True, frozen=True):
    """The position that was opened."""

    success: bool = True
    position: PositionDocument
    intent_id: str


class Size(NamedTuple):
    """How large: the field of the contract that says it, and its decimal text."""

    field: str
    text: str


TYPES = (OpenBody, OpenAnswer)


def opening_router(opening: Opening, authenticate: Authenticate, writes: Writes) -> APIRouter:
    router = APIRouter(tags=["books"])

    @router.post(
        "/api/positions",
        summary="Open a position at market",
        description="An order whose outcome is not known is never sent again: 503 OPEN_UNRESOLVED, and an alert.",
        **documented(OpenAnswer, examples.OPENED, body=OpenBody, body_example=examples.OPEN_BODY, write=True),
    )
    async def open_position(request: Request, caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        async def command(body: OpenBody, request_id: str) -> Document:
            opened = await opening.open_position(
                monitor_pb2.OpenPositionRequest(
                    user_id=caller.user_id,
                    origin=types_pb2.ORIGIN_MANUAL,
                    request_id=request_id,
                    **opening_fields(body),
                )
            )
            return OpenAnswer(position=position_document(opened.position), intent_id=opened.intent_id)

        return await writes.perform(request, caller, Action("open"), OpenBody, command, opening_details)

    return router


def opening_fields(body: OpenBody) -> dict[str, Any]:
    """What a body says, in the fields that the contract's requests share. Raises FieldInvalid."""
    size = size_of(body)
    return {
        "account_id": body.account_id,
        "symbol": body.symbol.upper(),
        "side": words.SIDES[body.side],
        "leverage": leverage_of(body),
        "stop_loss": None if body.stop_loss is None else level_of(body.stop_loss, "stopLoss."),
        "take_profit": None if body.take_profit is None else level_of(body.take_profit, "takeProfit."),
        size.field: size.text,
    }


def size_of(body: OpenBody) -> Size:
    """The one size that a body states. Raises FieldInvalid where it states none, or several."""
    stated = [
        Size(field, text)
        for field, text in (
            ("quantity", None if body.quantity is None else check_quantity("quantity", body.quantity)),
            ("notional", None if body.notional is None else check_positive("notional", body.notional)),
            ("risk_percent", None if body.risk_percent is None else _risk(body.risk_percent)),
        )
        if text is not None
    ]
    if len(stated) != 1:
        raise FieldInvalid(field="quantity", problem="expected one of quantity, notional and riskPercent")
    return stated[0]


def leverage_of(body: OpenBody) -> str:
    """The leverage as the contract has it; empty where the account's own is to stay. Raises FieldInvalid."""
    return "" if body.leverage is None else check_positive("leverage", body.leverage)


def opening_details(body: OpenBody) -> Details:
    """What the audit log says of it. Raises FieldInvalid for what can never be opened."""
    size = size_of(body)
    stop, target = body.stop_loss, body.take_profit
    return {
        "accountId": body.account_id,
        "symbol": body.symbol.upper(),
        "side": body.side,
        "size": f"{size.field} {size.text}",
        "leverage": leverage_of(body) or None,
        "stopLoss": None if stop is None else level_words(level_of(stop, "stopLoss.")),
        "takeProfit": None if target is None else level_words(level_of(target, "takeProfit.")),
    }


def _risk(percent: Decimal) -> str:
    text = check_percent("riskPercent", percent)
    if not percent:
        raise FieldInvalid(field="riskPercent", problem="expected percent above 0, up to 100")
    return text
