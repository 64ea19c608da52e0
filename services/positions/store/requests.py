"""Writes that were asked for under an id: each is carried out once, and answered alike however often it is sent."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, LargeBinary, PrimaryKeyConstraint, Table, Text, delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.database import UtcDateTime
from services.positions.domain.request import WriteRequest
from services.positions.store.tables import metadata

requests = Table(
    "requests",
    metadata,
    Column("user_id", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False, index=True),
    # NULL where the process ended between the change and this: then the answer is how things are now.
    Column("answer", LargeBinary),
    PrimaryKeyConstraint("user_id", "request_id"),
)


class RequestAnswered(Exception):
    """This request has been carried out, by a transaction that has committed."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A request that was carried out."""

    fingerprint: bytes
    answer: bytes | None


async def claim(connection: AsyncConnection, request: WriteRequest) -> None:
    """Note that the caller's transaction carries a request out. Waits for another one that does so at this moment.

    Raises RequestAnswered where it has been carried out.
    """
    written = await connection.execute(upsert(requests).on_conflict_do_nothing(), _row(request))
    if written.rowcount != 1:
        raise RequestAnswered


async def find_carried(connection: AsyncConnection, user_id: str, request_id: str) -> Carried | None:
    """What is known of a request of this user."""
    mine = (requests.c.user_id == user_id, requests.c.request_id == request_id)
    row = (await connection.execute(select(requests).where(*mine))).one_or_none()
    return None if row is None else Carried(row.fingerprint, row.answer)


async def keep_answer(connection: AsyncConnection, request: WriteRequest, answer: bytes) -> None:
    """Keep how a request was answered, one that changed nothing as well."""
    row = {**_row(request), "answer": answer}
    kept = upsert(requests).on_conflict_do_update(index_elements=["user_id", "request_id"], set_={"answer": answer})
    await connection.execute(kept, row)


async def prune(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Forget requests that were made before a moment, at most so many; how many they were."""
    key = tuple_(requests.c.user_id, requests.c.request_id)
    old = select(requests.c.user_id, requests.c.request_id).where(requests.c.asked_at < before).limit(limit)
    return (await connection.execute(delete(requests).where(key.in_(old)))).rowcount


def _row(request: WriteRequest) -> dict[str, Any]:
    return {
        "user_id": request.user_id,
        "request_id": request.request_id,
        "fingerprint": request.fingerprint,
        "asked_at": request.asked_at,
    }
