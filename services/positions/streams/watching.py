"""Whom somebody looks at now, as the gateways say it."""

from collections.abc import Callable
from datetime import datetime, timedelta


class WatchedUsers:
    """Users heard of less than `kept` ago. `on_new` is called when one comes who was not watched before."""

    def __init__(self, kept: timedelta, on_new: Callable[[], None]) -> None:
        self._kept = kept
        self._on_new = on_new
        self._until: dict[str, datetime] = {}

    def hear(self, user_id: str, now: datetime) -> None:
        """Somebody looks at this user's positions."""
        before = self._until.get(user_id)
        self._until[user_id] = now + self._kept
        if before is None or before <= now:
            self._on_new()

    def users(self, now: datetime) -> frozenset[str]:
        """Who is watched now."""
        self._until = {user_id: until for user_id, until in self._until.items() if until > now}
        return frozenset(self._until)
