"""What span of time a request asks for."""

from datetime import timedelta

import pytest

from services.common.errors import FieldInvalid
from services.positions.domain.errors import InvalidPeriod
from services.positions.domain.period import ALL_TIME, Span, span_of
from tests.factories import at


@pytest.mark.parametrize(("period", "days"), [("24h", 1), ("7d", 7), ("30d", 30), ("90d", 90), ("1y", 365)])
def test_a_period_counts_back_from_now(period: str, days: int) -> None:
    assert span_of(period, None, None, at(0)) == Span(at(0) - timedelta(days=days), None)


@pytest.mark.parametrize("period", ["", "all"])
def test_all_of_time(period: str) -> None:
    assert span_of(period, None, None, at(0)) == ALL_TIME


def test_moments_stand_as_they_are() -> None:
    assert span_of("", at(1), at(2), at(9)) == Span(at(1), at(2))
    assert span_of("", None, at(2), at(9)) == Span(None, at(2))


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(InvalidPeriod):
        span_of("fortnight", None, None, at(0))
    with pytest.raises(FieldInvalid, match="period"):
        span_of("7d", at(1), None, at(9))
    for until in (at(1), at(0)):
        with pytest.raises(FieldInvalid, match="until"):
            span_of("", at(1), until, at(9))
