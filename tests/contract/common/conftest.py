"""A server of the positions service and channels of others to it, over real TLS; an engine; a bus per service."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import nats
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.certificates import CertificateFiles
from deploy.local.nats import NatsServer
from services.common.bus import Bus
from services.common.channels import ServiceChannel, open_channel
from services.common.database import create_engine, transaction
from services.common.health import HealthRegistry
from services.common.inbox import inbox_table
from services.common.leases import lease_table
from services.common.outbox import outbox_table
from services.common.server import GrpcServer
from services.common.stream import declare_stream
from services.common.telemetry import Instruments
from tests.contract.common.echo import SERVICE, Echo, EchoStub, add_to_server
from tests.contract.common.settings import NatsSettings, RpcSettings

ACCESS = {
    SERVICE: frozenset({"gateway", "monitor"}),
    f"{SERVICE}/Sum": frozenset({"monitor"}),
}


@dataclass
class Serving:
    """A server that runs, and what it measures."""

    server: GrpcServer
    echo: Echo
    health: HealthRegistry
    instruments: Instruments
    port: int


@asynccontextmanager
async def serving(files: CertificateFiles, **settings: object) -> AsyncIterator[Serving]:
    """A server with the certificate of `files`."""
    echo, health, instruments = Echo(), HealthRegistry(), Instruments(CollectorRegistry())
    server = GrpcServer(
        RpcSettings.of(files, **settings), [(add_to_server, echo, SERVICE)], ACCESS, health, instruments
    )
    _, port = await server.start()
    health.set(SERVICE, True)
    try:
        yield Serving(server, echo, health, instruments, port)
    finally:
        await server.drain(0)


@pytest.fixture
async def server(certificates: dict[str, CertificateFiles]) -> AsyncIterator[Serving]:
    """A server of positions."""
    async with serving(certificates["positions"]) as running:
        yield running


@pytest.fixture
async def channel_of(
    server: Serving, certificates: dict[str, CertificateFiles]
) -> AsyncIterator[Callable[[str], ServiceChannel]]:
    """A channel of any identity to the server."""
    async with AsyncExitStack() as stack:

        def channel(identity: str) -> ServiceChannel:
            settings = RpcSettings.of(certificates[identity])
            opened = open_channel(
                settings, f"ipv4:127.0.0.1:{server.port}", "positions", Instruments(CollectorRegistry())
            )
            stack.push_async_callback(opened.close)
            return opened

        yield channel


@pytest.fixture
def gateway(channel_of: Callable[[str], ServiceChannel]) -> EchoStub:
    """The stub of a caller that may call."""
    return EchoStub(channel_of("gateway"))


@pytest.fixture(scope="module")
async def tables(service_databases: dict[str, str]) -> None:
    """Outbox, inbox and leases in the schema of positions."""
    metadata = MetaData()
    outbox_table(metadata)
    inbox_table(metadata)
    lease_table(metadata)
    engine = create_engine(service_databases["positions"], "positions", 1)
    async with transaction(engine) as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()


@pytest.fixture
async def engine(service_databases: dict[str, str], tables: None) -> AsyncIterator[AsyncEngine]:
    """An engine of positions."""
    made = create_engine(service_databases["positions"], "positions", 5)
    yield made
    await made.dispose()


async def declare(server: NatsServer) -> None:
    """Declare the stream as the stack does."""
    client = await nats.connect(server.admin_url)
    await declare_stream(client.jetstream())
    await client.close()


@pytest.fixture
async def stream(nats_server: NatsServer) -> NatsServer:
    """The session's NATS with the stream."""
    await declare(nats_server)
    return nats_server


@asynccontextmanager
async def running(*parts: Any) -> AsyncIterator[None]:
    """Run the `run` of each for as long as the block lasts; what one of them raises is raised here."""
    tasks = [asyncio.create_task(part.run()) for part in parts]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


def bus_of(server: NatsServer, service: str) -> Bus:
    """A bus that logs in as `service`."""
    settings = NatsSettings.of(server.url, service, server.passwords[service])
    return Bus(settings, service, Instruments(CollectorRegistry()))


@pytest.fixture
async def positions_bus(stream: NatsServer) -> AsyncIterator[Bus]:
    """A connected bus of positions."""
    bus = bus_of(stream, "positions")
    async with running(bus):
        await bus.wait_connected()
        yield bus


@pytest.fixture
async def gateway_bus(stream: NatsServer) -> AsyncIterator[Bus]:
    """A connected bus of the gateway."""
    bus = bus_of(stream, "gateway")
    async with running(bus):
        await bus.wait_connected()
        yield bus


async def until(condition: Callable[[], bool | Awaitable[bool]], timeout_seconds: float = 20) -> None:
    """Return once `condition` holds; TimeoutError where it does not in time."""
    async with asyncio.timeout(timeout_seconds):
        while True:
            held = condition()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.02)


@pytest.fixture
def fact(request: pytest.FixtureRequest) -> str:
    """A fact of this test alone."""
    return "".join(letter if letter.isalnum() else "_" for letter in request.node.name.lower())
