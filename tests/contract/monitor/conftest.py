"""The monitor's schema in a real Postgres."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.certificates import CertificateFiles
from services.common.database import create_engine, transaction
from services.common.migration import migrate_schema
from services.monitor.config import MonitorSettings
from services.monitor.store import METADATA


@pytest.fixture(scope="module")
def settings(service_databases: dict[str, str], certificates: dict[str, CertificateFiles]) -> MonitorSettings:
    own = certificates["monitor"]
    return MonitorSettings(
        database_url=service_databases["monitor"],
        nats_url="nats://127.0.0.1:4222",
        admin_listen="127.0.0.1:0",
        grpc_listen="127.0.0.1:0",
        positions_target="ipv4:127.0.0.1:1",
        tls_cert_file=own.certificate,
        tls_key_file=own.key,
        tls_ca_file=own.authority,
    )


@pytest.fixture(scope="module")
async def migrated(settings: MonitorSettings) -> AsyncIterator[AsyncEngine]:
    await migrate_schema(settings, "services.monitor")
    engine = create_engine(settings.database_url, settings.service)
    yield engine
    await engine.dispose()


@pytest.fixture
async def engine(migrated: AsyncEngine) -> AsyncEngine:
    """Empty tables."""
    async with transaction(migrated) as connection:
        tables = ", ".join(METADATA.tables)
        await connection.execute(text(f"TRUNCATE {tables}"))
    return migrated
