"""The public port: one line when it cannot be had, and a drain that lets a request under way finish."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from websockets.asyncio.client import connect

from protos.positions.v1 import live_pb2, types_pb2
from services.common.errors import StartupError
from services.gateway.http.server import KEEP_ALIVE_SECONDS, HttpServer
from tests.fakes.gateway_clients import FakeLivePositions
from tests.unit.gateway.conftest import World
from tests.unit.gateway.test_stream import PATIENCE_SECONDS, protocols
from tests.waiting import until


class SlowLivePositions(FakeLivePositions):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = asyncio.Event()
        self.go = asyncio.Event()

    async def list_live(
        self, user_id: str, exchange: types_pb2.Exchange.ValueType
    ) -> live_pb2.ListLivePositionsResponse:
        self.entered.set()
        await self.go.wait()
        return await super().list_live(user_id, exchange)


async def test_a_taken_port_is_one_line_and_a_drain_lets_requests_finish(world: World) -> None:
    live = world.live = SlowLivePositions()
    server = world.server()
    host, port = server.bind()
    second = HttpServer(World().app(), host=host, port=port, ping_seconds=20, drain_seconds=2)
    with pytest.raises(StartupError, match=rf"GATEWAY_PORT {port} cannot be used"):
        second.bind()
    ready = asyncio.Event()
    running = asyncio.create_task(server.run(ready.set))
    await ready.wait()
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {world.token()}"}, trust_env=False) as client:
        asking = asyncio.create_task(client.get(f"http://{host}:{port}/api/positions/current"))
        await live.entered.wait()
        server.drain()
        live.go.set()
        assert (await asking).status_code == 200
    await running


@asynccontextmanager
async def listening(
    world: World, arrival_seconds: float = 20, keep_alive_seconds: int = KEEP_ALIVE_SECONDS
) -> AsyncIterator[tuple[str, int]]:
    """The gateway on a port of its own: where."""
    server = HttpServer(
        world.app(),
        host="127.0.0.1",
        port=0,
        ping_seconds=20,
        drain_seconds=2,
        arrival_seconds=arrival_seconds,
        keep_alive_seconds=keep_alive_seconds,
    )
    where = server.bind()
    ready = asyncio.Event()
    running = asyncio.create_task(server.run(ready.set))
    try:
        await ready.wait()
        yield where
    finally:
        world.hub.close()
        server.drain()
        await running


async def test_a_client_that_goes_while_it_asks_is_no_fault_of_ours(world: World) -> None:
    labels = {"method": "POST", "route": "/api/positions/{position_id}/release"}

    def counted(status: str) -> float | None:
        return world.registry.get_sample_value("tandem_http_requests_total", {**labels, "status": status})

    async with listening(world) as (host, port):
        _, writer = await asyncio.open_connection(host, port)
        head = f"POST /api/positions/OP_1_1/release HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.token()}\r\n"
        writer.write(f"{head}Content-Length: 10\r\n\r\n{{".encode())
        await writer.drain()
        writer.close()
        await until(lambda: counted("499") or counted("500"))
    assert (counted("499"), counted("500")) == (1, None)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET /api/status HTTP/1.1\r\nHost: x\r\n",
        b"GET /api/status HTTP/1.1\r\nHost: x\r\n\r\nGET /api",
        b"POST /api/positions/sync HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nAuthorization: Bearer TOKEN\r\n\r\n{",
    ],
    ids=["nothing", "half a head", "half of the second head", "half a body"],
)
async def test_who_does_not_say_what_is_wanted_is_not_waited_for_without_end(world: World, said: bytes) -> None:
    async with listening(world, arrival_seconds=0.2) as (host, port), asyncio.timeout(PATIENCE_SECONDS):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(said.replace(b"TOKEN", world.token().encode()))
        await reader.read()  # until the server ends the connection
        writer.close()


async def test_an_idle_connection_is_kept_for_longer_than_a_proxy_keeps_it(world: World) -> None:
    assert KEEP_ALIVE_SECONDS > 60
    async with listening(world, keep_alive_seconds=0) as (host, port), asyncio.timeout(PATIENCE_SECONDS):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET /api/status HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")  # until the server ends the connection
        writer.close()


async def test_a_head_without_end_is_refused(world: World) -> None:
    async with listening(world) as (host, port), asyncio.timeout(PATIENCE_SECONDS):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET /api/status HTTP/1.1\r\nHost: x\r\nX-Long: ")
        for _ in range(5):
            writer.write(b"x" * 16 * 1024)
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_what_has_arrived_may_take_its_time(world: World) -> None:
    live = world.live = SlowLivePositions()
    headers = {"Authorization": f"Bearer {world.token()}"}
    async with (
        listening(world, arrival_seconds=0.05) as (host, port),
        connect(f"ws://{host}:{port}/ws", subprotocols=protocols(world.token())) as stream,
        httpx.AsyncClient(base_url=f"http://{host}:{port}", headers=headers, trust_env=False) as client,
    ):
        await stream.recv()
        asking = asyncio.create_task(client.get("/api/positions/current"))
        await live.entered.wait()
        # By the time that a connection which says nothing is given up, theirs would have been as well.
        reader, writer = await asyncio.open_connection(host, port)
        await reader.read()
        writer.close()
        live.go.set()
        assert (await asking).status_code == 200
        await stream.send('{"type": "ping"}')
        assert await stream.recv() == '{"type":"pong"}'
