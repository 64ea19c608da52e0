"""The span of time that history is asked for: a period counted back from now, or from one moment to another."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.common.errors import FieldInvalid
from services.positions.domain.errors import InvalidPeriod

_PERIODS: dict[str, timedelta | None] = {
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
    "1y": timedelta(days=365),
    "all": None,
}


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` (inclusive) until `until` (exclusive); None is without end on that side."""

    since: datetime | None = None
    until: datetime | None = None


ALL_TIME = Span()


def span_of(period: str, since: datetime | None, until: datetime | None, now: datetime) -> Span:
    """What a request asks for. An empty period without moments is all of time.

    Raises InvalidPeriod for a period that is not known, FieldInvalid for one beside a moment and for an empty span.
    """
    if since is None and until is None:
        return Span(start_of_period(period, now))
    if period:
        raise FieldInvalid(field="period", problem="cannot be given beside a beginning or an end")
    if since is not None and until is not None and since >= until:
        raise FieldInvalid(field="until", problem="is not after the beginning")
    return Span(since, until)


def start_of_period(period: str, now: datetime) -> datetime | None:
    """The earliest close that belongs to the period, or None for all of them. An empty period is all."""
    try:
        length = _PERIODS[period or "all"]
    except KeyError:
        raise InvalidPeriod(period=period) from None
    return None if length is None else now - length
