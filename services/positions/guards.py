"""Whether the monitor watches an account: what its heartbeats said, and how long ago."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.common.trading.partition import partition_of

NO_HEARTBEAT = "the monitor is not heard from"


@dataclass(frozen=True, slots=True)
class Guard:
    """Whether somebody watches an account's enforced levels; the reason why not, in plain words."""

    guarded: bool
    reason: str = ""


class Guards:
    """The last heartbeat of each partition, from whichever replica holds it."""

    def __init__(self, max_age: timedelta) -> None:
        self._max_age = max_age
        self._heard: dict[int, datetime] = {}
        self._unguarded: dict[int, dict[str, str]] = {}

    def hear(self, partitions: Iterable[int], unguarded: Mapping[str, str], now: datetime) -> None:
        """Take a heartbeat in: these partitions are watched, apart from these accounts, each with its reason."""
        held = set(partitions)
        for partition in held:
            self._heard[partition] = now
            self._unguarded[partition] = {}
        for account_id, reason in unguarded.items():
            partition = partition_of(account_id)
            if partition in held:
                self._unguarded[partition][account_id] = reason

    def guard_of(self, account_id: str, now: datetime) -> Guard:
        """The standing of one account now."""
        partition = partition_of(account_id)
        heard = self._heard.get(partition)
        if heard is None or now - heard > self._max_age:
            return Guard(False, NO_HEARTBEAT)
        reason = self._unguarded[partition].get(account_id)
        return Guard(True) if reason is None else Guard(False, reason)
