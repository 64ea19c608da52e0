"""Where the venues would liquidate positions: asked for by user, now and then, since it hardly moves by itself.

Invariants: what could not be asked for is not known, rather than far away. Of users without a managed position it is
not asked for: their accounts would have to be read at the venue for that alone.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

import structlog

from services.common.clock import Clock
from services.common.errors import DomainError

_log = structlog.get_logger(__name__)

_AT_ONCE = 4
_LOOK_SECONDS = 1.0
_RETRY = timedelta(seconds=15)
KEPT_FOR = 4
"""A price counts for so many intervals."""


class Asked(Protocol):
    """Who knows."""

    async def liquidations(self, user_id: str) -> Mapping[str, Decimal]:
        """By position id, quote currency. Raises DomainError."""
        ...


@dataclass(slots=True)
class _Kept:
    due: datetime
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    read_at: datetime | None = None


class Liquidations:
    """`run` it; `price` then answers without waiting. `users` are those with positions to be looked at."""

    def __init__(
        self, asked: Asked, users: Callable[[], Collection[str]], clock: Clock, *, interval_seconds: float
    ) -> None:
        self._asked = asked
        self._users = users
        self._clock = clock
        self._interval = timedelta(seconds=interval_seconds)
        self._kept: dict[str, _Kept] = {}

    def price(self, user_id: str, position_id: str) -> Decimal | None:
        """The liquidation price of a position, quote currency; None where it is not known."""
        kept = self._kept.get(user_id)
        if kept is None or kept.read_at is None or self._clock.now() - kept.read_at > self._interval * KEPT_FOR:
            return None
        return kept.prices.get(position_id)

    def stale(self, user_id: str) -> None:
        """Something of a user's positions has changed: ask soon."""
        kept = self._kept.get(user_id)
        if kept is not None:
            kept.due = min(kept.due, self._clock.now() + timedelta(seconds=_LOOK_SECONDS))

    async def run(self) -> None:
        """Ask for what is due, until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(_LOOK_SECONDS)

    async def refresh(self) -> None:
        """Ask once for every user that is due."""
        now, users = self._clock.now(), set(self._users())
        for gone in self._kept.keys() - users:
            del self._kept[gone]
        for user_id in users:
            self._kept.setdefault(user_id, _Kept(now))
        some = asyncio.Semaphore(_AT_ONCE)
        due = [(user_id, kept) for user_id, kept in self._kept.items() if now >= kept.due]
        await asyncio.gather(*(self._ask(user_id, kept, some) for user_id, kept in due))

    async def _ask(self, user_id: str, kept: _Kept, some: asyncio.Semaphore) -> None:
        async with some:
            now = self._clock.now()
            try:
                kept.prices = await self._asked.liquidations(user_id)
            except DomainError as error:
                _log.info("liquidation prices not read", user_id=user_id, reason=error.reason)
                kept.due = now + min(_RETRY, self._interval)
            else:
                kept.read_at = now
                kept.due = now + self._interval
