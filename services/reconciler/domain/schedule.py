"""When an account is looked at next, and how the schedule stands.

Each account has a place of its own in the interval, and is due once an interval at that place. The places of any number
of accounts lie evenly: the n-th is the fractional part of n times the golden ratio.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.common.trading.side import Venue
from services.reconciler.domain.run import RunResult

FIRST_RETRY = timedelta(seconds=5)
"""How long after a first failure an account is tried again; twice as long after each further one."""

FIRST_RECHECK = timedelta(seconds=2)
"""How long after a first look that left something open it is looked at again; later half as long as it is open."""

_LATE = 0.1
"""Of the interval: who is looked at later than that loses the place in it."""

_STEP = 0.05
"""Of the interval: how far towards its place an account moves in one interval, there being as many ahead as behind."""

_GOLDEN = 0.6180339887498949
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)

_MARGIN_EVERY = timedelta(hours=6)
_DAY = timedelta(days=1)
_LAST_HOUR = timedelta(hours=23)
_SPREAD = timedelta(minutes=50)
"""Of a day's last hour: what is due in it is read before midnight."""

_MISSED = timedelta(hours=1)
"""So long after it was due the margin is asked for again where the account could not be read."""


@dataclass(frozen=True, slots=True)
class AccountSchedule:
    """How one account stands. `last_result` is None before its first run, `last_reason` says why it is not in step."""

    account_id: str
    exchange: Venue
    last_result: RunResult | None
    last_reason: str
    failures: int
    last_run: datetime | None
    next_run: datetime
    pending_absences: int
    suspicious_since: datetime | None
    estimated_exits: int


@dataclass(frozen=True, slots=True)
class ScheduleStatus:
    """How one user's accounts stand. `last_run` is None before the first run, `next_run` while nothing is scheduled.

    `lag` is by how much the latest account is late. Discrepancies are counted over the runs that are kept.
    """

    is_running: bool
    interval: timedelta
    last_run: datetime | None
    next_run: datetime | None
    accounts: tuple[AccountSchedule, ...] = ()
    lag: timedelta = timedelta(0)
    discrepancies_found: int = 0
    discrepancies_repaired: int = 0


@dataclass(frozen=True, slots=True)
class Overview:
    """How the accounts of all users stand. `runs` counts those of the last interval, `replicas` accounts held now."""

    accounts: int
    overdue: int
    lag: timedelta
    failing: int
    pending_absences: int
    suspicious: int
    estimated_exits: int
    runs: Mapping[RunResult, int]
    replicas: Mapping[str, int]
    discrepancies_found: int
    discrepancies_repaired: int
    attention: tuple[AccountSchedule, ...]


def place(ordinal: int, interval: timedelta) -> timedelta:
    """Where in the interval the account of this number is due."""
    return interval * (ordinal * _GOLDEN % 1)


def next_due(
    finished_at: datetime,
    failures: int,
    interval: timedelta,
    ordinal: int,
    *,
    due_at: datetime | None = None,
    pending_since: datetime | None = None,
    recheck: timedelta = FIRST_RECHECK,
) -> datetime:
    """The moment of the next look; `failures` is how many runs in a row could not read the account whole.

    An account that fails backs off on its own, one that left something open (`pending_since`) is looked at again ever
    more seldom; neither ever waits longer than one that is in step.

    `due_at` is when the schedule wanted the look that is over; None where it was for another reason. Where there is
    more to do than can be done, everybody queues anew at the end, so that the interval stretches for all alike; who
    lost the place in the interval goes back to it in small steps.
    """
    if failures > 0:
        # Beyond 2^16 any interval is the smaller; the bound keeps the number small.
        return finished_at + min(interval, FIRST_RETRY * (1 << min(failures - 1, 16)))
    if pending_since is not None:
        return finished_at + min(interval, max(recheck, (finished_at - pending_since) / 2))
    if due_at is None:
        return finished_at + (interval - _past_place(finished_at, interval, ordinal))
    if finished_at - due_at > interval * _LATE:
        return finished_at + interval
    past = _past_place(due_at, interval, ordinal)
    back = -past if past <= interval / 2 else interval - past
    return due_at + interval + max(-interval * _STEP, min(back, interval * _STEP))


def margin_due(last_run_at: datetime | None, failures: int, now: datetime, ordinal: int) -> bool:
    """Whether an account's margin is to be read beside a list that gives no reason for it, at twice the cost.

    It is at the first look, once in six hours, which bounds how long a list may be stale without contradicting the
    books, and once in the last hour of the UTC day, whose equity it is; each account at a place of its own.
    """
    if last_run_at is None:
        return True
    ago = min(_past_place(now, _MARGIN_EVERY, ordinal), (now - _EPOCH - _LAST_HOUR - place(ordinal, _SPREAD)) % _DAY)
    return last_run_at < now - ago or (failures > 0 and ago < _MISSED)


def _past_place(moment: datetime, interval: timedelta, ordinal: int) -> timedelta:
    """How long ago the account's place in the interval was last."""
    return (moment - _EPOCH - place(ordinal, interval)) % interval
