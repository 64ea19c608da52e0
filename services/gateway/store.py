"""The gateway's tables: the audit log of writes, and their idempotency keys.

Invariants: the attempt and the claim of its key are one transaction, as are the outcome and the answer that is kept; an
audit row without a status is a write whose outcome this process did not live to see; only the attempt that holds a key
may settle it.
"""

from typing import Any

from sqlalchemy import (
    Column,
    Index,
    LargeBinary,
    Row,
    SmallInteger,
    Table,
    Text,
    Uuid,
    delete,
    insert,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.common.clock import Clock
from services.common.database import UtcDateTime, table_metadata, transaction
from services.gateway.audit import AuditEntry, AuditPage, AuditQuery, page_of
from services.gateway.domain.idempotency import (
    CLAIM_LIFETIME,
    KEY_LIFETIME,
    Answer,
    Attempt,
    KeyRecord,
    Proceed,
    Replay,
    judge,
)

METADATA = table_metadata()

AUDIT = Table(
    "audit",
    METADATA,
    Column("attempt_id", Uuid(as_uuid=False), primary_key=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("user_id", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text),
    Column("details", JSONB, nullable=False),
    Column("request_id", Uuid(as_uuid=False), nullable=False),
    Column("idempotency_key", Text),
    Column("status", SmallInteger),
    Column("code", Text),
    Index("audit_user_id_at_idx", "user_id", "at"),
    Index("audit_at_attempt_id_idx", "at", "attempt_id"),
    Index("audit_user_id_at_attempt_id_idx", "user_id", "at", "attempt_id"),
)

IDEMPOTENCY = Table(
    "idempotency",
    METADATA,
    Column("user_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("request_id", Uuid(as_uuid=False), nullable=False),
    Column("attempt_id", Uuid(as_uuid=False), nullable=False),
    Column("created_at", UtcDateTime, nullable=False, index=True),
    Column("claimed_until", UtcDateTime, nullable=False),
    Column("status", SmallInteger),
    Column("body", LargeBinary),
)


class PostgresWriteLog:
    """The WriteLog of the gateway's routes."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def begin(self, attempt: Attempt) -> Proceed | Replay:
        """Record an attempt, and claim its key if it has one.

        Raises IdempotencyKeyReused, IdempotencyKeyInUse, DatabaseUnavailable. A replay is no attempt and leaves no row.
        """
        async with transaction(self._engine) as connection:
            verdict = await _claim(connection, attempt) if attempt.key else Proceed(attempt.request_id)
            if isinstance(verdict, Proceed):
                await connection.execute(insert(AUDIT).values(**_audit_row(attempt, verdict.request_id)))
            return verdict

    async def finish(self, attempt: Attempt, answer: Answer, code: str | None) -> None:
        """Record how it ended, and keep the answer under its key if it is final. Raises DatabaseUnavailable."""
        async with transaction(self._engine) as connection:
            await connection.execute(
                update(AUDIT).where(AUDIT.c.attempt_id == attempt.attempt_id).values(status=answer.status, code=code)
            )
            if attempt.key:
                kept = {"status": answer.status, "body": answer.body} if answer.final else {}
                await connection.execute(
                    update(IDEMPOTENCY)
                    .where(
                        IDEMPOTENCY.c.user_id == attempt.user_id,
                        IDEMPOTENCY.c.key == attempt.key,
                        IDEMPOTENCY.c.attempt_id == attempt.attempt_id,
                    )
                    .values(claimed_until=self._clock.now(), **kept)
                )

    async def list_audit(self, query: AuditQuery) -> AuditPage:
        """One page of the audit log, the latest first. Raises DatabaseUnavailable."""
        place = tuple_(AUDIT.c.at, AUDIT.c.attempt_id)
        statement = select(AUDIT).order_by(AUDIT.c.at.desc(), AUDIT.c.attempt_id.desc()).limit(query.limit + 1)
        if query.user_id is not None:
            statement = statement.where(AUDIT.c.user_id == query.user_id)
        if query.action is not None:
            statement = statement.where(AUDIT.c.action == query.action)
        if query.since is not None:
            statement = statement.where(AUDIT.c.at >= query.since)
        if query.until is not None:
            statement = statement.where(AUDIT.c.at < query.until)
        if query.before is not None:
            at, attempt_id = query.before
            statement = statement.where(
                place < tuple_(literal(at, UtcDateTime), literal(attempt_id, Uuid(as_uuid=False)))
            )
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(statement)).all()
        return page_of([_entry(row) for row in rows], query.limit)

    async def forget_old_keys(self) -> int:
        """Delete the keys that promise nothing any more; how many there were."""
        async with transaction(self._engine) as connection:
            oldest = self._clock.now() - KEY_LIFETIME
            result = await connection.execute(delete(IDEMPOTENCY).where(IDEMPOTENCY.c.created_at < oldest))
            return result.rowcount


async def _claim(connection: AsyncConnection, attempt: Attempt) -> Proceed | Replay:
    row = _key_row(attempt, attempt.request_id)
    inserted = await connection.execute(
        upsert(IDEMPOTENCY).values(**row).on_conflict_do_nothing().returning(IDEMPOTENCY.c.key)
    )
    if inserted.first() is not None:
        return Proceed(attempt.request_id)
    mine = (IDEMPOTENCY.c.user_id == attempt.user_id) & (IDEMPOTENCY.c.key == attempt.key)
    found = (await connection.execute(select(IDEMPOTENCY).where(mine).with_for_update())).one_or_none()
    known = None
    if found is not None:
        answer = None if found.status is None else Answer(found.status, found.body)
        known = KeyRecord(found.fingerprint, found.request_id, found.created_at, found.claimed_until, answer)
    verdict = judge(known, attempt)
    if isinstance(verdict, Proceed):
        changed = _key_row(attempt, verdict.request_id)
        if not verdict.fresh:
            del changed["created_at"]
        await connection.execute(
            upsert(IDEMPOTENCY)
            .values(**_key_row(attempt, verdict.request_id))
            .on_conflict_do_update(index_elements=["user_id", "key"], set_=changed)
        )
    return verdict


def _key_row(attempt: Attempt, request_id: str) -> dict[str, object]:
    return {
        "user_id": attempt.user_id,
        "key": attempt.key,
        "fingerprint": attempt.fingerprint,
        "request_id": request_id,
        "attempt_id": attempt.attempt_id,
        "created_at": attempt.at,
        "claimed_until": attempt.at + CLAIM_LIFETIME,
        "status": None,
        "body": None,
    }


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        attempt_id=row.attempt_id,
        at=row.at,
        user_id=row.user_id,
        role=row.role,
        action=row.action,
        target=row.target,
        details=row.details,
        request_id=row.request_id,
        status=row.status,
        code=row.code,
    )


def _audit_row(attempt: Attempt, request_id: str) -> dict[str, object]:
    return {
        "attempt_id": attempt.attempt_id,
        "at": attempt.at,
        "user_id": attempt.user_id,
        "role": attempt.role,
        "action": attempt.action,
        "target": attempt.target,
        "details": attempt.details,
        "request_id": request_id,
        "idempotency_key": attempt.key,
    }
