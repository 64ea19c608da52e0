"""The write log: the fake that the unit tests stand on, and the real one on Postgres, keep the same promises."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.certificates import CertificateFiles
from services.common.database import create_engine, transaction
from services.common.migration import migrate_schema, schema_drift
from services.gateway.audit import AuditEntry, AuditQuery, read_cursor
from services.gateway.config import GatewaySettings
from services.gateway.domain.idempotency import (
    CLAIM_LIFETIME,
    KEY_LIFETIME,
    Answer,
    Attempt,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    Proceed,
    Replay,
)
from services.gateway.http.writes import WriteLog
from services.gateway.store import METADATA, PostgresWriteLog
from tests.fakes.clock import FixedClock
from tests.fakes.write_log import FakeWriteLog

NOW = datetime(2025, 10, 21, 12, tzinfo=UTC)
DONE = Answer(200, b'{"success":true}')


@pytest.fixture(scope="module")
async def engine(
    service_databases: dict[str, str], certificates: dict[str, CertificateFiles]
) -> AsyncIterator[AsyncEngine]:
    files = certificates["gateway"]
    settings = GatewaySettings.model_validate(
        {
            "database_url": service_databases["gateway"],
            "nats_url": "nats://127.0.0.1:4222",
            "admin_listen": "127.0.0.1:0",
            "tls_cert_file": files.certificate,
            "tls_key_file": files.key,
            "tls_ca_file": files.authority,
            "positions_target": "ipv4:127.0.0.1:1",
            "reconciler_target": "ipv4:127.0.0.1:1",
            "monitor_target": "ipv4:127.0.0.1:1",
            "jwt_secret": "x" * 32,
        }
    )
    await migrate_schema(settings, "services.gateway")
    await migrate_schema(settings, "services.gateway")
    engine = create_engine(settings.database_url, "gateway", 4)
    yield engine
    await engine.dispose()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture(params=["memory", "postgres"])
def log(request: pytest.FixtureRequest, engine: AsyncEngine, clock: FixedClock) -> WriteLog:
    return FakeWriteLog() if request.param == "memory" else PostgresWriteLog(engine, clock)


@pytest.fixture
def user() -> str:
    return f"user-{uuid4()}"


def attempt(user: str, key: str | None = "one", **changes: Any) -> Attempt:
    whole = Attempt(
        attempt_id=str(uuid4()),
        request_id=str(uuid4()),
        user_id=user,
        role="user",
        action="close",
        target="OP_1_1",
        key=key,
        fingerprint="what was asked",
        at=NOW,
        details={"price": None},
    )
    return replace(whole, **changes)


async def test_an_answer_is_replayed(log: WriteLog, user: str) -> None:
    first = attempt(user)
    assert await log.begin(first) == Proceed(first.request_id)
    await log.finish(first, DONE, None)
    assert await log.begin(attempt(user)) == Replay(DONE)
    refused = attempt(user, "two")
    await log.begin(refused)
    await log.finish(refused, Answer(409, b"{}"), "POSITION_ALREADY_CLOSED")
    assert await log.begin(attempt(user, "two")) == Replay(Answer(409, b"{}"))


async def test_a_key_is_its_users_and_its_requests(log: WriteLog, user: str) -> None:
    first = attempt(user)
    await log.begin(first)
    await log.finish(first, DONE, None)
    with pytest.raises(IdempotencyKeyReused):
        await log.begin(attempt(user, fingerprint="something else"))
    assert isinstance(await log.begin(attempt(f"{user}-other")), Proceed)
    assert isinstance(await log.begin(attempt(user, "another")), Proceed)


async def test_without_a_key_every_attempt_goes_ahead(log: WriteLog, user: str) -> None:
    for _ in range(2):
        free = attempt(user, None)
        assert await log.begin(free) == Proceed(free.request_id)
        await log.finish(free, DONE, None)


async def test_a_claim_holds_until_its_process_must_be_gone(log: WriteLog, user: str) -> None:
    first = attempt(user)
    await log.begin(first)
    with pytest.raises(IdempotencyKeyInUse):
        await log.begin(attempt(user, at=NOW + CLAIM_LIFETIME - timedelta(microseconds=1)))
    heir = attempt(user, at=NOW + CLAIM_LIFETIME)
    assert await log.begin(heir) == Proceed(first.request_id, fresh=False)
    # The first was not gone after all: its late outcome does not settle what the heir holds.
    await log.finish(first, Answer(409, b"late"), "LATE")
    with pytest.raises(IdempotencyKeyInUse):
        await log.begin(attempt(user, at=NOW + CLAIM_LIFETIME))
    await log.finish(heir, DONE, None)
    assert await log.begin(attempt(user, at=NOW + CLAIM_LIFETIME)) == Replay(DONE)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_an_answer_that_is_not_final_lets_go_of_the_key(log: WriteLog, user: str, status: int) -> None:
    first = attempt(user)
    await log.begin(first)
    await log.finish(first, Answer(status, b""), "X")
    assert await log.begin(attempt(user)) == Proceed(first.request_id, fresh=False)


async def test_an_old_key_begins_anew(log: WriteLog, user: str) -> None:
    first = attempt(user)
    await log.begin(first)
    await log.finish(first, DONE, None)
    later = attempt(user, at=NOW + KEY_LIFETIME, fingerprint="something else")
    assert await log.begin(later) == Proceed(later.request_id)
    with pytest.raises(IdempotencyKeyInUse):
        await log.begin(attempt(user, at=NOW + KEY_LIFETIME, fingerprint="something else"))


async def test_of_many_at_once_one_goes_ahead(log: WriteLog, user: str) -> None:
    verdicts = await asyncio.gather(*(log.begin(attempt(user)) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(verdict, Proceed) for verdict in verdicts) == 1
    assert sum(isinstance(verdict, IdempotencyKeyInUse) for verdict in verdicts) == 7


async def test_the_audit_log_tells_who_did_what_and_how_it_ended(engine: AsyncEngine, user: str) -> None:
    log = PostgresWriteLog(engine, FixedClock(NOW))
    done, lost = attempt(user), attempt(user, None)
    await log.begin(done)
    await log.finish(done, DONE, None)
    await log.begin(attempt(user))  # a replay is no attempt
    await log.begin(lost)
    async with transaction(engine) as connection:
        query = text("SELECT attempt_id::text, action, target, details, status, code FROM audit WHERE user_id = :user")
        rows = {row.attempt_id: row for row in await connection.execute(query, {"user": user})}
    assert set(rows) == {done.attempt_id, lost.attempt_id}
    assert rows[done.attempt_id][1:] == ("close", "OP_1_1", {"price": None}, 200, None)
    assert rows[lost.attempt_id].status is None


async def test_old_keys_are_forgotten(engine: AsyncEngine, user: str, clock: FixedClock) -> None:
    log = PostgresWriteLog(engine, clock)
    await log.begin(attempt(user, "old", at=NOW - KEY_LIFETIME - timedelta(seconds=1)))
    await log.begin(attempt(user, "new"))
    assert await log.forget_old_keys() == 1
    async with transaction(engine) as connection:
        query = text("SELECT key FROM idempotency WHERE user_id = :user")
        assert [row.key for row in await connection.execute(query, {"user": user})] == ["new"]


async def test_the_migrations_make_the_tables_that_the_store_uses(engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        assert await schema_drift(connection, METADATA) == []


async def test_the_audit_log_is_read_in_pages_the_latest_first(log: Any, user: str) -> None:
    made = [attempt(user, None, at=NOW + timedelta(minutes=n // 2), action=f"action_{n % 2}") for n in range(6)]
    for one in made:
        await log.begin(one)
    await log.finish(made[0], Answer(404, b"{}"), "POSITION_NOT_FOUND")
    expected = [one.attempt_id for one in sorted(made, key=lambda one: (one.at, one.attempt_id), reverse=True)]
    seen: list[AuditEntry] = []
    place = None
    while True:
        page = await log.list_audit(AuditQuery(user, None, None, None, place, 4))
        seen += page.entries
        if page.next_cursor is None:
            break
        place = read_cursor(page.next_cursor)
    assert [entry.attempt_id for entry in seen] == expected
    ended = {entry.attempt_id: (entry.status, entry.code) for entry in seen}
    assert ended[made[0].attempt_id] == (404, "POSITION_NOT_FOUND")
    assert ended[made[1].attempt_id] == (None, None)
    some = await log.list_audit(
        AuditQuery(user, "action_1", NOW + timedelta(minutes=1), NOW + timedelta(minutes=2), None, 10)
    )
    assert [entry.attempt_id for entry in some.entries] == [made[3].attempt_id]
