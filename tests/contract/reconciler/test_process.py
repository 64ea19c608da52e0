"""The process as it is started: it serves without positions, waits for it, reconciles, hears of accounts, drains."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGTERM
from urllib.request import urlopen
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from deploy.local.certificates import CertificateFiles
from deploy.local.nats import NatsServer
from deploy.local.ports import choose_port
from protos.positions.v1 import events_pb2 as positions_events
from protos.positions.v1 import types_pb2 as types
from protos.positions.v1.observation_pb2_grpc import add_ObservationServiceServicer_to_server
from protos.reconciler.v1 import events_pb2, reconciler_pb2
from services.common.bus import Bus, Received, subject
from services.common.exchange.credentials import Credentials
from services.common.health import HealthRegistry
from services.common.server import GrpcServer
from services.common.subjects import all_users
from services.common.telemetry import Instruments
from services.common.trading.side import Venue
from services.positions.domain.account import Account
from services.positions.rpc.observation import ObservationRpc
from tests.contract.common.conftest import gateway_bus, positions_bus, running, stream, until
from tests.contract.common.settings import RpcSettings
from tests.contract.positions.conftest import Books, books, engine, settings
from tests.factories import make_reading, make_seen

__all__ = ["books", "engine", "gateway_bus", "positions_bus", "settings", "stream"]

ROOT = Path(__file__).resolve().parents[3]
SERVICE = "positions.v1.ObservationService"
Environment = dict[str, str]


@pytest.fixture
def environment(
    service_databases: dict[str, str], certificates: dict[str, CertificateFiles], stream: NatsServer
) -> Environment:
    """What the local stack would tell the reconciler; positions is to be at a port where nobody is yet."""
    own = certificates["reconciler"]
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": service_databases["reconciler"],
        "NATS_URL": stream.url,
        "NATS_USER": "reconciler",
        "NATS_PASSWORD": stream.passwords["reconciler"],
        "GRPC_LISTEN": "127.0.0.1:0",
        "ADMIN_LISTEN": f"127.0.0.1:{choose_port()}",
        "POSITIONS_TARGET": f"ipv4:127.0.0.1:{choose_port()}",
        "TLS_CERT_FILE": str(own.certificate),
        "TLS_KEY_FILE": str(own.key),
        "TLS_CA_FILE": str(own.authority),
    }


@asynccontextmanager
async def process(environment: Environment) -> AsyncIterator[asyncio.subprocess.Process]:
    """`serve`, after `migrate`; killed at the end where it has not ended."""

    async def start(command: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.reconciler", command), env=environment, cwd=ROOT
        )

    assert await (await start("migrate")).wait() == 0
    served = await start("serve")
    try:
        yield served
    finally:
        if served.returncode is None:
            served.kill()
        await served.wait()


@asynccontextmanager
async def positions_at(target: str, books: Books, files: CertificateFiles) -> AsyncIterator[None]:
    """Positions' own ObservationService at the address that the reconciler was told."""
    servicer = ObservationRpc(books.observation, books.decisions)
    server = GrpcServer(
        RpcSettings.of(files, grpc_listen=target.removeprefix("ipv4:")),
        [(add_ObservationServiceServicer_to_server, servicer, SERVICE)],
        {SERVICE: frozenset({"reconciler"})},
        HealthRegistry(),
        Instruments(CollectorRegistry()),
    )
    await server.start()
    try:
        yield
    finally:
        await server.drain(grace_seconds=0)


def services_of(environment: Environment) -> Callable[[], dict[str, str]]:
    """The names on /readyz and their state; empty while nobody answers there."""

    def ask() -> dict[str, str]:
        try:
            with urlopen(f"http://{environment['ADMIN_LISTEN']}/readyz", timeout=1) as answer:
                services: dict[str, str] = json.load(answer)["services"]
                return services
        except OSError:
            return {}

    return ask


async def add_account(books: Books) -> Account:
    """An account with one position that the books do not know."""
    api_key = uuid4().hex
    books.reader.readings[api_key] = make_reading(make_seen())
    credentials = Credentials(api_key, "s3cret")
    return await books.accounts.add(f"user-{api_key}", Venue.BYBIT, "Main", credentials, trading_enabled=False)


def account_changed(account: Account) -> bytes:
    event = positions_events.AccountChanged(
        event_id=str(uuid4()),
        user_id=account.user_id,
        account_id=account.account_id,
        exchange=types.EXCHANGE_BYBIT,
        verified=True,
        version=1,
    )
    return event.SerializeToString()


async def test_the_process_waits_for_positions_reconciles_hears_of_accounts_and_drains(
    environment: Environment,
    books: Books,
    certificates: dict[str, CertificateFiles],
    positions_bus: Bus,
    gateway_bus: Bus,
) -> None:
    first = await add_account(books)
    runs: dict[str, reconciler_pb2.AccountRun] = {}

    async def hear(received: Received) -> None:
        run = events_pb2.ReconciliationFinished.FromString(received.payload).run
        runs[run.account_id] = run

    follower = gateway_bus.follow([all_users("reconciler", "reconciliation_finished")], hear)
    services = services_of(environment)
    async with running(follower), process(environment) as served:
        await follower.started()
        await until(lambda: services().get("reconciler.v1.ReconcilerService") == "SERVING")
        assert services()["reconciler.v1.Schedule"] == "NOT_SERVING"

        async with positions_at(environment["POSITIONS_TARGET"], books, certificates["positions"]):
            await until(lambda: services().get("reconciler.v1.Schedule") == "SERVING")
            await until(lambda: first.account_id in runs)
            assert (runs[first.account_id].adopted, runs[first.account_id].exchange) == (1, "bybit")

            second = await add_account(books)
            changed = subject("positions", "account_changed", second.user_id)
            await positions_bus.publish(changed, account_changed(second), str(uuid4()))
            await until(lambda: second.account_id in runs)
            assert runs[second.account_id].result == reconciler_pb2.RUN_RESULT_IN_STEP

        served.send_signal(SIGTERM)
        assert await asyncio.wait_for(served.wait(), 20) == 0
