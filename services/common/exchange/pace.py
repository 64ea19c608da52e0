"""So many at once, and then one each so often."""

import asyncio
import time


class Pace:
    """Whoever has taken `burst` waits for the next: `per_second` come back, up to the burst again."""

    def __init__(self, burst: int, per_second: float) -> None:
        self._burst = float(burst)
        self._per_second = per_second
        self._left = float(burst)
        self._at = time.monotonic()

    async def take(self) -> None:
        """Wait until there is one more, in the order of calls."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second) - 1
        self._at = now
        if self._left < 0:
            await asyncio.sleep(-self._left / self._per_second)
