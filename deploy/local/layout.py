"""Where the stack keeps what it keeps: every path below its one directory, and how files there are written.

Invariants: a file is replaced in one step; a file that holds a secret can be read by its owner only.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.errors import StackError


@dataclass(frozen=True, slots=True)
class Layout:
    """The stack's directory."""

    root: Path

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def nats(self) -> Path:
        return self.root / "nats"

    @property
    def sandbox(self) -> Path:
        return self.root / "sandbox"

    @property
    def certificates(self) -> Path:
        return self.root / "certificates"

    @property
    def stack_file(self) -> Path:
        """stack.json: there while the stack is ready, for scripts."""
        return self.root / "stack.json"

    @property
    def lock_file(self) -> Path:
        """Locked by the stack that runs; holds its process id."""
        return self.root / "stack.lock"

    @property
    def secrets_file(self) -> Path:
        return self.root / "secrets.json"

    @property
    def ports_file(self) -> Path:
        return self.root / "ports.json"

    @property
    def demo_file(self) -> Path:
        return self.root / "demo.json"

    @property
    def migrations_file(self) -> Path:
        """What was migrated last, and to which revision."""
        return self.root / "migrations.json"

    @property
    def children_file(self) -> Path:
        """The processes of the stack that runs or ran last, so that the next one can end what was left behind."""
        return self.root / "children.json"

    def secrets(self, service: str) -> Path:
        """The directory of a service's secret files."""
        return self.root / "secrets" / service

    def log(self, name: str) -> Path:
        return self.root / "logs" / f"{name}.log"

    def prepare(self) -> None:
        """Make the directory. Raises StackError where that cannot be done."""
        try:
            (self.root / "logs").mkdir(parents=True, exist_ok=True)
            write_private(self.root / ".writable", "")
            (self.root / ".writable").unlink()
        except OSError as error:
            raise StackError(
                f"{self.root} cannot be used ({error.strerror}): choose another with --directory"
            ) from error

    def rotate_log(self, name: str) -> Path:
        """Put the log of the start before aside, and return where the new one goes."""
        log = self.log(name)
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        return log


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner can read it."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)


def write_json(path: Path, content: Any) -> None:
    """Replace a file with this content as JSON."""
    write_private(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file, None where there is no such file. Raises StackError where it is not JSON."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StackError(f"{path} cannot be read ({error}): put it right or remove it") from error
