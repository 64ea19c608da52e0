"""Whom somebody looks at through this gateway: told to the other services again and again while it is so.

Invariants: a user is told of within a second of the first look, then at every interval; who has a socket is looked at,
and who asked for what is open now counts as looked at for a while after.
"""

import asyncio
from collections.abc import Awaitable, Callable

Tell = Callable[[str], Awaitable[object]]

_LOOK_SECONDS = 1.0


class UserWatch:
    """Tells of each user who is looked at. `connected` gives those with an open socket."""

    def __init__(
        self,
        connected: Callable[[], frozenset[str]],
        tell: Tell,
        *,
        interval_seconds: float = 10.0,
        kept_seconds: float = 30.0,
    ) -> None:
        self._connected = connected
        self._tell = tell
        self._interval_seconds = interval_seconds
        self._kept_seconds = kept_seconds
        self._looked: dict[str, float] = {}
        self._told: dict[str, float] = {}
        self._news = asyncio.Event()

    def looked(self, user_id: str) -> None:
        """Somebody asked for what this user has open now."""
        if user_id not in self._looked:
            self._news.set()
        self._looked[user_id] = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            self._news.clear()
            await self._tell_due(asyncio.get_running_loop().time())
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _tell_due(self, now: float) -> None:
        self._looked = {user: at for user, at in self._looked.items() if now - at < self._kept_seconds}
        watched = self._connected() | self._looked.keys()
        self._told = {user: at for user, at in self._told.items() if user in watched}
        for user_id in watched:
            if now - self._told.get(user_id, float("-inf")) >= self._interval_seconds:
                self._told[user_id] = now
                await self._tell(user_id)
