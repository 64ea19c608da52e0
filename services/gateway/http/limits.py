"""How much one user may ask: a token bucket for reads and another for writes.

Invariants: one user's requests never use up another's; a bucket that is full again is forgotten. The buckets are this
process's own: with several gateways behind a balancer each grants the limit, so what a user has is up to that many
times as much.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import Scope

from services.common.errors import Exhausted

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_WINDOW_SECONDS = 60.0
_SWEEP_AT = 10_000
_STATE = "rate_limit"


class RateLimited(Exhausted):
    """Too many requests: at most {limit} {kind} a minute. Try again in {retry_after_seconds} s."""


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left to a user, as the headers say it; `reset` is seconds until it is whole again."""

    limit: int
    remaining: int
    reset: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        return [
            (b"ratelimit-limit", str(self.limit).encode()),
            (b"ratelimit-remaining", str(self.remaining).encode()),
            (b"ratelimit-reset", str(self.reset).encode()),
        ]


class Limit:
    """So many a minute for each user, saved up to a minute's worth. Zero: no limit."""

    def __init__(self, kind: str, a_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._kind = kind
        self._a_minute = a_minute
        self._rate = a_minute / _WINDOW_SECONDS
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, user_id: str) -> tuple[Quota | None, RateLimited | None]:
        """Count one request: what is left, and the refusal where nothing was."""
        if not self._a_minute:
            return None, None
        now = self._clock()
        bucket = self._buckets.get(user_id)
        if bucket is None:
            self._sweep(now)
            bucket = self._buckets[user_id] = _Bucket(self._a_minute, now)
        bucket.left = min(self._a_minute, bucket.left + (now - bucket.at) * self._rate)
        bucket.at = now
        refusal = None
        if bucket.left < 1:
            seconds = math.ceil((1 - bucket.left) / self._rate)
            refusal = RateLimited(limit=self._a_minute, kind=self._kind, retry_after_seconds=seconds)
        else:
            bucket.left -= 1
        reset = math.ceil((self._a_minute - bucket.left) / self._rate)
        return Quota(self._a_minute, int(bucket.left), reset), refusal

    @property
    def size(self) -> int:
        """How many users are remembered."""
        return len(self._buckets)

    def _sweep(self, now: float) -> None:
        if len(self._buckets) < _SWEEP_AT:
            return
        idle = [user for user, bucket in self._buckets.items() if (now - bucket.at) >= _WINDOW_SECONDS]
        for user in idle:
            del self._buckets[user]


class RateLimits:
    """The limits of the public port."""

    def __init__(self, reads: Limit, writes: Limit) -> None:
        self._reads = reads
        self._writes = writes

    def take(self, scope: Scope, user_id: str) -> None:
        """Count a request of a user, and note what is left for its answer's headers. Raises RateLimited."""
        quota, refusal = (self._reads if scope["method"] in _READS else self._writes).take(user_id)
        if quota is not None:
            scope.setdefault("state", {})[_STATE] = quota
        if refusal is not None:
            raise refusal


def quota_of(scope: Scope) -> Quota | None:
    """What was left when this request was counted; None where it was not."""
    quota = scope.get("state", {}).get(_STATE)
    return quota if isinstance(quota, Quota) else None
