"""A clock that stands still until it is told to move."""

from datetime import UTC, datetime, timedelta


class FixedClock:
    """Tells the hour that it was given; `advance` and `set` are the only things that move it."""

    def __init__(self, at: datetime = datetime(2025, 10, 21, 12, 0, tzinfo=UTC)) -> None:
        self._now = at

    def now(self) -> datetime:
        """The hour it stands at, aware, in UTC."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move on by that many seconds."""
        self._now += timedelta(seconds=seconds)

    def set(self, at: datetime) -> None:
        """Move to an hour."""
        self._now = at
