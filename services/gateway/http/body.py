"""Reading the body of a request: bounded, JSON, and the field named where one is wrong."""

import re
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
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FieldInvalid(field="body", problem="not JSON") from error


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
    return format(percent, "f")


def check_signed(field: str, number: Decimal) -> str:
    """A number of either sign as the contract's decimal text. Raises FieldInvalid unless the books can hold it."""
    if not number.is_finite():
        raise FieldInvalid(field=field, problem="expected a number")
    if number:
        _check_places(field, number)
    return format(number, "f")


def check_unit(field: str, number: Decimal) -> str:
    """A number from 0 to 1 as the contract's decimal text. Raises FieldInvalid."""
    if not number.is_finite() or not 0 <= number <= 1 or _last_place(number) < _SMALLEST_EXPONENT:
        raise FieldInvalid(field=field, problem="expected a number from 0 to 1")
    return format(number, "f")


def _check_positive(field: str, number: Decimal, problem: str) -> str:
    if not number.is_finite() or number <= 0:
        raise FieldInvalid(field=field, problem=problem)
    _check_places(field, number)
    return format(number, "f")


def _check_places(field: str, number: Decimal) -> None:
    if number.adjusted() > _LARGEST_EXPONENT or _last_place(number) < _SMALLEST_EXPONENT:
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


def _last_place(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0
