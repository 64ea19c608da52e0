"""The real Postgres and NATS that tests stand on.

Embedded by default; containers with TEST_STACK=containers, where a Docker-compatible socket answers. Both give the same
users with the same rights, because both are configured by the stack's own launchers.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from deploy.local.nats import ADMINISTRATOR, SERVICES, NatsLauncher, NatsServer, running_nats
from deploy.local.postgres import running_postgres

POSTGRES_IMAGE = "postgres:18-alpine"
NATS_IMAGE = "nats:2.11-alpine"
NATS_PORT = 4222


def uses_containers() -> bool:
    """Tell whether the run was asked to use containers."""
    return os.environ.get("TEST_STACK", "embedded") == "containers"


@contextmanager
def reachable_directory() -> Iterator[Path]:
    """A temporary directory that the account of the embedded Postgres may enter; gone after the block."""
    path = Path(tempfile.mkdtemp(prefix="tandem-test-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@asynccontextmanager
async def throwaway_postgres(directory: Path) -> AsyncIterator[str]:
    """A Postgres for as long as the block lasts; yields its administrator's URL."""
    if not uses_containers():
        async with running_postgres(directory / "postgres") as server:
            yield server.admin_url
        return
    from testcontainers.community.postgres import PostgresContainer

    container = PostgresContainer(POSTGRES_IMAGE, driver=None)
    await asyncio.to_thread(container.start)
    try:
        yield container.get_connection_url()
    finally:
        await asyncio.to_thread(container.stop)


@asynccontextmanager
async def throwaway_nats(directory: Path) -> AsyncIterator[NatsServer]:
    """A NATS with the stack's users for as long as the block lasts; each user's password is its name."""
    if not uses_containers():
        async with running_nats(directory / "nats") as server:
            yield server
        return
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    passwords = {name: name for name in (*SERVICES, ADMINISTRATOR)}
    launcher = NatsLauncher(
        directory=directory / "nats",
        port=NATS_PORT,
        passwords=passwords,
        log_file=directory / "nats.log",
        throwaway=True,
    )
    config_file = directory / "nats.conf"
    config_file.write_text(launcher.configuration(host="0.0.0.0", store_dir=Path("/data")))  # noqa: S104  inside the container
    container = (
        DockerContainer(NATS_IMAGE)
        .with_volume_mapping(str(config_file), "/etc/nats/tandem.conf", "ro")
        .with_command("--config /etc/nats/tandem.conf")
        .with_exposed_ports(NATS_PORT)
        .waiting_for(LogMessageWaitStrategy("Server is ready"))
    )
    await asyncio.to_thread(container.start)
    try:
        yield NatsServer(
            pid=0,
            host=container.get_container_host_ip(),
            port=int(container.get_exposed_port(NATS_PORT)),
            passwords=passwords,
        )
    finally:
        await asyncio.to_thread(container.stop)
