"""Reading the body of a request: bounded, JSON, and the field named where one is wrong.

Invariant: what passes here costs no more than its length to write down again, and can be kept: no number is so long or
so far from the point, no text holds a character and nothing is nested so deep, that what comes after could not hold it.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar, TypeVar

import msgspec
from starlette.requests import Request

from services.common.errors import FieldInvalid
from services.gateway.http.errors import BodyTooLarge
from services.gateway.http.json import Body

LIMIT_BYTES = 64 * 1024
# What the books can hold: numeric(38,18).
_LARGEST_EXPONENT = 19
_SMALLEST_EXPONENT = -18

_PATH = re.compile(r"^(?P<problem>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
# Not one that is itself behind a backslash: that is a text about it.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_NAMED = re.compile(r"^Object (?P<what>missing required|contains unknown) field `(?P<name>.*)`$", re.DOTALL)

T = TypeVar("T", bound=Body)


class NoBody(Body, kw_only=True, frozen=True):
    """A write that takes nothing: an empty body, or {}."""

    may_be_empty: ClassVar[bool] = True


async def read_body(request: Request, kind: type[T]) -> T:
    """The body of a request. Raises BodyTooLarge, FieldInvalid ("body" where it is not a JSON object at all)."""
    raw = await _read(request)
    if kind.may_be_empty and not raw.strip():
        raw = b"{}"
    try:
        body = msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FieldInvalid(field="body", problem="not JSON") from error
    except RecursionError as error:
        raise FieldInvalid(field="body", problem="is nested too deep") from error
    if _NUL.search(raw) is not None:
        raise FieldInvalid(field="body", problem="holds a character that cannot be kept")
    return body


def check_price(field: str, price: Decimal) -> str:
    """A price as the contract's decimal text. Raises FieldInvalid unless it is positive and the books can hold it."""
    return _check_positive(field, price, "expected a price above 0, or null for none")


def check_quantity(field: str, quantity: Decimal) -> str:
    """A quantity as the contract's decimal text. Raises FieldInvalid as `check_price` does."""
    return _check_positive(field, quantity, "expected a quantity above 0")


def check_positive(field: str, number: Decimal) -> str:
    """A number above 0 as the contract's decimal text. Raises FieldInvalid as `check_price` does."""
    return _check_positive(field, number, "expected a number above 0")


def check_fraction(field: str, fraction: Decimal) -> str:
    """A fraction between 0 and 1, both excluded, as the contract's decimal text. Raises FieldInvalid."""
    text = _check_positive(field, fraction, "expected a fraction above 0 and below 1: 0.02 is 2 %")
    if fraction >= 1:
        raise FieldInvalid(field=field, problem="expected a fraction above 0 and below 1: 0.02 is 2 %")
    return text


def check_percent(field: str, percent: Decimal) -> str:
    """Percent from 0 to 100 as the contract's decimal text. Raises FieldInvalid."""
    if not percent.is_finite() or not 0 <= percent <= 100 or _last_place(percent) < _SMALLEST_EXPONENT:
        raise FieldInvalid(field=field, problem="expected percent from 0 to 100")
    return _digits(percent)


def check_signed(field: str, number: Decimal) -> str:
    """A number of either sign as the contract's decimal text. Raises FieldInvalid unless the books can hold it."""
    if not number.is_finite():
        raise FieldInvalid(field=field, problem="expected a number")
    _check_places(field, number)
    return _digits(number)


def check_unit(field: str, number: Decimal) -> str:
    """A number from 0 to 1 as the contract's decimal text. Raises FieldInvalid."""
    if not number.is_finite() or not 0 <= number <= 1 or _last_place(number) < _SMALLEST_EXPONENT:
        raise FieldInvalid(field=field, problem="expected a number from 0 to 1")
    return _digits(number)


def in_utc(field: str, moment: datetime) -> datetime:
    """An aware moment in UTC. Raises FieldInvalid for one that is before or after all others there."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise FieldInvalid(field=field, problem="expected a moment within the years 1 to 9999, UTC") from None


def _check_positive(field: str, number: Decimal, problem: str) -> str:
    if not number.is_finite() or number <= 0:
        raise FieldInvalid(field=field, problem=problem)
    _check_places(field, number)
    return _digits(number)


def _check_places(field: str, number: Decimal) -> None:
    if number and (number.adjusted() > _LARGEST_EXPONENT or _last_place(number) < _SMALLEST_EXPONENT):
        raise FieldInvalid(field=field, problem="expected at most 20 digits before the point and 18 after it")


async def _read(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > LIMIT_BYTES:
            raise BodyTooLarge(limit_bytes=LIMIT_BYTES)
        parts.append(part)
    return b"".join(parts)


def _explain(message: str) -> FieldInvalid:
    match = _PATH.match(message)
    problem, path = (match["problem"], match["path"]) if match else (message, None)
    named = _NAMED.match(problem)
    if named:
        field = f"{path}.{named['name']}" if path else named["name"]
        return FieldInvalid(
            field=field, problem="required" if "missing" in named["what"] else "not a field of this request"
        )
    return FieldInvalid(field=path or "body", problem=problem)


def _digits(number: Decimal) -> str:
    """The digits as they were sent; of a zero only one, whatever its exponent."""
    return format(number, "f") if number else "0"


def _last_place(number: Decimal) -> int:
    """The exponent of the last digit that is not a zero. Exact: to normalize would round to the context's digits."""
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int) or not number:
        return 0
    zeros = next(place for place, digit in enumerate(reversed(digits)) if digit)
    return exponent + zeros
