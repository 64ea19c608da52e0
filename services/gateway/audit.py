"""Reading the audit log, page by page.

Invariant: pages follow the moment and the id of an attempt, so that writes that come meanwhile move nothing from one
page to the next.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from services.common.errors import FieldInvalid


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One write: who asked for what, and how it ended; `status` is None where nobody lived to see it."""

    attempt_id: str
    at: datetime
    user_id: str
    role: str
    action: str
    target: str | None
    details: dict[str, str | bool | None]
    request_id: str
    status: int | None
    code: str | None


Place = tuple[datetime, str]


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which writes: of a user, an action, from `since` on and up to but without `until`, before a place; None: any."""

    user_id: str | None
    action: str | None
    since: datetime | None
    until: datetime | None
    before: Place | None
    limit: int


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Entries, the latest first, and where the next page begins; None at the end."""

    entries: Sequence[AuditEntry]
    next_cursor: str | None


def page_of(found: Sequence[AuditEntry], limit: int) -> AuditPage:
    """The page of what was found when one more than `limit` was asked for."""
    entries = found[:limit]
    return AuditPage(entries, write_cursor(entries[-1]) if len(found) > limit else None)


def write_cursor(entry: AuditEntry) -> str:
    """Where the page after this entry begins."""
    return base64.urlsafe_b64encode(f"{entry.at.astimezone(UTC).isoformat()} {entry.attempt_id}".encode()).decode()


def read_cursor(cursor: str) -> Place:
    """The place that a cursor names. Raises FieldInvalid."""
    try:
        at, attempt_id = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode().split(" ")
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError("no zone")
        return moment.astimezone(UTC), str(UUID(attempt_id))
    except (ValueError, OverflowError, binascii.Error) as error:
        raise FieldInvalid(field="cursor", problem="expected nextCursor of the page before") from error
