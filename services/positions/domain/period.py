"""The periods by which history is asked for, counted back from now."""

from datetime import datetime, timedelta

from services.positions.domain.errors import InvalidPeriod

_PERIODS: dict[str, timedelta | None] = {
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
    "1y": timedelta(days=365),
    "all": None,
}


def start_of_period(period: str, now: datetime) -> datetime | None:
    """The earliest close that belongs to the period, or None for all of them. An empty period is all."""
    try:
        length = _PERIODS[period or "all"]
    except KeyError:
        raise InvalidPeriod(period=period) from None
    return None if length is None else now - length
