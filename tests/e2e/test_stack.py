"""The stack as a person runs it, with the real services: what it prints and writes, what it survives, how it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest

from deploy.local.layout import Layout
from deploy.local.ports import LOOPBACK
from deploy.local.processes import ROOT
from deploy.local.startup import STARTING, STARTUP_LINES
from tests.servers import reachable_directory
from tests.stack import RunningStack, running_stack

COMMAND_TIMEOUT_SECONDS = 200


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A directory for the stacks of this module, which stop processes and so are not the session's."""
    with reachable_directory() as directory:
        yield directory / "stack"


@pytest.fixture(scope="module")
async def own_stack(home: Path) -> AsyncIterator[RunningStack]:
    async with running_stack(home) as running:
        yield running


def command(home: Path, name: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run one of the stack's commands to its end."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.local", name, "--directory", str(home), "--throwaway"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "GATEWAY_PORT": "0", **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_TIMEOUT_SECONDS,
    )


def processes_of(home: Path) -> list[str]:
    """Every process on this machine whose command names this directory."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        told = [*(process.info["cmdline"] or []), *(process.info["environ"] or {}).values()]
        if process.pid != os.getpid() and any(str(home) in word for word in told):
            found.append(" ".join(process.info["cmdline"] or []))
    return found


async def test_the_startup_lines_come_in_order(own_stack: RunningStack) -> None:
    expected = [STARTING, *(line.text for line in STARTUP_LINES)]
    assert [line for line in own_stack.console if line in expected] == expected


async def test_every_process_tells_when_its_certificates_run_out(own_stack: RunningStack) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        told = [(await client.get(f"{admin}/metrics")).text for admin in own_stack.description["admin"].values()]
    for certificate in ("own", "authority"):
        line = re.compile(rf'^tandem_certificate_expiry_timestamp_seconds{{certificate="{certificate}"}} (.+)$', re.M)
        assert all(float(line.findall(text)[0]) > time.time() for text in told)
    assert len(told) == 4


async def test_the_file_for_scripts(own_stack: RunningStack) -> None:
    stack = own_stack.description
    assert {"gateway", "sandbox", "database", "nats", "tokens", "accounts", "processes"} <= set(stack)
    assert set(stack["tokens"]) == {"user", "admin"}
    assert {name: set(keys) for name, keys in stack["accounts"].items()} == {
        "binance": {"apiKey", "secret"},
        "bybit": {"apiKey", "secret"},
    }
    services = {"positions", "reconciler", "monitor", "gateway", "sandbox"}
    assert services <= set(stack["processes"]) <= services | {"postgres", "nats"}
    assert all(psutil.pid_exists(pid) for pid in stack["processes"].values())


async def test_the_gateway_answers_to_the_tokens_of_the_file(own_stack: RunningStack) -> None:
    stack = own_stack.description
    async with httpx.AsyncClient(base_url=stack["gateway"], trust_env=False) as client:
        status = await client.get("/api/status")
        keys = await client.get("/api/user-api-keys", headers={"Authorization": f"Bearer {stack['tokens']['user']}"})
    assert status.json()["status"] == "operational"
    assert sorted(key["exchange"] for key in keys.json()["keys"]) == ["binance", "bybit"]


async def test_the_demo_accounts_hold_positions_on_the_exchange(own_stack: RunningStack) -> None:
    stack = own_stack.description
    async with httpx.AsyncClient(base_url=stack["sandbox"], trust_env=False) as client:
        for exchange, keys in stack["accounts"].items():
            truth = (await client.get(f"/sandbox/accounts/{exchange}/{keys['apiKey']}")).json()
            assert len(truth["positions"]) in (2, 3)


@pytest.mark.parametrize("name", ["positions", "reconciler", "monitor", "gateway", "sandbox", "nats", "postgres"])
async def test_a_killed_process_is_started_again_and_said_so(own_stack: RunningStack, name: str) -> None:
    before = own_stack.description["processes"]
    if name not in before:
        pytest.skip(f"{name} is a container here: the stack does not keep it")
    said = len(own_stack.console)
    os.kill(before[name], signal.SIGKILL)
    await own_stack.heard(f"{name} died (SIGKILL): starting it again", after=said)
    await own_stack.heard(f"{name} is ready again", after=said)
    assert psutil.pid_exists(own_stack.description["processes"][name])


async def test_a_second_stack_in_one_directory_is_refused(own_stack: RunningStack, home: Path) -> None:
    refused = command(home, "run")
    assert refused.returncode == 1
    assert "already running" in refused.stderr
    again = command(home, "up")
    assert again.returncode == 0
    assert f"already running (pid {own_stack.pid}): {own_stack.gateway}" in again.stdout


async def test_stopping_leaves_no_process_and_the_next_start_finds_the_books(
    own_stack: RunningStack, home: Path
) -> None:
    stack = own_stack.description
    connection = await asyncpg.connect(stack["database"])
    accounts = await connection.fetchval("SELECT count(*) FROM positions.accounts")
    await connection.close()
    assert accounts == 2
    assert await own_stack.stop() == 0
    assert own_stack.console[-1].startswith("Tandem has stopped; its data is kept")
    assert not [line for line in own_stack.console if "by force" in line]
    assert processes_of(home) == []
    assert not own_stack.layout.stack_file.exists()

    started = command(home, "up")
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        assert "Tandem is ready" in started.stdout
        described = command(home, "status")
        assert described.returncode == 0
        # Nothing had changed, so nothing was migrated.
        assert '"event": "migrated"' not in own_stack.layout.log("positions").read_text()
        again = own_stack.description
        assert again["accounts"] == stack["accounts"]
        connection = await asyncpg.connect(again["database"])
        assert await connection.fetchval("SELECT count(*) FROM positions.accounts") == accounts
        await connection.close()
    finally:
        stopped = command(home, "down")
    assert stopped.stdout == "Tandem has stopped; its data is kept\n"
    assert processes_of(home) == []
    assert command(home, "down").stdout == "Tandem is not running\n"


async def test_a_stack_that_was_killed_is_followed_by_a_whole_one() -> None:
    with reachable_directory() as directory:
        killed = directory / "stack"
        first = command(killed, "up")
        assert first.returncode == 0, first.stdout + first.stderr
        try:
            layout = Layout(killed)
            os.kill(int(layout.lock_file.read_text()), signal.SIGKILL)
            started = command(killed, "up")
            assert started.returncode == 0, started.stdout + started.stderr
            assert "Tandem is ready" in started.stdout
        finally:
            stopped = command(killed, "down")
        assert "Tandem has stopped" in stopped.stdout
        assert processes_of(killed) == []


def test_a_taken_port_is_one_line_that_says_what_to_do() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener, reachable_directory() as directory:
        port = listener.getsockname()[1]
        refused = command(directory / "stack", "run", {"GATEWAY_PORT": str(port)})
    assert refused.returncode == 1
    assert refused.stderr.startswith(
        f"tandem: port {port} is taken by another program: stop it, or choose another port"
    )
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"GATEWAY_PORT": "many"}, "GATEWAY_PORT is not a port"),
        ({"EXCHANGE_MODE": "maybe"}, "EXCHANGE_MODE is neither sandbox nor live"),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL is not an address"),
        (
            {"DATABASE_URL": "postgresql://a:secret@127.0.0.1:1/x"},
            "server at 127.0.0.1:1 cannot be reached: check DATABASE_URL",
        ),
        ({"NATS_URL": "nats://a:secret@127.0.0.1:1"}, "NATS cannot be used"),
    ],
)
def test_a_wrong_setting_is_one_line_without_its_secret(environment: dict[str, str], expected: str) -> None:
    with reachable_directory() as directory:
        refused = command(directory / "stack", "run", environment)
        assert processes_of(directory) == []
    assert refused.returncode == 1
    assert expected in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert "secret" not in refused.stderr


def test_a_directory_that_cannot_be_used_is_one_line() -> None:
    with reachable_directory() as directory:
        (directory / "file").write_text("")
        refused = command(directory / "file" / "stack", "run")
    assert refused.returncode == 1
    assert refused.stderr.startswith("tandem: ")
    assert "choose another" in refused.stderr
    assert refused.stderr.count("\n") == 1
