"""One question for all who ask the same at the same time.

Invariants: nobody is given the answer to a question that was put before they asked, so whoever has written something
reads it; for each of them at most one question is under way and one waits its turn; a question that somebody gave up on
goes on for the others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
Key = TypeVar("Key", bound=Hashable)


@dataclass(slots=True)
class _Line(Generic[T]):
    """What is being asked now, and what will be asked next for those who came meanwhile."""

    asked: "asyncio.Task[T]"
    following: "asyncio.Task[T] | None" = None


class Sharing(Generic[Key, T]):
    """Asks `ask(key)` for whoever calls `get(key)`."""

    def __init__(self, ask: Callable[[Key], Awaitable[T]]) -> None:
        self._ask = ask
        self._lines: dict[Key, _Line[T]] = {}

    async def get(self, key: Key) -> T:
        """The answer to a question that is put now or later. Raises what `ask` raises."""
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line(self._start(self._run(key)))
            return await asyncio.shield(line.asked)
        if line.following is None:
            line.following = self._start(self._follow(key, line.asked))
        return await asyncio.shield(line.following)

    @property
    def size(self) -> int:
        """How many different questions are under way."""
        return len(self._lines)

    async def _follow(self, key: Key, before: "asyncio.Task[T]") -> T:
        await asyncio.wait([before])
        # From here on whoever comes has to be given the question after this one.
        line = self._lines[key]
        assert line.following is not None  # noqa: S101 - it is this very task
        line.asked, line.following = line.following, None
        return await self._run(key)

    async def _run(self, key: Key) -> T:
        try:
            return await self._ask(key)
        finally:
            if self._lines[key].following is None:
                del self._lines[key]

    def _start(self, question: Awaitable[T]) -> "asyncio.Task[T]":
        task = asyncio.ensure_future(_await(question))
        # Where all who asked have given up, nobody fetches what went wrong.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task


async def _await(question: Awaitable[T]) -> T:
    return await question
