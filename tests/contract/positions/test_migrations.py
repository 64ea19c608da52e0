"""Migrations only add: what an older version wrote is still there, and what it writes is still taken."""

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.database import prepare_database
from services.common import migration
from services.common.database import create_engine, transaction
from services.common.migration import schema_drift
from services.positions.store import cash, equity, orders, requests, streams, trails
from services.positions.store.tables import metadata
from tests.factories import NOON

LOADED = (cash, equity, orders, requests, streams, trails)
"""Their tables are among the metadata once they are imported."""
SERVICES = ("positions", "reconciler", "monitor", "gateway")


@dataclass(frozen=True)
class Shape:
    """What a schema holds: columns (type, whether NULL is taken, whether there is a default) and constraints."""

    columns: dict[tuple[str, str], tuple[str, bool, bool]]
    constraints: dict[str, tuple[str, frozenset[str]]]
    """By name: its table, and its columns."""


def tightened(before: Shape, after: Shape) -> list[str]:
    """What a version that knows `before` would trip over in `after`: drops, renames, narrower columns, new demands."""
    tables = {table for table, _ in before.columns}
    problems = []
    for (table, name), (kind, nullable, default) in before.columns.items():
        now = after.columns.get((table, name))
        if now is None:
            problems.append(f"{table}.{name} is dropped or renamed")
        elif now[0] != kind:
            problems.append(f"{table}.{name} is {now[0]}, was {kind}")
        elif (nullable and not now[1]) or (default and not now[2] and not nullable):
            problems.append(f"{table}.{name} must be given now")
    for (table, name), (_, nullable, default) in after.columns.items():
        if table in tables and (table, name) not in before.columns and not nullable and not default:
            problems.append(f"{table}.{name} is new and must be given")
    for name, (table, columns) in after.constraints.items():
        old = all((table, column) in before.columns for column in columns)
        if name not in before.constraints and table in tables and old:
            problems.append(f"{name} is new and binds only what was there")
    return problems


@pytest.fixture
async def fresh(
    postgres_admin_url: str, database_passwords: dict[str, str]
) -> AsyncIterator[Callable[[str], AsyncEngine]]:
    """Empty schemas of a database of this test's own."""
    urls = await prepare_database(postgres_admin_url, database_passwords, name=f"test_{secrets.token_hex(6)}")
    engines: list[AsyncEngine] = []

    def of(service: str) -> AsyncEngine:
        engines.append(create_engine(urls[service], service, 1))
        return engines[-1]

    yield of
    for engine in engines:
        await engine.dispose()


def revisions(service: str) -> list[str]:
    """All revisions of a service, the first one first."""
    script = ScriptDirectory.from_config(migration._config(f"services.{service}"))
    return [one.revision for one in reversed(list(script.walk_revisions()))]


async def move(engine: AsyncEngine, service: str, revision: str, *, back: bool = False) -> None:
    """Bring a schema to a revision, as `migrate` brings it to the newest."""

    def go(connection: Connection) -> None:
        config = migration._config(f"services.{service}")
        config.attributes["connection"] = connection
        config.attributes["schema"] = service
        (command.downgrade if back else command.upgrade)(config, revision)

    async with transaction(engine) as connection:
        await connection.run_sync(go)


async def shape_of(engine: AsyncEngine, service: str) -> Shape:
    columns = text(
        "SELECT table_name, column_name, udt_name, is_nullable = 'YES' AS nullable,"
        " column_default IS NOT NULL OR is_identity = 'YES' AS given"
        " FROM information_schema.columns WHERE table_schema = :schema AND table_name <> 'alembic_version'"
    )
    constraints = text(
        # With the columns of a partial index's condition: it binds only the rows that meet it.
        "SELECT i.relname AS name, t.relname AS owner, x.indkey::int2[] || ARRAY(SELECT d.refobjsubid::int2"
        " FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.oid AND d.refobjid = t.oid"
        " AND d.refobjsubid > 0) AS keys, t.oid FROM pg_index x"
        " JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid"
        " WHERE x.indisunique AND t.relnamespace = to_regnamespace(:schema)"
        " UNION ALL SELECT c.conname, t.relname, c.conkey, t.oid FROM pg_constraint c"
        " JOIN pg_class t ON t.oid = c.conrelid WHERE c.contype IN ('c', 'f', 'x')"
        " AND t.relnamespace = to_regnamespace(:schema)"
    )
    names = text("SELECT attrelid AS oid, attnum, attname FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped")
    async with transaction(engine) as connection:
        found = (await connection.execute(columns, {"schema": service})).all()
        bound = (await connection.execute(constraints, {"schema": service})).all()
        name_of = {(row.oid, row.attnum): row.attname for row in await connection.execute(names)}
    return Shape(
        {(row.table_name, row.column_name): (row.udt_name, row.nullable, row.given) for row in found},
        {row.name: (row.owner, frozenset(name_of[row.oid, key] for key in row.keys or () if key)) for row in bound},
    )


@pytest.mark.parametrize("service", SERVICES)
async def test_no_migration_takes_anything_away(fresh: Callable[[str], AsyncEngine], service: str) -> None:
    """Every version beside the one before it: both run at once while a new one is rolled out."""
    engine = fresh(service)
    before: Shape | None = None
    for revision in revisions(service):
        await move(engine, service, revision)
        after = await shape_of(engine, service)
        assert before is None or tightened(before, after) == [], revision
        before = after


