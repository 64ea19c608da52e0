"""The migrations make exactly the tables that the store uses."""

from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.database import transaction
from services.common.migration import schema_drift
from services.reconciler.store.tables import METADATA


async def test_the_migrations_make_the_tables_of_the_store(engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        assert await schema_drift(connection, METADATA) == []
