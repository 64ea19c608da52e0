"""Decimal texts in, Decimal texts out; never a float in between."""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

SCALE = Decimal("1e-18")
"""The books keep 18 decimal places (Numeric(38, 18))."""

_BOOKS = Context(prec=60, rounding=ROUND_HALF_EVEN)
_MOST_DIGITS = 20
"""What Numeric(38, 18) holds before the point: what is longer is no amount of anything, and arithmetic overflows."""


def parse_decimal(text: str) -> Decimal:
    """Read a finite decimal number. Raises ValueError for anything else: `NaN`, `Infinity`, more than 20 digits before
    the point.
    """
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is not a decimal number") from error
    if not number.is_finite():
        raise ValueError(f"{text!r} is not a finite number")
    if number and number.adjusted() >= _MOST_DIGITS:
        raise ValueError(f"{text[:40]!r} is not a number that can be kept: it is too large")
    return number


def format_decimal(number: Decimal) -> str:
    """Write a number plainly: no exponent, no trailing zeros, no negative zero."""
    if number == 0:
        return "0"
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def to_books(number: Decimal) -> Decimal:
    """Round to what the books keep: 18 decimal places, half to even."""
    return number.quantize(SCALE, context=_BOOKS)


def round_down_to_step(number: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of a venue's positive step that is not above a non-negative number."""
    return (number / step).to_integral_value(rounding=ROUND_DOWN) * step
