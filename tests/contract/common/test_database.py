"""Transactions and column types on a real Postgres."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from sqlalchemy import Column, Integer, MetaData, Table, text
from sqlalchemy.dialects.postgresql import dialect
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.schema import CreateTable

from services.common.database import (
    Money,
    UtcDateTime,
    create_engine,
    session,
    table_metadata,
    transaction,
    watch_database,
)
from services.common.errors import DatabaseUnavailable, PositionNotFound, TransactionConflict
from services.common.health import DATABASE, HealthRegistry
from services.common.telemetry import Instruments
from tests.contract.common.conftest import until

ROWS = Table(
    "rows", table_metadata(), Column("id", Integer, primary_key=True), Column("money", Money), Column("at", UtcDateTime)
)


@pytest.fixture(scope="module")
async def rows(service_databases: dict[str, str], tables: None) -> None:
    engine = create_engine(service_databases["positions"], "positions", 1)
    async with transaction(engine) as connection:
        await connection.run_sync(ROWS.metadata.create_all)
    await engine.dispose()


async def scalar(engine: AsyncEngine, sql: str) -> Any:
    async with transaction(engine) as connection:
        return (await connection.execute(text(sql))).scalar_one()


async def round_trip(engine: AsyncEngine, column: str, value: Any) -> Any:
    async with transaction(engine) as connection:
        await connection.execute(ROWS.delete())
        await connection.execute(ROWS.insert().values({"id": 1, column: value}))
        return (await connection.execute(ROWS.select())).one()._mapping[column]


async def test_connections_see_their_own_schema_in_utc_with_bounded_statements(engine: AsyncEngine) -> None:
    assert await scalar(engine, "SELECT current_schema()") == "positions"
    assert await scalar(engine, "SHOW timezone") == "UTC"
    assert await scalar(engine, "SHOW statement_timeout") == "10s"


async def test_one_role_cannot_read_another_services_tables(
    engine: AsyncEngine, service_databases: dict[str, str]
) -> None:
    other = create_engine(service_databases["monitor"], "monitor", 1)
    with pytest.raises(Exception, match="permission denied"):
        await scalar(other, "SELECT count(*) FROM positions.outbox")
    await other.dispose()


async def test_a_transaction_commits_at_the_end_and_rolls_back_on_an_error(engine: AsyncEngine, rows: None) -> None:
    async with transaction(engine) as connection:
        await connection.execute(ROWS.delete())
        await connection.execute(ROWS.insert().values(id=1))
    with pytest.raises(PositionNotFound):
        async with transaction(engine) as connection:
            await connection.execute(ROWS.insert().values(id=2))
            raise PositionNotFound(position_id="OP_1_1")
    assert await scalar(engine, "SELECT count(*) FROM rows") == 1


async def test_errors_of_a_statement_stay_what_they_are(engine: AsyncEngine, rows: None) -> None:
    with pytest.raises(IntegrityError):
        async with transaction(engine) as connection:
            await connection.execute(ROWS.insert().values([{"id": 7}, {"id": 7}]))


async def test_a_database_that_is_not_there_is_unavailable(service_databases: dict[str, str]) -> None:
    for url in ("postgresql://a:b@127.0.0.1:1/c", "postgresql://a:b@no-such-host.invalid/c"):
        engine = create_engine(url, "positions", 1)
        with pytest.raises(DatabaseUnavailable):
            await scalar(engine, "SELECT 1")


async def test_a_wrong_password_and_a_missing_database_are_unavailable(service_databases: dict[str, str]) -> None:
    good = service_databases["positions"]
    wrong_password = good.replace(good.split("//")[1].split("@")[0], "tandem_positions:wrong")
    for url in (wrong_password, good.rsplit("/", 1)[0] + "/absent"):
        engine = create_engine(url, "positions", 1)
        with pytest.raises(DatabaseUnavailable):
            await scalar(engine, "SELECT 1")


async def test_a_connection_that_dies_in_a_transaction_is_unavailable_and_the_next_works(engine: AsyncEngine) -> None:
    with pytest.raises(DatabaseUnavailable):
        await scalar(engine, "SELECT pg_terminate_backend(pg_backend_pid())")
    assert await scalar(engine, "SELECT 1") == 1


async def test_connections_that_died_in_the_pool_are_replaced_unseen(engine: AsyncEngine) -> None:
    async with transaction(engine) as one, transaction(engine) as other:
        pids = [(await each.execute(text("SELECT pg_backend_pid()"))).scalar_one() for each in (one, other)]
        sockets = [(await each.get_raw_connection()).driver_connection for each in (one, other)]
    for pid in pids:
        async with session(create_engine(engine.url.render_as_string(False), "positions", 1)) as killer:
            await killer.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    await until(lambda: all(socket is not None and socket.is_closed() for socket in sockets))
    assert await scalar(engine, "SELECT 1") == 1


async def test_a_statement_or_a_pool_that_takes_too_long_is_unavailable(service_databases: dict[str, str]) -> None:
    engine = create_engine(service_databases["positions"], "positions", 1, statement_timeout_seconds=0.2)
    with pytest.raises(DatabaseUnavailable):
        await scalar(engine, "SELECT pg_sleep(20)")
    assert await scalar(engine, "SELECT 1") == 1
    await engine.dispose()


async def test_a_deadlock_is_a_conflict(engine: AsyncEngine, rows: None) -> None:
    async with transaction(engine) as connection:
        await connection.execute(ROWS.delete())
        await connection.execute(ROWS.insert().values([{"id": 1}, {"id": 2}]))
    both = asyncio.Barrier(2)

    async def lock(first: int, second: int) -> None:
        async with transaction(engine) as connection:
            await connection.execute(ROWS.select().where(ROWS.c.id == first).with_for_update())
            await both.wait()
            await connection.execute(ROWS.select().where(ROWS.c.id == second).with_for_update())

    results = await asyncio.gather(lock(1, 2), lock(2, 1), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["NoneType", "TransactionConflict"]
    assert any(isinstance(result, TransactionConflict) for result in results)


async def test_an_advisory_lock_of_a_session_ends_with_its_block(engine: AsyncEngine) -> None:
    async with session(engine) as connection:
        assert (await connection.execute(text("SELECT pg_try_advisory_lock(1, 2)"))).scalar_one()
        assert (await connection.execute(text("SELECT pg_current_xact_id_if_assigned()"))).scalar_one() is None
        assert not await scalar(engine, "SELECT pg_try_advisory_lock(1, 2)")

    async def free() -> bool:
        return bool(await scalar(engine, "SELECT pg_try_advisory_xact_lock(1, 2)"))

    await until(free)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=-(10**18), max_value=10**18)
    | st.integers(0, 10**19).map(Decimal)
)
async def test_money_comes_back_as_it_was_and_plain(engine: AsyncEngine, rows: None, value: Decimal) -> None:
    back = await round_trip(engine, "money", value)
    assert back == value
    exponent = back.as_tuple().exponent
    assert exponent <= 0
    assert exponent == 0 or back.as_tuple().digits[-1] != 0


@pytest.mark.parametrize(
    "value", [0.1, 1, "1", Decimal("NaN"), Decimal("Infinity"), Decimal("1e-19"), Decimal("1e20"), Decimal("0.1") ** 19]
)
async def test_money_that_is_no_decimal_or_would_be_rounded_is_refused(
    engine: AsyncEngine, rows: None, value: Any
) -> None:
    with pytest.raises(StatementError, match=r"money is|money has"):
        await round_trip(engine, "money", value)


async def test_trailing_zeros_beyond_the_scale_are_no_loss(engine: AsyncEngine, rows: None) -> None:
    assert await round_trip(engine, "money", Decimal("1.5" + "0" * 30)) == Decimal("1.5")
    assert await round_trip(engine, "money", None) is None
    assert await round_trip(engine, "money", Decimal("0E-25")) == 0


async def test_instants_come_back_in_utc_and_naive_ones_are_refused(engine: AsyncEngine, rows: None) -> None:
    at = datetime(2025, 10, 21, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    back = await round_trip(engine, "at", at)
    assert back == at
    assert back.tzinfo is UTC
    with pytest.raises(StatementError, match="aware"):
        await round_trip(engine, "at", datetime(2025, 10, 21))  # noqa: DTZ001 - it is what is refused


async def test_health_follows_the_database(engine: AsyncEngine) -> None:
    health, instruments = HealthRegistry(), Instruments(CollectorRegistry())
    watch = asyncio.create_task(watch_database(engine, health, instruments, interval_seconds=0.02))
    await until(lambda: health.serving(DATABASE) is True)
    assert not watch.done()
    watch.cancel()
    await asyncio.wait([watch])
    absent = create_engine("postgresql://a:b@127.0.0.1:1/c", "positions", 1)
    other = asyncio.create_task(watch_database(absent, health, instruments, interval_seconds=0.02))
    await until(lambda: health.serving(DATABASE) is False)
    assert not other.done()
    other.cancel()


def test_constraints_get_postgres_own_names() -> None:
    metadata: MetaData = table_metadata()
    table = Table("things", metadata, Column("id", Integer, primary_key=True), Column("name", Integer, unique=True))
    ddl = str(CreateTable(table).compile(dialect=dialect()))  # type: ignore[no-untyped-call]
    assert "CONSTRAINT things_pkey PRIMARY KEY" in ddl
    assert "CONSTRAINT things_name_key UNIQUE" in ddl
