"""Errors over HTTP: one table of kinds and statuses, one shape of body.

Invariants: every error, whoever found it, is {"success": false, "error", "code"} (and "field" where one field is to
blame); what nobody meant is 500 INTERNAL with nothing but the request's id.
"""

import msgspec
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from services.common.errors import (
    DomainError,
    ErrorKind,
    FieldInvalid,
    Invalid,
    NotFound,
    PositionNotFound,
    Unavailable,
)
from services.gateway.http.json import Document, respond

_log = structlog.get_logger(__name__)

STATUS_OF_KIND: dict[ErrorKind, int] = {
    ErrorKind.UNAUTHENTICATED: 401,
    ErrorKind.DENIED: 403,
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.CONFLICT: 409,
    ErrorKind.ALREADY: 409,
    ErrorKind.PRECONDITION: 409,
    ErrorKind.INVALID: 422,
    ErrorKind.EXHAUSTED: 429,
    ErrorKind.UNAVAILABLE: 503,
}
_STATUS_OF_REASON = {"BODY_TOO_LARGE": 413}
_CODE_OF_REASON = {FieldInvalid.reason: "VALIDATION_FAILED"}
# Another service that refuses the gateway itself is our trouble and says nothing about whoever asked.
_OUR_OWN = frozenset({"CALLER_UNKNOWN", "CALLER_REFUSED"})
_RETRY_AFTER_SECONDS = 1


class ThingNotFound(NotFound):
    """There is no {thing} with this id."""


_IDS: dict[str, DomainError] = {
    "position_id": PositionNotFound(position_id="with this id"),
    "transaction_id": ThingNotFound(thing="transaction"),
    "key_id": ThingNotFound(thing="key"),
    "user_id": ThingNotFound(thing="user"),
    "alert_id": ThingNotFound(thing="alert"),
    "flow_id": ThingNotFound(thing="flow"),
    "execution_id": ThingNotFound(thing="execution"),
    "symbol": ThingNotFound(thing="symbol"),
}


class ErrorAnswer(Document, kw_only=True, frozen=True):
    """What every failure is answered with. `field` names what is to blame, where one thing is."""

    success: bool = False
    error: str
    code: str
    field: str | msgspec.UnsetType = msgspec.UNSET


class BodyTooLarge(Invalid):
    """The body of a request may hold at most {limit_bytes} bytes."""


def answer_error(error: DomainError) -> Response:
    """The HTTP answer of a domain error."""
    if error.reason in _OUR_OWN:
        _log.error("another service refused the gateway", reason=error.reason, error=error.message)
        return answer_failure()
    status = _STATUS_OF_REASON.get(error.reason, STATUS_OF_KIND[error.kind])
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status in (429, 503):
        headers["Retry-After"] = _retry_after(error)
    body = ErrorAnswer(
        error=error.message,
        code=_CODE_OF_REASON.get(error.reason, error.reason),
        field=error.metadata.get("field", msgspec.UNSET),
    )
    return respond(body, status, headers)


def _retry_after(error: DomainError) -> str:
    if isinstance(error, Unavailable):
        return str(error.retry_after_seconds)
    seconds = error.metadata.get("retry_after_seconds", "")
    return seconds if seconds.isdecimal() else str(_RETRY_AFTER_SECONDS)


def answer_failure() -> Response:
    """The HTTP answer to what nobody meant; the log has the rest under the request's id."""
    request_id = structlog.contextvars.get_contextvars().get("request_id", "unknown")
    return respond(ErrorAnswer(error=f"Internal error; request {request_id} has been logged", code="INTERNAL"), 500)


def install_error_handlers(app: FastAPI) -> None:
    """Give every error of the app this shape."""
    app.add_exception_handler(DomainError, _on_domain_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)


async def _on_domain_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, DomainError)  # noqa: S101 - registered for this class alone
    return answer_error(error)


async def _on_validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class alone
    detail = error.errors()[0]
    place, *names = [str(part) for part in detail["loc"]]
    field = ".".join(names) or place
    if place == "path" and field in _IDS:
        # An id that cannot exist is not found, like every other that does not.
        return answer_error(_IDS[field])
    return answer_error(FieldInvalid(field=field, problem=detail["msg"]))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    headers = dict(error.headers or {})
    if error.status_code == 404:
        return respond(ErrorAnswer(error=f"There is no {request.url.path}", code="ROUTE_NOT_FOUND"), 404, headers)
    if error.status_code == 405:
        message = f"{request.url.path} does not take {request.method}"
        return respond(ErrorAnswer(error=message, code="METHOD_NOT_ALLOWED"), 405, headers)
    return respond(ErrorAnswer(error=str(error.detail), code=f"HTTP_{error.status_code}"), error.status_code, headers)
