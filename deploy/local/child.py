"""One process that the stack started.

Invariants: a child leads a session and process group of its own, so a Ctrl-C in the terminal reaches the stack alone
and the stack decides in which order its children stop; only groups that a Child leads are ever signalled; on Linux a
child is told to stop when its parent is killed.
"""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.errors import StackError


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start one process. `user` and `group` are numeric ids, for a parent that is root."""

    name: str
    command: tuple[str, ...]
    log_file: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    directory: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    user: int | None = None
    group: int | None = None


class Child:
    """A started process: wait for it, or stop it."""

    def __init__(self, launch: Launch, process: asyncio.subprocess.Process) -> None:
        self.launch = launch
        self._process = process

    @classmethod
    async def start(cls, launch: Launch) -> "Child":
        """Start the process; what it prints is appended to its log file. Raises StackError if it cannot be started."""
        if shutil.which(launch.command[0]) is None:
            raise StackError(f"{launch.name} cannot be started: {launch.command[0]} is not there or cannot be run")
        launch.log_file.parent.mkdir(parents=True, exist_ok=True)
        with launch.log_file.open("ab") as log:
            try:
                process = await asyncio.create_subprocess_exec(
                    *_with_parent(launch.stop_signal),
                    *launch.command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=asyncio.subprocess.STDOUT,
                    cwd=launch.directory,
                    env=dict(launch.environment),
                    start_new_session=True,
                    user=launch.user,
                    group=launch.group,
                    extra_groups=None if launch.user is None else [],
                )
            except OSError as error:
                raise StackError(f"{launch.name} cannot be started: {error.strerror}: {launch.command[0]}") from error
        return cls(launch, process)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    async def wait(self) -> int:
        """Wait until the process has ended; what it left in its group is ended too. Returns its exit code."""
        code = await self._process.wait()
        self._kill_group()
        return code

    async def stop(self, grace_seconds: float) -> bool:
        """Ask the process to stop, and end it by force after the grace. Returns whether it stopped by itself."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(self.launch.stop_signal)
        try:
            await asyncio.wait_for(self.wait(), grace_seconds)
        except TimeoutError:
            self._kill_group()
            await self._process.wait()
            return False
        return True

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


def _with_parent(stop_signal: signal.Signals) -> tuple[str, ...]:
    """What to put before a command so that its process ends with the parent, where the system can do that."""
    setpriv = shutil.which("setpriv")
    return () if setpriv is None else (setpriv, "--pdeathsig", stop_signal.name, "--")


def describe_exit(code: int) -> str:
    """Say how a process ended: by which signal, or with which exit code."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def tail(log_file: Path, lines: int = 15) -> str:
    """Return the last lines of a log, or an empty string where there is none."""
    try:
        text = log_file.read_text(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
