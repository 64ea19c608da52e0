"""How each kind of process of the stack is kept running: what to do before it starts, and when it is ready."""

import httpx
import nats as nats_client
from nats.errors import Error as NatsError

from deploy.local import nats, postgres
from deploy.local.child import Child, Launch
from deploy.local.errors import StackError
from deploy.local.processes import NATS, POSTGRES, SANDBOX, Replica, Surroundings
from deploy.local.readiness import answers_http, is_alive, read_readiness
from deploy.local.supervisor import Managed
from services.common import stream

CONNECT_TIMEOUT_SECONDS = 5


def manage_postgres(around: Surroundings) -> Managed:
    """The embedded Postgres."""
    launcher = postgres.PostgresLauncher(
        data_dir=around.layout.postgres,
        port=around.ports[POSTGRES],
        password=around.secrets.postgres_password,
        log_file=around.layout.rotate_log(POSTGRES),
        throwaway=around.config.throwaway,
    )

    async def ready(child: Child) -> bool:
        return launcher.is_ready(child.pid)

    return Managed(POSTGRES, launcher.prepare, ready, grace_seconds=postgres.STOP_GRACE_SECONDS)


def manage_nats(around: Surroundings) -> Managed:
    """The embedded NATS."""
    launcher = nats.NatsLauncher(
        directory=around.layout.nats,
        port=around.ports[NATS],
        passwords=around.secrets.nats_passwords,
        log_file=around.layout.rotate_log(NATS),
        throwaway=around.config.throwaway,
    )

    async def prepare() -> Launch:
        return launcher.prepare()

    async def ready(_: Child) -> bool:
        return await nats.answers(launcher.port)

    return Managed(NATS, prepare, ready, grace_seconds=nats.STOP_GRACE_SECONDS)


def manage_sandbox(around: Surroundings, client: httpx.AsyncClient) -> Managed:
    """The sandbox exchange."""
    around.layout.rotate_log(SANDBOX)

    async def prepare() -> Launch:
        return around.launch_sandbox()

    async def ready(_: Child) -> bool:
        return await answers_http(client, f"{around.sandbox_url}/sandbox/requests")

    return Managed(SANDBOX, prepare, ready)


def manage_service(around: Surroundings, replica: Replica, client: httpx.AsyncClient) -> Managed:
    """A process of one of the services; ready is what its own /readyz says, alive what its /healthz does."""

    async def prepare() -> Launch:
        return around.launch(replica)

    async def ready(_: Child) -> bool:
        return (await read_readiness(client, around.ports[replica.admin])).ready

    async def alive() -> bool:
        return await is_alive(client, around.ports[replica.admin])

    return Managed(replica.name, prepare, ready, alive)


async def declare_stream(url: str, *, replicas: int = 1) -> None:
    """Declare the stream of events as the administrator; `replicas` servers keep each message.

    Raises StackError where the server cannot be used.
    """
    said: list[Exception] = []

    async def hear(error: Exception) -> None:
        said.append(error)

    try:
        # A server that a person named is asked twice and no more; nats-py would go on asking for two minutes.
        client = await nats_client.connect(
            url,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            max_reconnect_attempts=1,
            reconnect_time_wait=0.1,
            error_cb=hear,
        )
        try:
            await stream.declare_stream(client.jetstream(), replicas=replicas)
        finally:
            await client.close()
    except (NatsError, OSError, TimeoutError) as error:
        reason = said[-1] if said else error
        raise StackError(f"NATS cannot be used ({reason or type(reason).__name__}): check NATS_URL") from error
