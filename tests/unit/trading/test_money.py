"""Numbers travel as plain decimal texts."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.trading.money import format_decimal, parse_decimal, round_down_to_step, to_books

NUMBERS = st.decimals(min_value="-99999999999999999999", max_value="99999999999999999999", places=18)


@given(NUMBERS)
def test_what_is_written_is_read_back(number: Decimal) -> None:
    text = format_decimal(number)
    assert parse_decimal(text) == number
    assert "E" not in text


@pytest.mark.parametrize(
    ("number", "text"), [("1E+3", "1000"), ("0.10", "0.1"), ("-0.0", "0"), ("1.000", "1"), ("100", "100")]
)
def test_numbers_are_written_plainly(number: str, text: str) -> None:
    assert format_decimal(Decimal(number)) == text


@pytest.mark.parametrize("text", ["", "abc", "NaN", "Infinity", "1,5"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        parse_decimal(text)


def test_large_amounts_keep_their_places() -> None:
    assert to_books(Decimal("12345678901234567890.1234567890123456785")) == Decimal(
        "12345678901234567890.123456789012345678"
    )


@given(st.decimals(min_value=0, max_value=10**9, places=8), st.sampled_from(["0.001", "1", "0.5", "10", "0.00000001"]))
def test_rounding_to_a_step_never_adds(number: Decimal, step: str) -> None:
    rounded = round_down_to_step(number, Decimal(step))
    assert 0 <= number - rounded < Decimal(step)
    assert rounded % Decimal(step) == 0
