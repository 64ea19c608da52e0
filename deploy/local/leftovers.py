"""Processes that an earlier stack left behind because it was killed.

Invariant: a process is ended only if it is the one that was written down: same id and same time of birth.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from deploy.local.layout import Layout, read_json, write_json

GRACE_SECONDS = 10.0
POLL_SECONDS = 0.05
BIRTH_FIELD = 19  # of /proc/<pid>/stat, counted from after the command's closing bracket


def record_children(layout: Layout, pids: Mapping[str, int]) -> None:
    """Write down the processes of this stack."""
    write_json(layout.children_file, {name: {"pid": pid, "born": birth(pid)} for name, pid in pids.items()})


async def end_leftovers(layout: Layout) -> list[str]:
    """End what the stack before left running; returns the names of what was ended."""
    recorded = read_json(layout.children_file) or {}
    found = {
        name: child["pid"] for name, child in recorded.items() if child["born"] and birth(child["pid"]) == child["born"]
    }
    for name, pid in found.items():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT if name == "postgres" else signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE_SECONDS):
            # Nothing tells of the end of a process that is not a child: it has to be asked for.
            while any(birth(pid) == recorded[name]["born"] for name, pid in found.items()):  # noqa: ASYNC110
                await asyncio.sleep(POLL_SECONDS)
    for name, pid in found.items():
        if birth(pid) == recorded[name]["born"]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
    layout.children_file.unlink(missing_ok=True)
    return sorted(found)


def birth(pid: int) -> str | None:
    """Return when a process began, in whatever unit the system tells; None where it is not there or has ended."""
    stat_file = Path("/proc", str(pid), "stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat_file.read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else fields[BIRTH_FIELD]
    ps = ["/bin/ps", "-o", "lstart=", "-p", str(pid)]
    listed = subprocess.run(ps, capture_output=True, text=True, check=False)
    return listed.stdout.strip() or None
