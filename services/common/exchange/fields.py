"""Reads the fields of a venue's answer: Decimal from its text, aware time from its milliseconds, nothing invented.

A field that is missing or malformed raises ValueError, which whoever asked turns into a partial or failed reading.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from services.common.trading.money import parse_decimal

Row = Mapping[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_EARLIEST_MS = 10**12
_LATEST_MS = 4 * 10**12
"""Times of a venue lie in the years 2001 to 2096: what does not is in another unit, or no time at all."""


def text(row: Row, name: str) -> str:
    """A field that must be there, as text (ids come as numbers or as strings)."""
    value = row.get(name)
    if value is None or value == "":
        raise ValueError(f"field {name} is missing")
    return str(value)


def optional_text(row: Row, name: str) -> str | None:
    """A field as text; None where it is missing or blank."""
    value = row.get(name)
    return None if value is None or value == "" else str(value)


def number(row: Row, name: str) -> Decimal:
    """A number that must be there."""
    return parse_decimal(text(row, name))


def optional_number(row: Row, name: str) -> Decimal | None:
    """A number; None where it is missing or blank."""
    value = optional_text(row, name)
    return None if value is None else parse_decimal(value)


def positive_number(row: Row, name: str) -> Decimal | None:
    """A number where zero, like blank, means that the venue did not say."""
    value = optional_number(row, name)
    return value if value is not None and value > 0 else None


def above_zero(row: Row, name: str) -> Decimal:
    """A number that must be there and above zero, as the price of what is held, or the step of what is traded."""
    value = number(row, name)
    if value <= 0:
        raise ValueError(f"field {name} is not above zero: {value}")
    return value


def instant(row: Row, name: str) -> datetime:
    """A time that must be there, given in milliseconds since 1970."""
    return _plausible(int(text(row, name)), name)


def optional_instant(row: Row, name: str) -> datetime | None:
    """A time in milliseconds since 1970; None where it is missing or zero."""
    value = optional_text(row, name)
    return _plausible(int(value), name) if value is not None and int(value) != 0 else None


def rows(answer: Any, name: str | None = None) -> list[Row]:
    """The list in an answer, or under one of its fields; every item must be an object."""
    value = answer.get(name) if name is not None and isinstance(answer, Mapping) else answer
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f"{name or 'the answer'} is not a list of objects")
    return value


def nested(answer: Any, name: str) -> Row:
    """The object under a field of an answer."""
    value = answer.get(name) if isinstance(answer, Mapping) else None
    if not isinstance(value, dict):
        raise ValueError(f"field {name} is not an object")
    return value


def from_milliseconds(milliseconds: int) -> datetime:
    """Milliseconds since 1970 as an aware UTC datetime, exact. Raises ValueError beyond what a datetime can hold."""
    seconds, rest = divmod(milliseconds, 1000)
    try:
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)
    except (OverflowError, OSError):
        raise ValueError(f"{milliseconds} ms are beyond what a time can be") from None


def to_milliseconds(moment: datetime) -> int:
    """An aware datetime as milliseconds since 1970, rounded down."""
    return (moment - _EPOCH) // _MILLISECOND


def _plausible(milliseconds: int, name: str) -> datetime:
    if not _EARLIEST_MS <= milliseconds <= _LATEST_MS:
        raise ValueError(f"field {name} is no time in milliseconds: {milliseconds}")
    return from_milliseconds(milliseconds)
