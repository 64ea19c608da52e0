"""How far the advisor may go for each user: known here, and asked for again every few seconds."""

import asyncio
from datetime import datetime
from typing import Protocol

import structlog

from services.common.clock import Clock
from services.common.errors import DomainError
from services.monitor.domain.evaluation.advice import Mode

_log = structlog.get_logger(__name__)

_EVERY_SECONDS = 5.0


class ModesKept(Protocol):
    """Where modes are kept. All raise DomainError."""

    async def modes(self) -> dict[str, Mode]: ...

    async def set_mode(self, user_id: str, mode: Mode, now: datetime) -> None: ...


class Modes:
    """`of` answers without waiting; what another replica was told is known here within seconds."""

    def __init__(self, kept: ModesKept, clock: Clock, default: Mode) -> None:
        self.loaded = False
        self._kept = kept
        self._clock = clock
        self._default = default
        self._known: dict[str, Mode] = {}
        self._set_here = 0

    def of(self, user_id: str) -> Mode:
        """A user's mode."""
        return self._known.get(user_id, self._default)

    async def set(self, user_id: str, mode: Mode) -> None:
        """From now on. Raises DatabaseUnavailable."""
        await self._kept.set_mode(user_id, mode, self._clock.now())
        self._known[user_id] = mode
        self._set_here += 1

    async def load(self) -> None:
        """Ask anew. Raises DatabaseUnavailable."""
        before = -1
        while before != self._set_here:
            # What was asked for before a mode was set here may be what it was before that.
            before = self._set_here
            known = await self._kept.modes()
        self._known = known
        self.loaded = True

    async def run(self) -> None:
        """Ask again and again, until cancelled."""
        while True:
            try:
                await self.load()
            except DomainError as error:
                _log.info("modes not read", reason=error.reason)
            await asyncio.sleep(_EVERY_SECONDS)
