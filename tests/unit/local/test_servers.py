"""The embedded Postgres and NATS: what they let whom do, and what they say when they cannot start."""

import socket
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import nats
import pytest
from nats.aio.client import Client
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError

from deploy.local.errors import StackError
from deploy.local.nats import NatsServer, running_nats
from deploy.local.ports import LOOPBACK
from deploy.local.postgres import running_postgres
from tests.servers import reachable_directory


@pytest.fixture
def directory() -> Iterator[Path]:
    with reachable_directory() as path:
        yield path


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        yield listener.getsockname()[1]


async def test_postgres_keeps_its_data_from_one_start_to_the_next(directory: Path) -> None:
    async with running_postgres(directory / "data", password="first") as server:
        connection = await asyncpg.connect(server.admin_url)
        await connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
        await connection.close()
    async with running_postgres(directory / "data", password="first") as server:
        connection = await asyncpg.connect(server.admin_url)
        assert await connection.fetchval("SELECT n FROM kept") == 42
        await connection.close()


async def test_postgres_asks_for_the_password(directory: Path) -> None:
    async with running_postgres(directory / "data", password="right") as server:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(server.admin_url.replace("right", "wrong"))


async def test_postgres_says_which_port_is_taken(directory: Path, taken_port: int) -> None:
    with pytest.raises(StackError, match=f"port {taken_port} is taken"):
        async with running_postgres(directory / "data", port=taken_port):
            pass


async def test_postgres_leaves_a_directory_of_other_files_alone(directory: Path) -> None:
    (directory / "data").mkdir()
    (directory / "data" / "letter.txt").write_text("mine")
    with pytest.raises(StackError, match="holds files that are not Postgres's"):
        async with running_postgres(directory / "data"):
            pass
    assert (directory / "data" / "letter.txt").read_text() == "mine"


async def test_postgres_says_that_a_directory_cannot_be_used(directory: Path) -> None:
    (directory / "file").write_text("")
    with pytest.raises(StackError, match="choose another directory"):
        async with running_postgres(directory / "file" / "data"):
            pass


async def test_nats_says_which_port_is_taken(directory: Path, taken_port: int) -> None:
    with pytest.raises(StackError, match=f"port {taken_port} is taken"):
        async with running_nats(directory, port=taken_port):
            pass


async def _refuse(_: Exception) -> None:
    """Permission violations also arrive here; the tests look at the answers."""


async def _login(server: NatsServer, user: str) -> Client:
    return await nats.connect(server.url, user=user, password=server.passwords[user], error_cb=_refuse)


async def test_a_service_publishes_its_own_facts_and_reads_all(directory: Path) -> None:
    async with running_nats(directory) as server:
        admin, positions, gateway = [await _login(server, user) for user in ("admin", "positions", "gateway")]
        await admin.jetstream().add_stream(name="EVENTS", subjects=["positions.v1.>", "gateway.v1.>"])
        await positions.jetstream().publish("positions.v1.position_opened.u1", b"fact")
        reader = await gateway.jetstream().pull_subscribe("positions.v1.>", durable="gateway", stream="EVENTS")
        [message] = await reader.fetch(1, timeout=5)
        assert message.data == b"fact"
        for client in (admin, positions, gateway):
            await client.close()


@pytest.mark.parametrize(
    "subject", ["positions.v1.position_closed.u1", "$JS.API.STREAM.DELETE.EVENTS", "$JS.API.STREAM.PURGE.EVENTS"]
)
async def test_a_service_may_neither_speak_for_another_nor_delete(directory: Path, subject: str) -> None:
    async with running_nats(directory) as server:
        admin, gateway = await _login(server, "admin"), await _login(server, "gateway")
        stream = await admin.jetstream().add_stream(name="EVENTS", subjects=["positions.v1.>"])
        with pytest.raises((NatsTimeoutError, NoRespondersError)):
            await gateway.request(subject, b"{}", timeout=0.3)
        after = await admin.jetstream().stream_info("EVENTS")
        assert (after.created, after.state.last_seq) == (stream.created, 0)
        await admin.close()
        await gateway.close()
