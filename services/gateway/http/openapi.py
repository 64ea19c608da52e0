"""What the OpenAPI document says of our routes: schemas from the very types that are written and read, and examples."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response

from services.gateway.http.errors import ErrorAnswer
from services.gateway.http.json import Body
from services.gateway.http.writes import KEY_HEADER

Json = dict[str, Any]

_REF = "#/components/schemas/{name}"
# Stands for null in an example until the document is made: FastAPI leaves nulls out, which their schemas require.
_NULL = "\N{NULL}"
_ERRORS: dict[int, tuple[str, str, str]] = {
    401: ("No token, or one that has expired or is not valid", "The token has expired.", "TOKEN_EXPIRED"),
    403: ("The token has another role than admin", "This needs the role admin.", "ADMIN_REQUIRED"),
    404: ("No such thing, or another user's", "Position OP_1729425600_123 does not exist.", "POSITION_NOT_FOUND"),
    409: ("The state of things does not allow it", "No verified API keys found", "NO_VERIFIED_API_KEYS"),
    413: ("The body is too large", "The body of a request may hold at most 65536 bytes.", "BODY_TOO_LARGE"),
    422: ("The request can never succeed as it is", "price: required", "VALIDATION_FAILED"),
    429: (
        "A limit has been reached",
        "Too many requests: at most 1200 reads a minute. Try again in 1 s.",
        "RATE_LIMITED",
    ),
    500: ("Nobody meant this", "Internal error; request 5f0c has been logged", "INTERNAL"),
    503: ("Something cannot be reached now", "The positions service cannot be reached.", "SERVICE_UNAVAILABLE"),
}
_READ_ERRORS = (401, 404, 409, 422, 429, 500, 503)
_WRITE_ERRORS = (401, 404, 409, 413, 422, 429, 500, 503)


def documented(
    answer: type[msgspec.Struct],
    example: Json,
    *,
    body: type[Body] | None = None,
    body_example: Json | None = None,
    write: bool = False,
    admin: bool = False,
    errors: Sequence[int] | None = None,
) -> Json:
    """Keyword arguments of a route: its answers and, for a write, its body and its Idempotency-Key."""
    responses: dict[int, Json] = {200: {"description": "Done", "content": _content(answer, example)}}
    possible = (_WRITE_ERRORS if write else _READ_ERRORS) if errors is None else errors
    responses.update(_refusals({*possible, 403} if admin else possible))
    extra: Json = {}
    if write:
        extra["parameters"] = [
            {
                "name": KEY_HEADER,
                "in": "header",
                "required": False,
                "description": "The same key with the same request is done once and answered alike for 24 hours.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 128},
            }
        ]
    if body is not None:
        extra["requestBody"] = {"required": not body.may_be_empty, "content": _content(body, body_example or {})}
    return {"responses": responses, "openapi_extra": extra, "response_model": None}


def documented_file(media_type: str, description: str, example: str | None = None) -> Json:
    """As `documented`, for a route that answers a file."""
    content: Json = {"schema": {"type": "string", "contentMediaType": media_type}}
    if example is not None:
        content["example"] = example
    done = {"description": description, "content": {media_type: content}}
    return {"responses": {200: done, **_refusals(_READ_ERRORS)}, "response_class": Response, "response_model": None}


def _refusals(statuses: Iterable[int]) -> dict[int, Json]:
    refusals = {}
    for status in sorted(statuses):
        description, message, code = _ERRORS[status]
        sample = {"success": False, "error": message, "code": code}
        refusals[status] = {"description": description, "content": _content(ErrorAnswer, sample)}
    return refusals


def install_openapi(app: FastAPI, types: Sequence[type[msgspec.Struct]], description: str) -> None:
    """Make the app's OpenAPI document complete: the schemas of `types` are its components."""

    def openapi() -> Json:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title, version=app.version, description=description, routes=app.routes, tags=app.openapi_tags
            )
            _, components = msgspec.json.schema_components([ErrorAnswer, *types], ref_template=_REF)
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas.update({name: _as_written(schema) for name, schema in components.items()})
            app.openapi_schema = _replace(document, _NULL, None)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the way that FastAPI documents


def _content(kind: type[msgspec.Struct], example: Json) -> Json:
    return {
        "application/json": {
            "schema": {"$ref": _REF.format(name=kind.__name__)},
            "example": _replace(example, None, _NULL),
        },
    }


def _replace(value: Any, old: object, new: object) -> Any:
    """The same with another value in the place of one, wherever that is."""
    if isinstance(value, dict):
        return {name: _replace(one, old, new) for name, one in value.items()}
    if isinstance(value, list):
        return [_replace(one, old, new) for one in value]
    return new if value == old else value


def _as_written(schema: Any) -> Any:
    """Decimals are JSON numbers here; msgspec's schema supposes texts."""
    if isinstance(schema, dict):
        if schema.get("format") == "decimal":
            return {**{name: value for name, value in schema.items() if name != "format"}, "type": "number"}
        return {name: _as_written(value) for name, value in schema.items()}
    if isinstance(schema, list):
        return [_as_written(value) for value in schema]
    return schema
