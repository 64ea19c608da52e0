"""Settings of accounts that change seldom (leverage, margin mode), kept for some minutes beside their client."""

import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from services.common.exchange.client import VenueClient
from services.common.exchange.errors import VenueError

T = TypeVar("T")

KEPT_SECONDS = 300.0
REFRESH_SECONDS = 20.0


class AccountSettings(Generic[T]):
    """Remembers one thing for each client. A venue's error gives what was known before, or None."""

    def __init__(self, load: Callable[[VenueClient], Awaitable[T]], kept_seconds: float = KEPT_SECONDS) -> None:
        self._load = load
        self._kept_seconds = kept_seconds
        self._known: WeakKeyDictionary[VenueClient, tuple[float, T | None]] = WeakKeyDictionary()

    async def get(self, client: VenueClient, *, enough: Callable[[T], bool] = lambda _: True) -> T | None:
        """What is known, or asked anew where it is old or not `enough` (the latter not more often than each 20 s)."""
        known = self._known.get(client)
        if known is not None:
            age = time.monotonic() - known[0]
            value = known[1]
            fits = value is not None and enough(value)
            if age < (self._kept_seconds if fits else REFRESH_SECONDS):
                return value
        before = known[1] if known is not None else None
        try:
            loaded: T | None = await self._load(client)
        except VenueError:
            loaded = before
        self._known[client] = (time.monotonic(), loaded)
        return loaded
