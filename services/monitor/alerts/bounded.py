"""Asks about many things, a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def for_each(items: Iterable[T], work: Callable[[T], Awaitable[object]], at_once: int) -> None:
    """Do it for each; raises what the first that fails raises, and lets the others end first."""
    room = asyncio.Semaphore(at_once)

    async def do(item: T) -> None:
        async with room:
            await work(item)

    done = await asyncio.gather(*(do(item) for item in items), return_exceptions=True)
    for result in done:
        if isinstance(result, BaseException):
            raise result
