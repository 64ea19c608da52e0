"""Waiting for a condition inside one process."""

import asyncio
from collections.abc import Callable

DEADLINE_SECONDS = 10.0


async def until(holds: Callable[[], object], pause_seconds: float = 0.0) -> None:
    """Let everything else run until it holds. Raises TimeoutError at the deadline."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            if holds():
                return
            await asyncio.sleep(pause_seconds)
