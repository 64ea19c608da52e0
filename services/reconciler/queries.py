"""What the reconciler answers."""

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar
from uuid import UUID

from services.common.clock import Clock
from services.common.errors import FieldInvalid
from services.reconciler.domain.run import AccountRun
from services.reconciler.domain.schedule import Overview, ScheduleStatus
from services.reconciler.store.history import FoundDiscrepancy, HistoryStore, Place, Scope

_DEFAULT_PAGE = 50
_LARGEST_PAGE = 200


class StatusQuery:
    """How the schedule stands. `is_running` tells whether this process follows the schedule."""

    def __init__(
        self, history: HistoryStore, clock: Clock, interval: timedelta, is_running: Callable[[], bool]
    ) -> None:
        self._history = history
        self._clock = clock
        self.interval = interval
        self.is_running = is_running

    async def __call__(self, user_id: str) -> ScheduleStatus:
        """For one user: the last run, the earliest time at which an account is due, and each account."""
        accounts = await self._history.accounts_of(user_id)
        found, repaired = await self._history.discrepancies_of(user_id)
        now = self._clock.now()
        next_run = min((account.next_run for account in accounts), default=None)
        return ScheduleStatus(
            is_running=self.is_running(),
            interval=self.interval,
            last_run=max((account.last_run for account in accounts if account.last_run is not None), default=None),
            next_run=next_run,
            accounts=tuple(accounts),
            lag=timedelta(0) if next_run is None else max(timedelta(0), now - next_run),
            discrepancies_found=found,
            discrepancies_repaired=repaired,
        )

    async def overview(self) -> Overview:
        """For administrators: over all users."""
        return await self._history.overview(self._clock.now(), self.interval)


T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some of it, and the token for what follows; empty at the end."""

    items: list[T]
    next_token: str


class HistoryQuery:
    """Runs and discrepancies by page."""

    def __init__(self, history: HistoryStore) -> None:
        self._history = history

    async def runs(self, scope: Scope, page_size: int, token: str) -> Page[AccountRun]:
        """Finished runs, the latest first. Raises FieldInvalid."""
        limit = _limit(page_size)
        found = await self._history.list_runs(scope, _read_token(token), limit)
        full = len(found) == limit
        return Page(found, _write_token(Place(found[-1].finished_at, found[-1].run_id)) if full else "")

    async def discrepancies(self, scope: Scope, page_size: int, token: str) -> Page[FoundDiscrepancy]:
        """What runs found, the latest first. Raises FieldInvalid."""
        limit = _limit(page_size)
        found = await self._history.list_discrepancies(scope, _read_token(token), limit)
        if len(found) < limit:
            return Page(found, "")
        last = found[-1]
        return Page(found, _write_token(Place(last.found_at, last.run_id, last.number)))


def _limit(page_size: int) -> int:
    if page_size < 0:
        raise FieldInvalid(field="page_size", problem="expected no less than 0")
    return min(page_size or _DEFAULT_PAGE, _LARGEST_PAGE)


def _write_token(place: Place) -> str:
    parts = [place.finished_at.isoformat(), str(place.run_id), place.number]
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def _read_token(token: str) -> Place | None:
    if not token:
        return None
    try:
        finished_at, run_id, number = json.loads(base64.urlsafe_b64decode(token.encode("ascii", "strict")))
        place = Place(datetime.fromisoformat(finished_at), UUID(run_id), int(number))
    except (ValueError, TypeError, AttributeError, binascii.Error) as error:
        raise FieldInvalid(field="page_token", problem="expected one that a page was answered with") from error
    if place.finished_at.tzinfo is None:
        raise FieldInvalid(field="page_token", problem="expected one that a page was answered with")
    return place
