"""What the reconciler answers."""

from collections.abc import Callable
from datetime import timedelta

from services.reconciler.domain.schedule import ScheduleStatus
from services.reconciler.store.accounts import AccountStore


class StatusQuery:
    """How the schedule stands for one user. `is_running` tells whether this process follows the schedule."""

    def __init__(self, accounts: AccountStore, interval: timedelta, is_running: Callable[[], bool]) -> None:
        self._accounts = accounts
        self._interval = interval
        self._is_running = is_running

    async def __call__(self, user_id: str) -> ScheduleStatus:
        """The user's last run, and the earliest time at which one of the user's accounts is due."""
        last_run, next_run = await self._accounts.times(user_id)
        return ScheduleStatus(self._is_running(), self._interval, last_run, next_run)
