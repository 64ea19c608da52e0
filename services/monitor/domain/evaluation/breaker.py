"""A circuit breaker: after so many failures in a row nothing is tried for a while, then one attempt decides.

Invariants: while it is open nothing passes; half open it lets one attempt through, and no second before that has ended.
"""

from datetime import datetime, timedelta


class Breaker:
    """`failures` in a row open it for `pause`."""

    def __init__(self, failures: int, pause: timedelta) -> None:
        self._limit = failures
        self._pause = pause
        self._failures = 0
        self._open_until: datetime | None = None
        self._probing = False

    def admit(self, now: datetime) -> bool:
        """Whether an attempt may be made; one that is admitted ends in `succeeded`, `failed` or `dropped`."""
        if self._open_until is None:
            return True
        if now < self._open_until or self._probing:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        self._failures = 0
        self._open_until = None
        self._probing = False

    def failed(self, now: datetime) -> None:
        self._failures += 1
        if self._probing or self._failures >= self._limit:
            self._open_until = now + self._pause
        self._probing = False

    def dropped(self) -> None:
        """The attempt ended without telling anything of the other side."""
        self._probing = False
