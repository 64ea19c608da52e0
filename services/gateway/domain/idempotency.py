"""What an idempotency key promises: one write, however often it is sent.

Invariants: a key belongs to one user and to one request, told by a fingerprint of what was asked; the request id that
goes to other services is made at the first attempt and kept for every later one, so that a write whose outcome was lost
can be asked for again without being done again; only a final answer is kept.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.common.errors import Conflict, Invalid

KEY_LIFETIME = timedelta(hours=24)
"""After this a key is forgotten and may begin anew."""

CLAIM_LIFETIME = timedelta(minutes=2)
"""Longer than any write may take: a claim that is older belongs to a process that is gone."""

_NOT_FINAL = frozenset({429})


class IdempotencyKeyReused(Invalid):
    """This Idempotency-Key was used for another request."""


class IdempotencyKeyInUse(Conflict):
    """The first request with this Idempotency-Key has not ended yet."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a write was answered: HTTP status and body."""

    status: int
    body: bytes
    kept: bool = True
    """False for an answer that holds a secret: asked for again, it is made again under the same request id."""

    @property
    def final(self) -> bool:
        """Whether asking again would be answered the same: not after a failure of ours, whose outcome is not known."""
        return self.kept and self.status < 500 and self.status not in _NOT_FINAL


@dataclass(frozen=True, slots=True)
class Attempt:
    """A write that somebody asks for. `details` are for the audit log and never hold a secret."""

    attempt_id: str
    request_id: str
    user_id: str
    role: str
    action: str
    target: str | None
    key: str | None
    fingerprint: str
    at: datetime
    details: dict[str, str | bool | None]


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is known of a key."""

    fingerprint: str
    request_id: str
    created_at: datetime
    claimed_until: datetime
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class Proceed:
    """Do it, under this request id. `fresh`: the key is new, or old enough to begin anew."""

    request_id: str
    fresh: bool = True


@dataclass(frozen=True, slots=True)
class Replay:
    """It was done: give the same answer."""

    answer: Answer


def judge(known: KeyRecord | None, attempt: Attempt) -> Proceed | Replay:
    """Whether an attempt with a key goes ahead. Raises IdempotencyKeyReused or IdempotencyKeyInUse."""
    if known is None or known.created_at + KEY_LIFETIME <= attempt.at:
        return Proceed(attempt.request_id)
    if known.fingerprint != attempt.fingerprint:
        raise IdempotencyKeyReused
    if known.answer is not None:
        return Replay(known.answer)
    if known.claimed_until > attempt.at:
        raise IdempotencyKeyInUse
    return Proceed(known.request_id, fresh=False)
