"""The stack in the background: `up` returns when it is ready, `down` when it is gone; both may be repeated.

Invariant: the lock of the stack's directory says whether it runs, so a process id that was written down is never
mistaken for a stack.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from deploy.local.config import StackConfig
from deploy.local.errors import StackError
from deploy.local.layout import Layout, read_json
from deploy.local.leftovers import birth
from deploy.local.lock import holder
from deploy.local.processes import ROOT

NAME = "stack"
START_TIMEOUT_SECONDS = 240.0
STOP_TIMEOUT_SECONDS = 90.0
POLL_SECONDS = 0.05


def up(config: StackConfig, announce: Callable[[str], None]) -> None:
    """Start the stack in the background and wait until it is ready; its console is repeated here meanwhile.

    Raises StackError where it does not get ready: then nothing is left running.
    """
    layout = Layout(config.directory)
    layout.prepare()
    running = holder(layout.lock_file)
    if running is not None:
        _wait_for(lambda: layout.stack_file.exists() or holder(layout.lock_file) is None, START_TIMEOUT_SECONDS)
        if not layout.stack_file.exists():
            raise StackError("the stack that was being started here did not get ready: try again")
        announce(f"Tandem is already running (pid {running}): {read_json(layout.stack_file)['gateway']}")
        return
    layout.stack_file.unlink(missing_ok=True)  # of a stack that was killed
    console = layout.rotate_log(NAME)
    command = [sys.executable, "-m", "deploy.local", "run", "--directory", str(config.directory)]
    command += ["--throwaway"] if config.throwaway else []
    command += ["--leave-hung"] if config.liveness is None else []
    with console.open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**os.environ, "GATEWAY_PORT": str(config.gateway_port)},
            start_new_session=True,
        )
    try:
        _follow(process, layout, console, announce)
    except BaseException:
        process.terminate()
        process.wait()
        raise


def down(config: StackConfig, announce: Callable[[str], None]) -> None:
    """Stop the stack and wait until it is gone. Raises StackError where it does not stop."""
    layout = Layout(config.directory)
    running = holder(layout.lock_file)
    if running is None:
        announce("Tandem is not running")
        return
    born = birth(running)
    os.kill(running, signal.SIGTERM)
    if not _wait_for(lambda: birth(running) != born, STOP_TIMEOUT_SECONDS):
        raise StackError(f"Tandem (pid {running}) did not stop in {STOP_TIMEOUT_SECONDS:.0f} s: see {layout.log(NAME)}")
    announce("Tandem has stopped; its data is kept")


def status(config: StackConfig, announce: Callable[[str], None]) -> bool:
    """Say what runs; returns whether the stack is ready."""
    layout = Layout(config.directory)
    running = holder(layout.lock_file)
    if running is None:
        announce("Tandem is not running")
        return False
    described = read_json(layout.stack_file)
    if described is None:
        announce(f"Tandem is starting or stopping (pid {running})")
        return False
    announce(f"Tandem is running (pid {running}): {described['gateway']}")
    for name, pid in described["processes"].items():
        announce(f"  {name:<14} pid {pid:<8} {layout.log(name)}")
    return True


def _follow(process: subprocess.Popen[bytes], layout: Layout, console: Path, announce: Callable[[str], None]) -> None:
    """Repeat the console of the stack until it is ready."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    with console.open(errors="replace") as log:
        while True:
            # Asked before the log is read, so that the last lines are not missed.
            ended, ready = process.poll() is not None, layout.stack_file.exists()
            for line in log.readlines():
                announce(line.rstrip("\n"))
            if ended:
                raise StackError(f"Tandem did not start; what it said is also in {console}")
            if ready:
                return
            if time.monotonic() > deadline:
                raise StackError(f"Tandem was not ready in {START_TIMEOUT_SECONDS:.0f} s: see {console}")
            time.sleep(POLL_SECONDS)


def _wait_for(condition: Callable[[], bool], timeout_seconds: float) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
