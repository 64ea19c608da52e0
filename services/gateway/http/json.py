"""JSON in and out: camelCase, times in ISO 8601 with milliseconds and Z, money never through a float.

Invariants: a number in an answer is written from its Decimal, plainly, never with an exponent; a number in a request is
read into a Decimal from its text.
"""

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import ClassVar

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp
from starlette.responses import Response

from services.common.trading.money import format_decimal, parse_decimal


class _Plain(Decimal):
    """A number that Decimal would write with an exponent, 1E-7: its text is the plain one."""

    def __str__(self) -> str:
        return format(self, "f")


def _write(value: object) -> object:
    if isinstance(value, _Plain):
        return msgspec.Raw(str(value).encode())
    raise TypeError(f"{type(value).__name__} has no place in an answer")


_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=_write)
_CENT = Decimal("0.01")
_REMEMBERED = 16_384


class Document(msgspec.Struct, rename="camel", kw_only=True, frozen=True):
    """An object of an answer; its fields come out in camelCase and in the order in which they are declared."""


class Body(msgspec.Struct, rename="camel", kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An object of a request. A field that is not known is refused: a misspelt one must not be passed over."""

    may_be_empty: ClassVar[bool] = False
    """Whether no body at all means the same as {}."""


def encode(document: object) -> bytes:
    """The JSON of an answer."""
    return _encoder.encode(document)


def respond(document: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An HTTP answer."""
    return respond_raw(encode(document), status, headers)


def respond_raw(body: bytes, status: int, headers: dict[str, str] | None = None) -> Response:
    """An HTTP answer whose JSON is written already. Answers are somebody's own: nobody may cache them."""
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, media_type="application/json")


# The same texts come again and again: of fifty positions that are asked for many times a second few figures have moved.
@lru_cache(maxsize=_REMEMBERED)
def number(text: str) -> Decimal:
    """A decimal text of the contract, plainly: no exponent of tens, no trailing zeros."""
    return plain(parse_decimal(text))


def plain(value: Decimal) -> Decimal:
    """A decimal as it is written: no exponent of tens, no trailing zeros."""
    number = Decimal(format_decimal(value))
    return number if "E" not in str(number) else _Plain(number)


def optional_number(text: str) -> Decimal | None:
    """As `number`; None for the empty text, which means "not known"."""
    return number(text) if text else None


@lru_cache(maxsize=_REMEMBERED)
def optional_percent(text: str) -> Decimal | None:
    """A percentage with two decimals; None for the empty text."""
    return parse_decimal(text).quantize(_CENT) if text else None


def instant(moment: datetime) -> str:
    """An aware datetime as 2025-10-21T12:00:00.000Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def optional_instant(stamp: Timestamp, *, present: bool) -> str | None:
    """A timestamp of the contract; None where its message does not have it."""
    return instant(stamp.ToDatetime(tzinfo=UTC)) if present else None


def raw_object(text: str) -> msgspec.Raw | None:
    """A JSON text of the contract as it is; None for the empty text."""
    return msgspec.Raw(text.encode()) if text else None
