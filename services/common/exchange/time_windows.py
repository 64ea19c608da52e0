"""Both venues answer for at most seven days at a time."""

from collections.abc import Iterator
from datetime import datetime, timedelta

LONGEST = timedelta(days=7) - timedelta(milliseconds=1)
"""A millisecond less, because both ends of a venue's window count."""


def split_windows(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Windows of at most seven days that cover [since, until], oldest first."""
    start = since
    while start <= until:
        end = min(start + LONGEST, until)
        yield start, end
        start = end + timedelta(milliseconds=1)
