"""The whole stack as a person starts it, for end-to-end tests: one a session, throwaway, on ports of its own."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import httpx

from deploy.local.layout import Layout
from deploy.local.processes import ROOT
from deploy.local.token import Role, mint_token
from tests.servers import throwaway_nats, throwaway_postgres, uses_containers

START_TIMEOUT_SECONDS = 150.0
STOP_TIMEOUT_SECONDS = 60.0
# Told to every process of the stack; what a developer's shell holds does not reach it.
ENVIRONMENT_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")


class RunningStack:
    """A stack that runs as a process of its own, and everything that its console has shown."""

    def __init__(self, directory: Path, process: asyncio.subprocess.Process) -> None:
        self.layout = Layout(directory)
        self.console: list[str] = []
        self.told: set[str] = set()
        """Secrets that tests told it, or were given by it: none may be in a log."""
        self._process = process
        self._news = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, directory: Path, environment: Mapping[str, str]) -> Self:
        """Start a stack in this directory. It ends with this process, however that ends."""
        kept = {name: os.environ[name] for name in ENVIRONMENT_KEPT if name in os.environ}
        # What hangs is left alone: some tests stop a process on purpose, and a machine that is busy is slow to answer.
        options = ("--directory", str(directory), "--throwaway", "--leave-hung", "--with-parent")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "deploy.local", "run", *options),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=ROOT,
            env={**kept, "GATEWAY_PORT": "0", **environment},
        )
        return cls(directory, process)

    @property
    def description(self) -> Any:
        """What stack.json says now."""
        return json.loads(self.layout.stack_file.read_text())

    @property
    def pid(self) -> int:
        """The process id of the stack itself."""
        return self._process.pid

    @property
    def gateway(self) -> str:
        """Where the REST door is."""
        return str(self.description["gateway"])

    @property
    def sandbox(self) -> str:
        """Where the sandbox's control routes are."""
        return str(self.description["sandbox"])

    def token(self, user_id: str, role: Role = "user") -> str:
        """A token for any user of this stack."""
        secret = (self.layout.secrets("gateway") / "jwt_secret").read_text()
        token = mint_token(secret, user_id, role, datetime.now(UTC))
        self.told.add(token)
        return token

    async def heard(self, text: str, *, after: int = 0, timeout_seconds: float = START_TIMEOUT_SECONDS) -> str:
        """Wait for a console line with this text, among those after the first `after`; returns it.

        Raises AssertionError, with the console, where it does not come or the stack ends before.
        """

        def found() -> list[str]:
            return [line for line in self.console[after:] if text in line]

        try:
            async with asyncio.timeout(timeout_seconds), self._news:
                await self._news.wait_for(lambda: found() or self._reader.done())
        except TimeoutError:
            pass
        if not found():
            raise AssertionError(f"the stack did not say {text!r}:\n" + "\n".join(self.console))
        return found()[0]

    async def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Stop it as Ctrl-C does; returns its exit code."""
        if self._process.returncode is None:
            self._process.send_signal(number)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_SECONDS):
                await self._reader
                return await self._process.wait()
        except TimeoutError:
            self._process.kill()
            raise AssertionError("the stack did not stop:\n" + "\n".join(self.console)) from None

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            async with self._news:
                self.console.append(line.decode().rstrip("\n"))
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()


@asynccontextmanager
async def running_stack(directory: Path, environment: Mapping[str, str] | None = None) -> AsyncIterator[RunningStack]:
    """A stack that is ready, for as long as the block lasts. With TEST_STACK=containers its servers are containers."""
    async with AsyncExitStack() as servers:
        given = dict(environment or {})
        if uses_containers():
            given["DATABASE_URL"] = await servers.enter_async_context(throwaway_postgres(directory.parent))
            given["NATS_URL"] = (await servers.enter_async_context(throwaway_nats(directory.parent))).admin_url
        stack = await RunningStack.start(directory, given)
        try:
            await stack.heard("Tandem is ready")
            yield stack
        finally:
            await stack.stop()


NO_LIMITS = {"BINANCE_WEIGHT_PER_MINUTE": "100000", "BYBIT_REQUESTS_PER_SECOND": "10000"}
"""For a stack that many tests share: they have one address between them. See `lift_limits`."""


async def lift_limits(sandbox: str) -> None:
    """Let one address ask the sandbox's venues as often as it likes."""
    async with httpx.AsyncClient(base_url=sandbox, trust_env=False) as client:
        for exchange in ("binance", "bybit"):
            answer = await client.post("/sandbox/limits", json={"exchange": exchange, "limit": 1_000_000})
            assert answer.status_code == 200, answer.text
