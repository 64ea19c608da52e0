"""When each position is due to be looked at.

Invariants: what is being looked at is not due until it is done; looks are spread evenly by jitter, each position's its
own; whatever comes late makes all later, so that overload stretches the interval instead of piling up.
"""

import heapq
from collections.abc import Iterator
from datetime import datetime, timedelta
from zlib import crc32

JITTER = 0.2
"""A fraction of the interval: a look comes that much earlier or later at most."""
_MEMORY = 0.02
"""How much one look weighs in the average of how late looks are."""


class Agenda:
    """The looks to come, by position id."""

    def __init__(self, interval: timedelta) -> None:
        self._interval = interval
        self._due: dict[str, datetime] = {}
        self._heap: list[tuple[datetime, str]] = []
        self._looks = 0
        self._stretch = 1.0

    def __len__(self) -> int:
        return len(self._due)

    @property
    def stretch(self) -> float:
        """How much longer than meant the interval is: 1 while all keep up."""
        return self._stretch

    def add(self, key: str, now: datetime) -> None:
        """Take on a position: it is due an interval from now. One that is known stays as it is."""
        if key not in self._due:
            self._schedule(key, now)

    def remove(self, key: str) -> None:
        """Forget a position; one that is not there is no error."""
        self._due.pop(key, None)

    def take(self, now: datetime, most: int) -> Iterator[str]:
        """The positions that are due, the latest ones first in line; each is due again an interval from now."""
        taken = 0
        while self._heap and self._heap[0][0] <= now and taken < most:
            at, key = heapq.heappop(self._heap)
            if self._due.get(key) != at:
                continue
            late = (now - at) / self._interval
            self._stretch += (1 + late - self._stretch) * _MEMORY
            self._schedule(key, now)
            taken += 1
            yield key

    def _schedule(self, key: str, now: datetime) -> None:
        self._looks += 1
        share = crc32(f"{key}/{self._looks}".encode()) / 0xFFFFFFFF
        at = now + self._interval * (1 - JITTER + 2 * JITTER * share)
        self._due[key] = at
        heapq.heappush(self._heap, (at, key))
