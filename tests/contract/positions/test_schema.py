"""The schema is what the tables say, and nobody else's."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.database import create_engine, transaction
from services.common.migration import migrate_schema, schema_drift
from services.positions.config import PositionsSettings
from services.positions.domain.account import Account
from services.positions.store import cash, equity, orders, requests, streams, trails
from services.positions.store.tables import metadata, positions
from tests.contract.positions.conftest import Books
from tests.factories import at

LOADED = (cash, equity, orders, requests, streams, trails)
"""Their tables are among the metadata once they are imported."""


async def test_migrations_make_exactly_the_tables(engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        assert await schema_drift(connection, metadata) == []


async def test_migrating_again_changes_nothing(settings: PositionsSettings, engine: AsyncEngine) -> None:
    await migrate_schema(settings, "services.positions")
    async with transaction(engine) as connection:
        assert await schema_drift(connection, metadata) == []


@pytest.mark.parametrize("other", ["reconciler", "monitor", "gateway"])
async def test_another_services_role_cannot_read_the_books(
    engine: AsyncEngine, service_databases: dict[str, str], other: str
) -> None:
    theirs = create_engine(service_databases[other], other)
    try:
        with pytest.raises(DBAPIError, match="permission denied"):
            async with transaction(theirs) as connection:
                await connection.execute(text("SELECT * FROM positions.positions"))
    finally:
        await theirs.dispose()


@pytest.mark.parametrize(
    "illegal",
    [
        {"status": "closed"},
        {"quantity": Decimal(-1)},
        {"side": "sideways"},
        {"position_side": "short"},
        {"version": 0},
        {"settled_since": at(100)},
    ],
)
async def test_what_the_domain_forbids_the_database_forbids(
    books: Books, account: Account, illegal: dict[str, object]
) -> None:
    position_id = await books.adopt(account)
    with pytest.raises(DBAPIError, match="violates check constraint"):
        async with transaction(books.engine) as connection:
            await connection.execute(update(positions).where(positions.c.position_id == position_id).values(**illegal))


async def test_one_key_has_one_open_row(books: Books, account: Account) -> None:
    first = await books.adopt(account)
    async with transaction(books.engine) as connection:
        row = (await connection.execute(positions.select().where(positions.c.position_id == first))).one()
    with pytest.raises(DBAPIError, match="positions_open_key"):
        async with transaction(books.engine) as connection:
            copy = {**row._asdict(), "position_id": "OP_1_1", "changed_at": row.changed_at + timedelta(1)}
            await connection.execute(positions.insert().values(**copy))
