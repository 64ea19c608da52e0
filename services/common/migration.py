"""Alembic migrations of one service's schema, run by the service's own role.

Invariants: one process migrates a schema at a time (an advisory lock held for the whole transaction); all pending
revisions take effect together or not at all; a lock that others hold for too long fails the migration, it does not
queue up the service behind it; the version table is in the service's own schema.
"""

import asyncio
import importlib
from pathlib import Path
from typing import Any, Protocol

import structlog
from alembic import command, context
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.database import create_engine, transaction
from services.common.errors import StartupError, TransactionConflict

_log = structlog.get_logger(__name__)

_LOCK_TIMEOUT_SECONDS = 60
_STATEMENT_TIMEOUT_SECONDS = 600
_VERSION_TABLE = "alembic_version"


class MigrationSettings(Protocol):
    """The settings that a migration reads."""

    @property
    def service(self) -> str: ...
    @property
    def database_url(self) -> SecretStr: ...


def migrate(settings: MigrationSettings, package: str) -> None:
    """Bring the schema of `settings.service` to the newest revision of `package`/migrations ("services.positions").

    For `__main__ migrate`, outside an event loop; inside one, await `migrate_schema`. Raises DatabaseUnavailable, or
    StartupError where a lock could not be had in 60 s.
    """
    asyncio.run(migrate_schema(settings, package))


async def migrate_schema(settings: MigrationSettings, package: str) -> None:
    """As `migrate`."""
    schema = settings.service
    engine = create_engine(
        settings.database_url, schema, pool_size=1, statement_timeout_seconds=_STATEMENT_TIMEOUT_SECONDS
    )
    try:
        async with transaction(engine) as connection:
            await connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT_SECONDS}s'"))
            await connection.execute(
                text("SELECT pg_advisory_xact_lock(hashtext('tandem.migration'), hashtext(:schema))"),
                {"schema": schema},
            )
            before = await connection.run_sync(_revision, schema)
            await connection.run_sync(_upgrade, package, schema)
            after = await connection.run_sync(_revision, schema)
    except TransactionConflict as error:
        raise StartupError(f"the schema {schema} could not be migrated: others held its locks for too long") from error
    finally:
        await engine.dispose()
    _log.info("migrated", schema=schema, before=before, after=after)


def run_migrations() -> None:
    """All that a service's migrations/env.py calls."""
    connection: Connection = context.config.attributes["connection"]
    schema: str = context.config.attributes["schema"]
    context.configure(
        connection=connection,
        target_metadata=None,
        version_table=_VERSION_TABLE,
        version_table_schema=schema,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def newest_revision(package: str) -> str | None:
    """The head of a package's migrations; raises where there is more than one."""
    return ScriptDirectory.from_config(_config(package)).get_current_head()


async def schema_drift(connection: AsyncConnection, metadata: MetaData) -> list[str]:
    """How the connection's schema differs from `metadata`, one line each; empty where it is the same."""

    def compare(sync: Connection) -> list[str]:
        options = {"compare_type": True, "include_object": _not_the_version_table}
        return [
            repr(difference)
            for difference in compare_metadata(MigrationContext.configure(sync, opts=options), metadata)
        ]

    return await connection.run_sync(compare)


def _upgrade(connection: Connection, package: str, schema: str) -> None:
    config = _config(package)
    config.attributes["connection"] = connection
    config.attributes["schema"] = schema
    command.upgrade(config, "head")


def _revision(connection: Connection, schema: str) -> str | None:
    options: dict[str, Any] = {"version_table": _VERSION_TABLE, "version_table_schema": schema}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def _config(package: str) -> Config:
    module = importlib.import_module(package)
    if module.__file__ is None:
        raise StartupError(f"{package} has no directory to hold migrations")
    config = Config()
    config.set_main_option("script_location", str(Path(module.__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _not_the_version_table(_: Any, name: str | None, kind: str, __: bool, ___: Any) -> bool:
    return not (kind == "table" and name == _VERSION_TABLE)
