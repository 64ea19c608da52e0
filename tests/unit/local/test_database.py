"""One service's role can reach its own schema and nothing else."""

import asyncpg
import pytest

from deploy.local.database import prepare_database, service_url
from deploy.local.errors import StackError


async def test_a_service_works_in_its_own_schema(service_databases: dict[str, str]) -> None:
    connection = await asyncpg.connect(service_databases["positions"])
    try:
        await connection.execute("CREATE TABLE own_schema (n int)")
        found = await connection.fetchval("SELECT schemaname FROM pg_tables WHERE tablename = 'own_schema'")
    finally:
        await connection.close()
    assert found == "positions"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM positions.secrets",
        "CREATE TABLE positions.mine (n int)",
        "CREATE TABLE public.mine (n int)",
        "CREATE SCHEMA mine",
        "CREATE TEMPORARY TABLE mine (n int)",
        "SET ROLE tandem_positions",
    ],
)
async def test_a_service_cannot_touch_what_is_not_its_own(service_databases: dict[str, str], statement: str) -> None:
    owner = await asyncpg.connect(service_databases["positions"])
    other = await asyncpg.connect(service_databases["gateway"])
    try:
        await owner.execute("CREATE TABLE IF NOT EXISTS secrets (n int)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await other.execute(statement)
    finally:
        await owner.close()
        await other.close()


async def test_preparing_again_keeps_the_data_and_sets_the_passwords(
    postgres_admin_url: str, database_passwords: dict[str, str]
) -> None:
    first = await prepare_database(postgres_admin_url, database_passwords, name="test_twice")
    connection = await asyncpg.connect(first["monitor"])
    await connection.execute("CREATE TABLE kept (n int)")
    await connection.close()
    second = await prepare_database(postgres_admin_url, database_passwords, name="test_twice")
    connection = await asyncpg.connect(second["monitor"])
    try:
        assert await connection.fetchval("SELECT count(*) FROM kept") == 0
    finally:
        await connection.close()


def test_a_service_url_quotes_the_password() -> None:
    url = service_url("postgresql://root:x@db.example:6000/postgres?sslmode=require", "gateway", "p@ss/word", "tandem")
    assert url == "postgresql://tandem_gateway:p%40ss%2Fword@db.example:6000/tandem?sslmode=require"


@pytest.mark.parametrize("url", ["postgresql://nobody:secret@127.0.0.1:1/postgres", "not an address"])
async def test_a_server_that_cannot_be_used_is_one_line_without_the_password(url: str) -> None:
    with pytest.raises(StackError, match="DATABASE_URL") as refusal:
        await prepare_database(url, {})
    assert "secret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)
