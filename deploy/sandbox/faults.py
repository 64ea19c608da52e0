"""Faults that can be switched on at run time, by venue, endpoint and key.

Invariant: without a fault in force nothing here changes an answer. A fault with `times` ends after that
many uses. Faults live in memory: a restart is a sandbox without faults.
"""

import copy
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from itertools import count
from typing import Literal

import msgspec

from .core.book import Book
from .core.records import Position

RestKind = Literal[
    "delay", "timeout", "drop", "late", "status", "html", "truncated", "empty",
    "empty_positions", "missing_positions", "stale_positions", "partial_fill",
]  # fmt: skip
StreamKind = Literal["stream_silence", "stream_drop", "stream_duplicate", "stream_close"]
OtherKind = Literal["clock_skew", "listen_key_expired", "stream_deaf"]
POSITION_PATHS = ("/fapi/v3/positionRisk", "/fapi/v2/positionRisk", "/v5/position/list")
POSITION_KINDS = ("empty_positions", "missing_positions", "stale_positions")


class Fault(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """One fault. Absent `exchange`, `endpoint`, `api_key` mean any; an endpoint is "PATH" or "METHOD PATH",
    with `*` for any run of characters; on streams it is the stream's or topic's name."""

    kind: RestKind | StreamKind | OtherKind
    exchange: Literal["binance", "bybit"] | None = None
    endpoint: str | None = None
    api_key: str | None = None
    times: int | None = None
    # delay, timeout, drop, status: before the venue saw the request, or after it took effect.
    when: Literal["before", "after"] = "before"
    # delay, late: how long; timeout: how long the connection stays open without an answer.
    seconds: float = 1.0
    status: int = 503
    code: int | None = None
    message: str = "Unknown error, please check your request or try again later."
    retry_after: int | None = None
    symbols: list[str] | None = None
    count: int = 1
    fraction: str = "0.5"
    milliseconds: int = 0
    id: int = 0

    def hits(self, method: str, path: str) -> bool:
        if self.endpoint is None:
            return self.kind not in POSITION_KINDS or path in POSITION_PATHS
        pattern = self.endpoint if " " in self.endpoint else f"* {self.endpoint}"
        return fnmatchcase(f"{method} {path}", pattern)


class Faults:
    """The faults in force, oldest first."""

    def __init__(self) -> None:
        self.active: dict[int, Fault] = {}
        self._numbers = count(1)
        self._frozen: dict[int, dict[str, list[Position]]] = {}

    def add(self, fault: Fault, books: Mapping[str, Book]) -> Fault:
        """Switch a fault on. `books` (by account id) are what stale positions are frozen from."""
        fault.id = next(self._numbers)
        self.active[fault.id] = fault
        if fault.kind == "stale_positions":
            self._frozen[fault.id] = {
                identity: [copy.copy(position) for position in book.held()] for identity, book in books.items()
            }
        return fault

    def remove(self, number: int | None = None) -> int:
        """Switch one off, or all; how many it was."""
        numbers = [number] if number is not None else list(self.active)
        removed = [self.active.pop(one) for one in numbers if one in self.active]
        for fault in removed:
            self._frozen.pop(fault.id, None)
        return len(removed)

    def of_request(self, exchange: str, method: str, path: str, api_key: str) -> list[Fault]:
        """The REST faults that hit a request; each counts as used."""
        hit = [
            fault
            for fault in self.active.values()
            if self._concerns(fault, exchange, api_key) and fault.hits(method, path)
            if not fault.kind.startswith("stream_") and fault.kind not in ("clock_skew", "listen_key_expired")
        ]
        for fault in hit:
            self._use(fault)
        return hit

    def of_message(self, exchange: str, topic: str, api_keys: set[str]) -> Fault | None:
        """The stream fault that hits a message, if any."""
        for fault in self.active.values():
            if fault.kind.startswith("stream_") and fault.exchange in (None, exchange):
                if fault.api_key is not None and fault.api_key not in api_keys:
                    continue
                if fault.endpoint is None or fnmatchcase(topic, fault.endpoint):
                    self._use(fault)
                    return fault
        return None

    def view(self, faults: list[Fault]) -> Callable[[Book], list[Position]]:
        """The positions that an answer under these faults shows."""

        def show(book: Book) -> list[Position]:
            rows = book.held()
            for fault in faults:
                if fault.kind == "empty_positions":
                    rows = []
                elif fault.kind == "stale_positions":
                    rows = self._frozen.get(fault.id, {}).get(book.account.id, [])
                elif fault.kind == "missing_positions":
                    hidden = fault.symbols or [position.symbol for position in rows][: fault.count]
                    rows = [position for position in rows if position.symbol not in hidden]
            return rows

        return show

    def _concerns(self, fault: Fault, exchange: str, api_key: str) -> bool:
        return fault.exchange in (None, exchange) and fault.api_key in (None, api_key)

    def _use(self, fault: Fault) -> None:
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self.active.pop(fault.id, None)
