"""The switches that stop trading: a user's own, and those of administrators, for everybody or for one user."""

from functools import partial
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from protos.monitor.v1 import pauses_pb2
from services.gateway.clients import Pauses
from services.gateway.http import pauses_examples as examples
from services.gateway.http.admin import UserId
from services.gateway.http.identity import Authenticate, Caller, require_admin
from services.gateway.http.json import Body, Document, optional_instant, respond
from services.gateway.http.openapi import documented
from services.gateway.http.writes import Action, Details, Writes

_EVERYBODY = ""


class PauseBody(Body, kw_only=True, frozen=True):
    """What is to be stopped. Stopping closes leaves every position unguarded.

    It has to be confirmed with `confirmation`: "positions are unguarded".
    """

    opening_paused: bool
    closing_paused: bool
    confirmation: Annotated[str, msgspec.Meta(max_length=64)] = ""
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""


class PauseDocument(Document, kw_only=True, frozen=True):
    """What is stopped. `closingPaused`: stops and targets do not fire, and nothing is closed by hand."""

    opening_paused: bool
    closing_paused: bool
    reason: str | None
    set_by: str | None
    set_at: str | None


class PausesAnswer(Document, kw_only=True, frozen=True):
    """The pauses that hold for a user: their own, and everybody's."""

    success: bool = True
    pause: PauseDocument
    everybody: PauseDocument


class PauseAnswer(Document, kw_only=True, frozen=True):
    """A pause as it is now."""

    success: bool = True
    pause: PauseDocument


TYPES = (PauseBody, PausesAnswer, PauseAnswer)


def pauses_router(pauses: Pauses, authenticate: Authenticate, writes: Writes) -> APIRouter:
    router = APIRouter(tags=["settings"])
    admin = require_admin(authenticate)

    async def set_pause(request: Request, caller: Caller, user_id: str, action: Action) -> Response:
        async def command(body: PauseBody, request_id: str) -> Document:
            pause = await pauses.set_pause(
                pauses_pb2.SetPauseRequest(
                    user_id=user_id,
                    opening_paused=body.opening_paused,
                    closing_paused=body.closing_paused,
                    confirmation=body.confirmation,
                    reason=body.reason,
                    set_by=caller.user_id,
                    request_id=request_id,
                )
            )
            return PauseAnswer(pause=_pause(pause))

        return await writes.perform(request, caller, action, PauseBody, command, _details)

    async def show(user_id: str) -> Response:
        held = await pauses.get_pause(user_id)
        return respond(PausesAnswer(pause=_pause(held.user), everybody=_pause(held.everybody)))

    written = partial(
        documented, PauseAnswer, examples.PAUSE, body=PauseBody, body_example=examples.PAUSE_BODY, write=True
    )

    @router.get("/api/settings/pause", summary="What is stopped for me", **documented(PausesAnswer, examples.PAUSES))
    async def get_own(caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        return await show(caller.user_id)

    @router.put(
        "/api/settings/pause",
        summary="Stop or go on, for me",
        **written(),
    )
    async def set_own(request: Request, caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        return await set_pause(request, caller, caller.user_id, Action("set_pause"))

    @router.get(
        "/api/admin/pause",
        summary="What is stopped for everybody",
        tags=["admin"],
        **documented(PauseAnswer, examples.PAUSE, admin=True),
    )
    async def get_everybody(caller: Annotated[Caller, Depends(admin)]) -> Response:
        held = await pauses.get_pause(caller.user_id)
        return respond(PauseAnswer(pause=_pause(held.everybody)))

    @router.put(
        "/api/admin/pause",
        summary="Stop or go on, for everybody",
        tags=["admin"],
        **written(admin=True),
    )
    async def set_everybody(request: Request, caller: Annotated[Caller, Depends(admin)]) -> Response:
        return await set_pause(request, caller, _EVERYBODY, Action("pause_everybody"))

    @router.get(
        "/api/admin/users/{user_id}/pause",
        summary="What is stopped for a user",
        tags=["admin"],
        **documented(PausesAnswer, examples.PAUSES, admin=True),
    )
    async def get_of_user(user_id: UserId, _: Annotated[Caller, Depends(admin)]) -> Response:
        return await show(user_id)

    @router.put(
        "/api/admin/users/{user_id}/pause",
        summary="Stop or go on, for a user",
        tags=["admin"],
        **written(admin=True),
    )
    async def set_of_user(user_id: UserId, request: Request, caller: Annotated[Caller, Depends(admin)]) -> Response:
        return await set_pause(request, caller, user_id, Action("pause_user", user_id))

    return router


def _pause(pause: pauses_pb2.Pause) -> PauseDocument:
    return PauseDocument(
        opening_paused=pause.opening_paused,
        closing_paused=pause.closing_paused,
        reason=pause.reason or None,
        set_by=pause.set_by or None,
        set_at=optional_instant(pause.set_at, present=pause.HasField("set_at")),
    )


def _details(body: PauseBody) -> Details:
    return {
        "openingPaused": body.opening_paused,
        "closingPaused": body.closing_paused,
        "reason": body.reason or None,
    }
