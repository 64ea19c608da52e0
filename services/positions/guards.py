"""Whether the monitor watches a position's levels: what its heartbeats said, how long ago, and how far it has followed.

A level is watched from the moment that the monitor has taken its event in. The place of that event in the stream tells
which came first, where clocks could not.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.common.trading.partition import partition_of
from services.positions.domain.position import Position

NO_HEARTBEAT = "the monitor is not heard from"
NOT_TAKEN_IN = "the monitor has not taken this level in yet"
NOT_ENFORCED = "no level of it is enforced"

PLACES_KEPT = 50_000


@dataclass(frozen=True, slots=True)
class Guard:
    """Whether somebody watches an account's enforced levels; the reason why not, in plain words."""

    guarded: bool
    reason: str = ""


GUARDED = Guard(True)


@dataclass(frozen=True, slots=True)
class LevelPlace:
    """The newest version of a position that was published, and where in the stream its present levels came."""

    version: int
    levels: bytes
    sequence: int
    happened_at: datetime


class LevelPlaces:
    """Where in the stream the levels of positions were published, from the facts of positions as they go by.

    Of levels older than `known_since` nothing may be known: that is when the facts began to be followed.
    """

    def __init__(self, now: datetime, limit: int = PLACES_KEPT) -> None:
        self.known_since = now
        self._limit = limit
        self._places: OrderedDict[str, LevelPlace] = OrderedDict()

    def put(self, position_id: str, place: LevelPlace) -> None:
        """Take in a version of an open position. Levels that stay as they are keep their place."""
        before = self._places.get(position_id)
        if before is not None and place.version <= before.version:
            return
        if before is not None and before.levels == place.levels:
            place = LevelPlace(place.version, place.levels, before.sequence, place.happened_at)
        self._places[position_id] = place
        self._places.move_to_end(position_id)
        if len(self._places) > self._limit:
            _, oldest = self._places.popitem(last=False)
            self.known_since = max(self.known_since, oldest.happened_at)

    def remove(self, position_id: str) -> None:
        """It was closed."""
        self._places.pop(position_id, None)

    def restart(self, now: datetime) -> None:
        """Facts were missed: begin again."""
        self._places.clear()
        self.known_since = now

    def taken_in(self, position: Position, followed_sequence: int) -> bool:
        """Whether who has followed the stream up to there knows the position's levels."""
        place = self._places.get(position.position_id)
        known_until = self.known_since if place is None else place.happened_at
        if (place is None or place.version < position.version) and _armed_at(position) > known_until:
            return False
        return place is None or place.sequence <= followed_sequence


class Guards:
    """The last heartbeat of each partition, from whichever replica holds it."""

    def __init__(self, max_age: timedelta, places: LevelPlaces | None = None) -> None:
        self._max_age = max_age
        self._places = places
        self._heard: dict[int, datetime] = {}
        self._followed: dict[int, int] = {}
        self._unguarded: dict[int, dict[str, str]] = {}

    def hear(
        self, partitions: Iterable[int], unguarded: Mapping[str, str], now: datetime, followed_sequence: int = 0
    ) -> None:
        """Take a heartbeat in: these partitions are watched, apart from these accounts, each with its reason.

        `followed_sequence`: how far in the stream its sender has taken in the facts of positions; 0 where not known.
        """
        held = set(partitions)
        for partition in held:
            self._heard[partition] = now
            self._followed[partition] = followed_sequence
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
        return GUARDED if reason is None else Guard(False, reason)

    def guard_of_position(self, position: Position, now: datetime) -> Guard:
        """The standing of one open position now: guarded only where the monitor knows its levels and watches them."""
        if not position.enforced:
            return Guard(False, NOT_ENFORCED)
        guard = self.guard_of(position.account_id, now)
        if not guard.guarded or self._places is None:
            return guard
        followed = self._followed[partition_of(position.account_id)]
        if followed and not self._places.taken_in(position, followed):
            return Guard(False, NOT_TAKEN_IN)
        return guard


def _armed_at(position: Position) -> datetime:
    """When the newest of its levels was armed. At least one is."""
    levels = (position.levels.stop_loss, position.levels.take_profit)
    return max(level.armed_at for level in levels if level.armed_at is not None)