COLUMN = ("text", True, False)
BEFORE = Shape({("t", "a"): COLUMN, ("t", "b"): ("text", False, True)}, {})


@pytest.mark.parametrize(
    ("columns", "constraints", "problem"),
    [
        ({("t", "a"): COLUMN}, {}, "t.b is dropped or renamed"),
        ({("t", "a"): COLUMN, ("t", "c"): ("text", False, True)}, {}, "t.b is dropped or renamed"),
        ({**BEFORE.columns, ("t", "a"): ("int4", True, False)}, {}, "t.a is int4, was text"),
        ({**BEFORE.columns, ("t", "a"): ("text", False, False)}, {}, "t.a must be given now"),
        ({**BEFORE.columns, ("t", "b"): ("text", False, False)}, {}, "t.b must be given now"),
        ({**BEFORE.columns, ("t", "c"): ("text", False, False)}, {}, "t.c is new and must be given"),
        (BEFORE.columns, {"t_a_key": ("t", frozenset({"a"}))}, "t_a_key is new and binds only what was there"),
    ],
)
def test_what_takes_something_away_is_refused(
    columns: dict[tuple[str, str], tuple[str, bool, bool]],
    constraints: dict[str, tuple[str, frozenset[str]]],
    problem: str,
) -> None:
    assert tightened(BEFORE, Shape(columns, constraints)) == [problem]


def test_what_only_adds_is_taken() -> None:
    more = {("t", "c"): ("text", False, True), ("t", "d"): COLUMN, ("u", "a"): ("text", False, False)}
    bound = {"t_c_check": ("t", frozenset({"a", "c"})), "u_a_key": ("u", frozenset({"a"}))}
    assert tightened(BEFORE, Shape({**BEFORE.columns, **more}, bound)) == []


ROWS: dict[str, dict[str, Any]] = {
    "accounts": {
        "account_id": "a",
        "user_id": "u",
        "venue": "binance",
        "venue_user_id": "v",
        "name": "Main",
        "masked_key": "k…",
        "sealed_credentials": b"sealed",
        "verified": True,
        "trading_enabled": True,
        "created_at": NOON,
        "version": 1,
    },
    "positions": {
        "position_id": "OP_1_1",
        "user_id": "u",
        "account_id": "a",
        "venue": "binance",
        "symbol": "BTCUSDT",
        "position_side": "both",
        "side": "long",
        "status": "open",
        "origin": "external",
        "managed": False,
        "quantity": 1,
        "entry_price": 65000,
        "opened_at": NOON,
        "settled_since": NOON,
        "settled_until": NOON,
        "levels": "{}",
        "enforced": False,
        "version": 1,
        "changed_at": NOON,
    },
    "timeline": {
        "position_id": "OP_1_1",
        "version": 1,
        "happened_at": NOON,
        "actor": "reconciler",
        "change": "adopted",
        "evidence": "seen",
    },
}
"""As the first version writes them: it names no column that came later."""


async def write(engine: AsyncEngine, name: str) -> None:
    """The rows of the first version, under an id of their own."""
    for table, row in ROWS.items():
        own = {key: f"{value}-{name}" if key.endswith("_id") else value for key, value in row.items()}
        columns = ", ".join(own)
        values = ", ".join(_literal(value) for value in own.values())
        async with transaction(engine) as connection:
            await connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({values})".replace(":", r"\:")))  # noqa: S608


def _literal(value: Any) -> str:
    match value:
        case bytes():
            return f"'\\x{value.hex()}'"
        case datetime():
            return f"'{value.isoformat()}'"
        case str():
            return f"'{value}'"
        case _:
            return str(value)


async def read(engine: AsyncEngine) -> dict[str, list[tuple[Any, ...]]]:
    """What the first version reads of all rows."""
    found = {}
    async with transaction(engine) as connection:
        for table, row in ROWS.items():
            columns = ", ".join(row)
            rows = await connection.execute(text(f"SELECT {columns} FROM {table} ORDER BY 1, 2"))  # noqa: S608
            found[table] = [tuple(one) for one in rows]
    return found


async def test_what_the_first_version_wrote_is_there_in_the_newest_and_it_may_write_on(
    fresh: Callable[[str], AsyncEngine],
) -> None:
    engine = fresh("positions")
    first, *later = revisions("positions")
    await move(engine, "positions", first)
    await write(engine, first)
    for revision in later:
        before = await read(engine)
        await move(engine, "positions", revision)
        assert await read(engine) == before
        await write(engine, revision)
    assert len((await read(engine))["positions"]) == len(later) + 1


async def test_the_newest_version_can_be_taken_back_and_put_on_again(fresh: Callable[[str], AsyncEngine]) -> None:
    engine = fresh("positions")
    *_, previous, newest = revisions("positions")
    await move(engine, "positions", newest)
    await write(engine, newest)
    before = await read(engine)
    await move(engine, "positions", previous, back=True)
    assert await read(engine) == before
    await write(engine, previous)
    await move(engine, "positions", newest)
    async with transaction(engine) as connection:
        assert await schema_drift(connection, metadata) == []
    after = await read(engine)
    assert {row[0] for row in before["positions"]} < {row[0] for row in after["positions"]}
