"""The sandbox's memory: one SQLite file, written before any answer leaves.

Invariants: what was answered is in the file, also after kill -9 (commits reach the operating system;
a power cut may lose the last ones, which a sandbox can bear). One process owns a file at a time.
"""

import fcntl
import sqlite3
from pathlib import Path
from typing import TypeVar

import msgspec

Record = TypeVar("Record")


class StateInUse(Exception):
    """Another process owns the state directory."""


class State:
    """Records by (kind, id), each a JSON document; changes are collected and committed together."""

    def __init__(self, directory: Path) -> None:
        """Raises StateInUse where another sandbox has the directory, OSError where it cannot be used."""
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = (directory / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise StateInUse(f"{directory} is used by another sandbox: stop it or give another --data") from error
        self._database = sqlite3.connect(directory / "sandbox.sqlite", isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS record (kind TEXT, id TEXT, body BLOB NOT NULL, PRIMARY KEY (kind, id)) "
            "WITHOUT ROWID"
        )
        self._pending: dict[tuple[str, str], object] = {}
        self._encoder = msgspec.json.Encoder()

    def put(self, kind: str, identity: str, record: object) -> None:
        """Remember the record at the next commit, as it is then."""
        self._pending[kind, identity] = record

    def commit(self) -> None:
        if not self._pending:
            return
        rows = [(kind, identity, self._encoder.encode(record)) for (kind, identity), record in self._pending.items()]
        self._database.execute("BEGIN")
        self._database.executemany("INSERT OR REPLACE INTO record VALUES (?, ?, ?)", rows)
        self._database.execute("COMMIT")
        self._pending.clear()

    def load(self, kind: str, record_type: type[Record]) -> list[Record]:
        """All records of a kind, by id."""
        decoder = msgspec.json.Decoder(record_type)
        rows = self._database.execute("SELECT body FROM record WHERE kind = ? ORDER BY id", (kind,))
        return [decoder.decode(body) for (body,) in rows]

    def close(self) -> None:
        self.commit()
        self._database.close()
        self._lock.close()
