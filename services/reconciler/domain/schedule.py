"""When an account is looked at next, and how the schedule stands for one user."""

from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST_RETRY = timedelta(seconds=5)
"""How long after a first failure an account is tried again; twice as long after each further one."""


@dataclass(frozen=True, slots=True)
class ScheduleStatus:
    """`last_run` is None before the first run, `next_run` while nothing is scheduled."""

    is_running: bool
    interval: timedelta
    last_run: datetime | None
    next_run: datetime | None


def next_due(finished_at: datetime, failures: int, interval: timedelta) -> datetime:
    """The moment of the next look; `failures` is how many runs in a row could not read the account whole.

    An account that fails backs off on its own, and never waits longer than one that does not.
    """
    if failures == 0:
        return finished_at + interval
    # Beyond 2^16 any interval is the smaller; the bound keeps the number small.
    return finished_at + min(interval, FIRST_RETRY * (1 << min(failures - 1, 16)))
