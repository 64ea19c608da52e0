"""The books come back from a backup as docs/operations.md says: pg_dump, and pg_restore where the roles are made."""

import os
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
from pydantic import SecretStr

from deploy.local.database import database_url, prepare_database
from deploy.local.postgres import find_binaries
from services.common.migration import migrate_schema
from tests.servers import throwaway_postgres


@dataclass(frozen=True)
class Schema:
    """What a migration needs to know."""

    service: str
    database_url: SecretStr


def command(program: str, *arguments: str) -> None:
    done = subprocess.run(
        [str(find_binaries() / program), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stderr


async def contents(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table of the services' schemas."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname IN ('positions', 'monitor')"
        )
        return {
            table["name"]: [tuple(row) for row in await connection.fetch(f"SELECT * FROM {table['name']} ORDER BY 1")]  # noqa: S608
            for table in tables
        }
    finally:
        await connection.close()


async def test_the_books_come_back(
    session_dir: Path, tmp_path: Path, postgres_admin_url: str, database_passwords: dict[str, str]
) -> None:
    name = f"backup_{secrets.token_hex(4)}"
    urls = await prepare_database(postgres_admin_url, database_passwords, name=name)
    for service in ("positions", "monitor"):
        await migrate_schema(Schema(service, SecretStr(urls[service])), f"services.{service}")
    connection = await asyncpg.connect(urls["positions"])
    for number in range(20):
        await connection.execute(
            "INSERT INTO outbox (id, aggregate_id, version, subject, payload) VALUES ($1, $2, 1, $3, $4)",
            uuid4(),
            f"p{number}",
            "positions.v1.position_opened.demo",
            bytes([number]),
        )
    await connection.close()
    before = await contents(database_url(postgres_admin_url, name))

    dump = tmp_path / "books.dump"
    command("pg_dump", "--format=custom", f"--file={dump}", database_url(postgres_admin_url, name))
    async with throwaway_postgres(session_dir / name) as elsewhere:
        restored = await prepare_database(elsewhere, database_passwords, name=name)
        command("pg_restore", "--clean", "--if-exists", f"--dbname={database_url(elsewhere, name)}", str(dump))

        assert await contents(database_url(elsewhere, name)) == before
        assert len(before["positions.outbox"]) == 20
        connection = await asyncpg.connect(restored["positions"])
        await connection.execute("DELETE FROM outbox")
        assert urlsplit(restored["positions"]).username == await connection.fetchval("SELECT current_user")
        await connection.close()
        for service in ("positions", "monitor"):
            await migrate_schema(Schema(service, SecretStr(restored[service])), f"services.{service}")
