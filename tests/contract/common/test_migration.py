"""Migrations by a service's own role, into its own schema."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from pydantic import SecretStr
from sqlalchemy import Column, Connection, MetaData, Table, Text, Uuid, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.database import Money, UtcDateTime, create_engine, table_metadata, transaction
from services.common.errors import DatabaseUnavailable
from services.common.inbox import inbox_table
from services.common.leases import lease_table
from services.common.migration import migrate, migrate_schema, newest_revision, schema_drift
from services.common.outbox import outbox_table

MIGRATING = "tests.contract.common.migrating"
FAILING = "tests.contract.common.failing"


@dataclass(frozen=True)
class Settings:
    """What a migration reads."""

    service: str
    database_url: SecretStr


@pytest.fixture
def reconciler(service_databases: dict[str, str]) -> Settings:
    return Settings("reconciler", SecretStr(service_databases["reconciler"]))


@pytest.fixture
async def engine(reconciler: Settings) -> AsyncIterator[AsyncEngine]:
    made = create_engine(reconciler.database_url, "reconciler", 2)
    yield made
    async with transaction(made) as connection:
        await connection.run_sync(drop_everything)
    await made.dispose()


def drop_everything(connection: Connection) -> None:
    metadata = MetaData()
    metadata.reflect(connection)
    metadata.drop_all(connection)


async def revision(engine: AsyncEngine) -> str:
    async with transaction(engine) as connection:
        statement = text("SELECT version_num FROM reconciler.alembic_version")
        return str((await connection.execute(statement)).scalar_one())


def store() -> MetaData:
    metadata = table_metadata()
    Table(
        "books",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("price", Money, nullable=False),
        Column("opened_at", UtcDateTime, nullable=False),
        Column("note", Text),
    )
    for table in (outbox_table, inbox_table, lease_table):
        table(metadata)
    return metadata


async def test_a_schema_is_brought_to_the_newest_revision_and_again_is_no_change(
    reconciler: Settings, engine: AsyncEngine
) -> None:
    for _ in range(2):
        await migrate_schema(reconciler, MIGRATING)
        assert await revision(engine) == newest_revision(MIGRATING) == "0002"


async def test_the_migrations_make_the_tables_of_the_store(reconciler: Settings, engine: AsyncEngine) -> None:
    await migrate_schema(reconciler, MIGRATING)
    async with transaction(engine) as connection:
        assert await schema_drift(connection, store()) == []


async def test_what_the_migrations_do_not_make_is_told(reconciler: Settings, engine: AsyncEngine) -> None:
    await migrate_schema(reconciler, MIGRATING)
    metadata = store()
    metadata.tables["books"].append_column(Column("forgotten", Text))
    async with transaction(engine) as connection:
        (difference,) = await schema_drift(connection, metadata)
    assert "forgotten" in difference


async def test_replicas_that_migrate_at_once_migrate_once(reconciler: Settings, engine: AsyncEngine) -> None:
    await asyncio.gather(*(asyncio.to_thread(migrate, reconciler, MIGRATING) for _ in range(3)))
    assert await revision(engine) == "0002"


async def test_a_migration_that_fails_leaves_nothing_behind(reconciler: Settings, engine: AsyncEngine) -> None:
    with pytest.raises(ProgrammingError, match="not_there"):
        await migrate_schema(reconciler, FAILING)
    async with transaction(engine) as connection:
        tables = await connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'reconciler'"))
        assert tables.all() == []


async def test_a_database_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(DatabaseUnavailable):
        await migrate_schema(Settings("reconciler", SecretStr("postgresql://a:b@127.0.0.1:1/c")), MIGRATING)
