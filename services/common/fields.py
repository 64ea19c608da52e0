"""Reads the fields of a request: what the books can hold, or FieldInvalid with the field's name."""

from decimal import Decimal
from typing import Any

import msgspec

from services.common.errors import FieldInvalid
from services.common.trading.level import LevelRule, NoLevel, Pinned, Trailing
from services.common.trading.money import parse_decimal

LONGEST_TEXT = 2_000
DEFAULT_PAGE_SIZE = 50
LARGEST_PAGE_SIZE = 500
_LARGEST_OBJECT = 16_384


def number_of(text: str, field: str) -> Decimal:
    """A number of the contract. Raises FieldInvalid where it is missing or none that the books can hold."""
    try:
        number = parse_decimal(text)
    except ValueError:
        raise FieldInvalid(field=field, problem="is not a decimal number") from None
    exponent = number.as_tuple().exponent
    # The books hold 20 digits before the point: sums of such numbers fit as well.
    if (isinstance(exponent, int) and exponent < -18) or (number and number.adjusted() >= 18):
        raise FieldInvalid(field=field, problem="has more than 18 decimal places, or 18 digits before the point")
    return number


def positive_of(text: str, field: str) -> Decimal:
    """A number above zero. Raises FieldInvalid."""
    number = number_of(text, field)
    if number <= 0:
        raise FieldInvalid(field=field, problem="is not above zero")
    return number


def amount_of(text: str, field: str) -> Decimal:
    """A price or a quantity: above zero, and such that the product of two fits the books. Raises FieldInvalid."""
    number = positive_of(text, field)
    if number.adjusted() >= 10:
        raise FieldInvalid(field=field, problem="has more than 10 digits before the point")
    return number


def optional_number_of(text: str, field: str) -> Decimal | None:
    """A number, or None for an empty text. Raises FieldInvalid."""
    return number_of(text, field) if text else None


def required(text: str, field: str, longest: int = LONGEST_TEXT) -> str:
    """A text that is not empty and that the books can hold. Raises FieldInvalid."""
    if not text:
        raise FieldInvalid(field=field, problem="is required")
    return held(text, field, longest)


def held(text: str, field: str, longest: int = LONGEST_TEXT) -> str:
    """A text that may be empty, as the books can hold it. Raises FieldInvalid."""
    if len(text) > longest:
        raise FieldInvalid(field=field, problem=f"has more than {longest} characters")
    if "\0" in text:
        raise FieldInvalid(field=field, problem="holds a character that cannot be kept")
    return text


def optional_text(text: str, field: str, longest: int = LONGEST_TEXT) -> str | None:
    """A text, or None for an empty one. Raises FieldInvalid."""
    return held(text, field, longest) or None


def page_size_of(size: int) -> int:
    """How many rows a page has. Raises FieldInvalid for a negative size; a large one is cut."""
    if size < 0:
        raise FieldInvalid(field="page_size", problem="is negative")
    return min(size or DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE)


def rule_from(name: str, pinned: str, distance: str) -> LevelRule:
    """The rule that a oneof names. Raises FieldInvalid."""
    match name:
        case "pinned":
            return Pinned(amount_of(pinned, "price"))
        case "trailing":
            fraction = number_of(distance, "distance")
            if not 0 < fraction < 1:
                raise FieldInvalid(field="distance", problem="is not between 0 and 1")
            return Trailing(fraction)
        case "none":
            return NoLevel()
        case _:
            raise FieldInvalid(field="rule", problem="is required: a pinned price, a trailing distance, or none")


def object_of(text: str, field: str) -> dict[str, Any] | None:
    """A JSON object as the books can hold it; None for an empty text. Raises FieldInvalid."""
    if not text:
        return None
    if len(text) > _LARGEST_OBJECT:
        raise FieldInvalid(field=field, problem=f"has more than {_LARGEST_OBJECT} characters")
    try:
        content = msgspec.json.decode(text.encode(), type=dict[str, Any])
        plain = msgspec.json.encode(content)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        raise FieldInvalid(field=field, problem="is not a JSON object") from None
    if rb"\u0000" in plain:
        raise FieldInvalid(field=field, problem="holds a character that cannot be kept")
    return content
