"""The stack with small processes in the places of the services, on a real Postgres and a real NATS."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import jwt
import pytest

from deploy.local.config import StackConfig, read_config
from deploy.local.errors import StackError
from deploy.local.layout import Layout
from deploy.local.leftovers import birth
from deploy.local.lock import holder
from deploy.local.ports import LOOPBACK
from deploy.local.readiness import is_alive, open_client
from deploy.local.stack import Stack
from deploy.local.supervisor import Liveness
from tests.servers import reachable_directory
from tests.unit.deploy.manifests import of_kind, pod

FAKES = "tests.unit.local.fakes"


class Console:
    """What the stack says."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._news = asyncio.Event()

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        self._news.set()

    async def heard(self, text: str) -> str:
        async with asyncio.timeout(60):
            while True:
                self._news.clear()
                for line in self.lines:
                    if text in line:
                        return line
                await self._news.wait()


@pytest.fixture
def config() -> Iterator[StackConfig]:
    with reachable_directory() as directory:
        environment = {"PATH": os.environ["PATH"], "GATEWAY_PORT": "0", "RECONCILE_INTERVAL_SECONDS": "7"}
        chosen = read_config(environment, directory / "stack", throwaway=True)
        yield replace(chosen, services_package=FAKES, sandbox_module=f"{FAKES}.sandbox")


@asynccontextmanager
async def running(config: StackConfig) -> AsyncIterator[Console]:
    console, stopping = Console(), asyncio.Event()
    task = asyncio.create_task(Stack(config, console).run(stopping))
    ready = asyncio.create_task(console.heard("Tandem is ready"))
    try:
        await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield console
    finally:
        ready.cancel()
        stopping.set()
        await asyncio.wait([task])


def described(config: StackConfig) -> Any:
    return json.loads(Layout(config.directory).stack_file.read_text())


async def test_a_stack_from_start_to_stop(config: StackConfig) -> None:
    layout = Layout(config.directory)
    async with running(config) as console:
        stack = described(config)
        pids = stack["processes"]
        assert console.lines[0] == "Initializing hybrid position management services..."
        assert stack["gateway"] == config.gateway_url
        assert sorted(pids) == ["gateway", "monitor", "nats", "positions", "postgres", "reconciler", "sandbox"]
        assert all(birth(pid) for pid in pids.values())
        assert {name: sorted(keys) for name, keys in stack["accounts"].items()} == {
            "binance": ["apiKey", "secret"],
            "bybit": ["apiKey", "secret"],
        }
        secret = (layout.secrets("gateway") / "jwt_secret").read_text()
        claims = jwt.decode(stack["tokens"]["admin"], secret, algorithms=["HS256"], audience="tandem", issuer="tandem")
        assert (claims["sub"], claims["role"]) == ("demo", "admin")
        assert layout.stack_file.stat().st_mode & 0o077 == 0
        connection = await asyncpg.connect(stack["database"])
        schemas = await connection.fetch("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information)'")
        await connection.execute("CREATE TABLE positions.kept AS SELECT 42 AS n")
        await connection.close()
        assert {"positions", "reconciler", "monitor", "gateway"} <= {schema["nspname"] for schema in schemas}
    assert not any(birth(pid) for pid in pids.values())
    assert not layout.stack_file.exists()
    assert holder(layout.lock_file) is None

    async with running(config):
        again = described(config)
        connection = await asyncpg.connect(again["database"])
        assert await connection.fetchval("SELECT n FROM positions.kept") == 42
        await connection.close()
        assert again["accounts"] == stack["accounts"]
        assert again["admin"] == stack["admin"]
    minted = [json.loads(line) for line in (layout.sandbox / "requests").read_text().splitlines()]
    assert minted[:2] == minted[2:]
    keys = [json.loads(line) for line in (layout.root / "secrets" / "keys").read_text().splitlines()]
    assert [(key["exchange"], {"apiKey": key["apiKey"], "secret": key["apiSecret"]}) for key in keys] == list(
        stack["accounts"].items()
    )


async def test_a_service_is_told_what_it_needs_and_no_secret_of_another(config: StackConfig) -> None:
    layout = Layout(config.directory)
    async with running(replace(config, passed_on={**config.passed_on, "LOG_LEVEL": "DEBUG"})):
        told = json.loads((layout.root / "secrets" / "monitor.environment").read_text())
    assert told["EXCHANGE_MODE"] == "sandbox"
    assert told["POSITIONS_TARGET"].startswith("ipv4:127.0.0.1:")
    assert told["NATS_USER"] == "monitor"
    assert (told["RECONCILE_INTERVAL_SECONDS"], told["LOG_LEVEL"]) == ("7", "DEBUG")
    assert told["GRPC_VERBOSITY"] == "ERROR"
    assert not {"RECONCILER_TARGET", "DATABASE_URL", "NATS_PASSWORD", "JWT_SECRET"} & set(told)
    files = {
        service: sorted(path.name for path in layout.secrets(service).iterdir()) for service in ("monitor", "positions")
    }
    assert files == {
        "monitor": ["database_url", "nats_password", "webhook_key"],
        "positions": ["database_url", "encryption_keys", "nats_password"],
    }


