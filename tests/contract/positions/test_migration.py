"""The documents' migration keeps what was there, forth and back; the keys' rotation is a command of its own."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

import services.positions
from services.common.database import create_engine, transaction
from services.common.migration import migrate_schema
from services.positions.config import PositionsSettings
from tests.contract.positions.conftest import ENCRYPTION_KEYS

OLD_ROWS = """
INSERT INTO accounts VALUES
    ('a1', 'u1', 'binance', 'v1', 'Main', 'abcd…wxyz', 'sealed', true, true, now(), now(), 1);
INSERT INTO positions (position_id, user_id, account_id, venue, symbol, position_side, side, status, origin, managed,
    quantity, entry_price, opened_at, settled_since, settled_until, levels, enforced, version, changed_at)
VALUES ('OP_1_1', 'u1', 'a1', 'binance', 'BTCUSDT', 'both', 'long', 'open', 'external', false,
    1.5, 65000, now(), now(), now(), '{}', false, 1, now());
INSERT INTO fills VALUES
    ('a1', 'BTCUSDT', 'f1', 'OP_1_1', 'o1', null, 'both', 'buy', 65000, 1.5, 1, 'USDT', 1, null, 0, false, 'market',
    now());
INSERT INTO timeline (position_id, version, happened_at, actor, change, evidence)
VALUES ('OP_1_1', 1, now(), 'reconciler', 'adopted', 'seen');
"""


@pytest.fixture
async def empty(settings: PositionsSettings) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(settings.database_url, settings.service, 1)
    yield engine
    await engine.dispose()


async def move(engine: AsyncEngine, act: Callable[[Config, str], None], revision: str) -> None:
    """Bring the schema to a revision, up or down."""

    def run(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(services.positions.__file__ or "").parent / "migrations"))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        config.attributes["schema"] = "positions"
        act(config, revision)

    async with transaction(engine) as connection:
        await connection.run_sync(run)


async def test_from_0001_to_0002_and_back_keeps_the_books(empty: AsyncEngine, settings: PositionsSettings) -> None:
    await move(empty, command.upgrade, "0001")
    async with transaction(empty) as connection:
        for statement in OLD_ROWS.split(";\n"):
            if statement.strip():
                await connection.execute(text(statement))

    async def kept() -> tuple[object, ...]:
        async with transaction(empty) as connection:
            row = (
                await connection.execute(
                    text(
                        "SELECT p.quantity, p.entry_price, f.fill_id, t.evidence, a.trading_enabled FROM positions p"
                        " JOIN fills f USING (position_id) JOIN timeline t USING (position_id)"
                        " JOIN accounts a ON a.account_id = p.account_id"
                    )
                )
            ).one()
            return tuple(row)

    before = await kept()
    await move(empty, command.upgrade, "0002")
    assert await kept() == before
    async with transaction(empty) as connection:
        row = (await connection.execute(text("SELECT can_trade, auto_manage FROM accounts"))).one()
        assert (row.can_trade, row.auto_manage) == (True, False)
        assert (await connection.execute(text("SELECT sequence FROM fills"))).scalar_one() == 0
    await move(empty, command.downgrade, "0001")
    assert await kept() == before
    await migrate_schema(settings, "services.positions")
    assert await kept() == before


async def test_rotation_is_a_command(empty: AsyncEngine, settings: PositionsSettings) -> None:
    await migrate_schema(settings, "services.positions")
    environment = {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "NATS_URL": settings.nats_url,
        "ADMIN_LISTEN": settings.admin_listen,
        "GRPC_LISTEN": settings.grpc_listen,
        "TLS_CERT_FILE": str(settings.tls_cert_file),
        "TLS_KEY_FILE": str(settings.tls_key_file),
        "TLS_CA_FILE": str(settings.tls_ca_file),
        "ENCRYPTION_KEYS": ENCRYPTION_KEYS,
    }
    async with transaction(empty) as connection:
        await connection.execute(text("UPDATE accounts SET sealed_credentials = 'broken'"))
    done = subprocess.run(  # noqa: ASYNC221 - one short process
        [sys.executable, "-m", "services.positions", "rotate-keys"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "0 credentials wrapped anew" in done.stdout) == (1, True), done.stderr
    assert "1 do not open" in done.stdout
