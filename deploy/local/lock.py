"""One stack per directory, held by a file lock that ends with its process however that ends."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.errors import StackError

ATTEMPTS = 5
PAUSE_SECONDS = 0.02


@contextmanager
def hold(lock_file: Path) -> Iterator[None]:
    """Hold the directory for as long as the block lasts. Raises StackError where another stack holds it."""
    descriptor = os.open(lock_file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _take(descriptor):
            raise StackError(f"Tandem is already running (pid {_read(descriptor)}): `make down` stops it")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def holder(lock_file: Path) -> int | None:
    """Return the process id of the stack that holds the directory, None where no stack runs there."""
    try:
        descriptor = os.open(lock_file, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    for _ in range(ATTEMPTS):  # whoever asks for the holder has the lock for a moment
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(PAUSE_SECONDS)
        else:
            return True
    return False


def _read(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).decode()
    return int(text) if text.isdecimal() else None