async def test_a_killed_service_is_started_again_and_the_file_says_so(config: StackConfig) -> None:
    async with running(config) as console:
        before = described(config)["processes"]
        os.kill(before["monitor"], signal.SIGKILL)
        await console.heard("monitor died (SIGKILL): starting it again")
        await console.heard("monitor is ready again")
        after = described(config)["processes"]
        assert birth(after["monitor"])
        assert {name for name in before if before[name] != after[name]} == {"monitor"}


async def test_a_stopped_service_is_replaced_by_one_that_answers(config: StackConfig) -> None:
    # The others must have time enough to answer, however busy this machine is.
    quick = Liveness(period_seconds=0.1, timeout_seconds=1.0, failures=2, grace_seconds=0.1)
    async with running(replace(config, liveness=quick)) as console:
        before = described(config)["processes"]
        os.kill(before["monitor"], signal.SIGSTOP)
        await console.heard(f"monitor (pid {before['monitor']}) runs but has not answered 2 times: ending it")
        await console.heard("monitor died (hung): starting it again")
        await console.heard("monitor is ready again")
        stack = described(config)
        async with open_client() as client:
            assert await is_alive(client, int(stack["admin"]["monitor"].rpartition(":")[2]))
        assert birth(before["monitor"]) is None
        assert {name for name in before if before[name] != stack["processes"][name]} == {"monitor"}


def test_what_hangs_is_started_again_unless_a_person_wants_it_left() -> None:
    assert read_config({}).liveness == Liveness()
    assert read_config({}, leave_hung=True).liveness is None


@pytest.mark.parametrize("service", ["positions", "reconciler", "monitor", "gateway"])
def test_the_local_probe_is_kubernetes_own(service: str) -> None:
    probe = pod(of_kind("local", "Deployment")[service])["containers"][0]["livenessProbe"]
    told = (probe["periodSeconds"], probe["timeoutSeconds"], probe["failureThreshold"])
    assert told == (Liveness().period_seconds, Liveness().timeout_seconds, Liveness().failures)


async def test_a_taken_gateway_port_is_one_line_that_says_what_to_do(config: StackConfig) -> None:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, config.gateway_port))
        listener.listen()
        with pytest.raises(
            StackError, match=f"port {config.gateway_port} is taken .*make run GATEWAY_PORT="
        ) as refusal:
            async with running(config):
                pass
    assert "\n" not in str(refusal.value)


async def test_one_stack_a_directory(config: StackConfig) -> None:
    async with running(config):
        with pytest.raises(StackError, match=f"already running .pid {os.getpid()}.: `make down` stops it"):
            await Stack(config, print).run(asyncio.Event())
        assert described(config)


async def test_a_service_that_does_not_start_fails_the_start_with_its_last_words(config: StackConfig) -> None:
    with pytest.raises(StackError, match="sandbox did not start: exit code 1") as failure:
        async with running(replace(config, sandbox_module=f"{FAKES}.nowhere")):
            pass
    assert "No module named" in str(failure.value)
    assert holder(Layout(config.directory).lock_file) is None


async def test_stopping_while_it_starts_leaves_nothing(config: StackConfig) -> None:
    console, stopping = Console(), asyncio.Event()
    task = asyncio.create_task(Stack(config, console).run(stopping))
    await console.heard("Initializing")
    stopping.set()
    await task
    assert console.lines[-1].startswith("Tandem has stopped")
    async with running(config):
        assert described(config)


async def test_servers_that_exist_already_are_used(config: StackConfig, postgres_admin_url: str, nats_url: str) -> None:
    given = replace(
        config,
        database_url=postgres_admin_url,
        nats_url=nats_url.replace("//", "//admin:admin@"),
    )
    async with running(given):
        stack = described(given)
        told = json.loads((config.directory / "secrets" / "positions.environment").read_text())
    assert sorted(stack["processes"]) == ["gateway", "monitor", "positions", "reconciler", "sandbox"]
    assert stack["database"] == f"{postgres_admin_url.removesuffix('/postgres')}/tandem"
    assert (told["NATS_URL"], told["NATS_USER"]) == (nats_url, "admin")


async def test_live_means_no_sandbox_and_no_demo_account(config: StackConfig) -> None:
    live = replace(config, live=True)
    async with running(live):
        stack = described(live)
        told = json.loads((config.directory / "secrets" / "positions.environment").read_text())
    assert stack["sandbox"] is None
    assert stack["accounts"] == {}
    assert "sandbox" not in stack["processes"]
    assert told["EXCHANGE_MODE"] == "live"
    assert "EXCHANGE_SANDBOX_URL" not in told


async def test_every_service_runs_as_often_as_asked(config: StackConfig) -> None:
    config = replace(config, replicas=2)
    async with running(config):
        stack = described(config)
        services = ("positions", "reconciler", "monitor", "gateway")
        wanted = {name for service in services for name in (service, f"{service}-2")}
        assert wanted <= set(stack["processes"])
        assert set(stack["admin"]) == wanted
        assert len(set(stack["admin"].values())) == len(wanted)
        assert stack["gateways"][0] == stack["gateway"] != stack["gateways"][1]
        assert len(stack["gateways"]) == 2


@pytest.mark.parametrize("replicas", ["0", "two", "-1", "99"])
def test_a_number_of_replicas_that_is_none_is_refused(replicas: str) -> None:
    with pytest.raises(StackError, match="REPLICAS"):
        read_config({"REPLICAS": replicas})
