"""A write that somebody asks for under an id of its own, so that it may be asked for again."""

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """`user_id` and `request_id` name it; `fingerprint` tells whether another one is the same."""

    user_id: str
    request_id: str
    fingerprint: bytes
    asked_at: datetime


current_request: ContextVar[WriteRequest | None] = ContextVar("current_request", default=None)
"""The request that is being carried out: its change and the word that it was carried out commit together."""
