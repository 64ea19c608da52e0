"""The pauses as this process knows them, half a second old at most.

Invariants: until they have been read once nothing is opened and nothing closed; a process that cannot read them keeps
to what it read last (without Postgres it could write no intent either); a pause that was set here is not undone by what
had been read before.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

import structlog

from services.common.clock import Clock
from services.common.errors import Unavailable
from services.monitor.domain.pause import (
    EVERYBODY,
    ClosingPaused,
    OpeningPaused,
    Pause,
    Pauses,
    PausesUnknown,
    check_pause,
)
from services.monitor.domain.position import Position

_log = structlog.get_logger(__name__)

_READ_SECONDS = 0.5


class PauseStore(Protocol):
    """Where pauses are kept."""

    async def read(self) -> Pauses: ...

    async def write(self, pause: Pause, now: datetime) -> None: ...


class PauseSwitch:
    """Spawn `run`; `check` and `check_closing` stand in the way of what is paused."""

    def __init__(
        self, store: PauseStore, clock: Clock, notify: Callable[[], None], *, read_seconds: float = _READ_SECONDS
    ) -> None:
        self._read_seconds = read_seconds
        self._store = store
        self._clock = clock
        self._notify = notify
        self._known: Pauses | None = None
        self._set_here = 0

    async def run(self) -> None:
        """Read them again and again, until cancelled."""
        while True:
            set_before = self._set_here
            try:
                read = await self._store.read()
            except Unavailable as error:
                _log.info("pauses not read", reason=error.reason)
            else:
                if self._set_here == set_before:
                    self._known = read
            await asyncio.sleep(self._read_seconds)

    async def check(self, user_id: str) -> None:
        """Raises OpeningPaused where nothing may be opened for this user now, PausesUnknown."""
        if (pause := self._pauses().opening(user_id)) is not None:
            raise OpeningPaused(why=pause.why)

    def check_closing(self, user_id: str) -> None:
        """Raises ClosingPaused where nothing of this user's may be closed now, PausesUnknown."""
        if (pause := self._pauses().closing(user_id)) is not None:
            raise ClosingPaused(why=pause.why)

    def trouble(self, position: Position) -> str:
        """Why the levels of a position would not close it; empty where they would."""
        if self._known is None:
            return "PAUSES_UNKNOWN"
        pause = self._known.closing(position.user_id)
        return "" if pause is None else f"CLOSING_PAUSED: {pause.why}"

    async def get(self, user_id: str) -> tuple[Pause, Pause]:
        """A user's own pause, and everybody's, as they are kept."""
        pauses = await self._store.read()
        return pauses.of(user_id), pauses.of(EVERYBODY)

    async def set(self, wanted: Pause, confirmation: str) -> Pause:
        """Set a pause, in effect here at once and elsewhere within half a second.

        Raises PauseNotConfirmed, PauseByOperator, FieldInvalid, DatabaseUnavailable.
        """
        check_pause(wanted, confirmation)
        now = self._clock.now()
        await self._store.write(wanted, now)
        self._notify()
        pause = replace(wanted, set_at=now)
        if self._known is None:  # this one is not all that is paused
            read = await self._store.read()
            self._known = self._known or read
        self._known = self._known.with_one(pause)
        self._set_here += 1
        _log.warning(
            "pause set", user_id=pause.user_id, opening=pause.opening, closing=pause.closing, set_by=pause.set_by
        )
        return pause

    def _pauses(self) -> Pauses:
        if self._known is None:
            raise PausesUnknown
        return self._known
