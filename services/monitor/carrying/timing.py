"""The waits of carrying, each a setting."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.common.clock import Clock
from services.monitor.domain.intent import Backoff


@dataclass(frozen=True, slots=True)
class Timing:
    """`receive_window`: how long after its signature the venue takes an order. `settling`: how long after that an order
    may still come to light. `asking`: between two questions after an order that the venue does not know. `polling`:
    between two questions after one that it does, or about a position that should be gone."""

    receive_window: timedelta = timedelta(seconds=2)
    settling: timedelta = timedelta(seconds=1)
    asking: timedelta = timedelta(seconds=1)
    polling: timedelta = timedelta(milliseconds=250)
    backoff: Backoff = field(default_factory=Backoff)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How a process waits. `pause` waits so many seconds."""

    clock: Clock
    pause: Callable[[float], Awaitable[None]]
    timing: Timing

    async def wait_until(self, moment: datetime) -> None:
        """Return at that moment, or at once where it is past."""
        left = (moment - self.clock.now()).total_seconds()
        if left > 0:
            await self.pause(left)

    async def back_off(self, failures: int) -> None:
        """Wait before the next try, after so many that failed."""
        await self.pause(self.timing.backoff.delay(failures).total_seconds())

    async def poll(self, asked: int) -> None:
        """Wait before the next question after an order that has not ended, after so many."""
        await self.pause((self.timing.polling * min(2 ** min(asked - 1, 8), 40)).total_seconds())
