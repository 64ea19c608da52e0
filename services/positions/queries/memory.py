"""Answers that are given again for a moment, so that a crowd of lookers costs one look.

Invariants: an answer is never given again after `forget` was told of its user, nor where it is not current any more;
those who ask at the same time share one question; a question that failed is kept for nobody.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    task: asyncio.Task[T]
    asked: float


class Memory(Generic[T]):
    """Keeps at most `limit` answers, each for `max_age_seconds`; with 0, every question is put anew."""

    def __init__(
        self, max_age_seconds: float, limit: int = 4096, on_answer: Callable[[bool], None] = lambda _: None
    ) -> None:
        """`on_answer` is told of each answer whether it was one that is given again."""
        self._on_answer = on_answer
        self._max_age_seconds = max_age_seconds
        self._limit = limit
        self._kept: OrderedDict[tuple[str, Hashable], _Kept[T]] = OrderedDict()
        self._keys: dict[str, set[Hashable]] = {}

    def forget(self, user_id: str) -> None:
        """Something about this user has changed."""
        for key in self._keys.pop(user_id, ()):
            self._kept.pop((user_id, key), None)

    def forget_all(self) -> None:
        """Something has changed, about whomever."""
        self._kept.clear()
        self._keys.clear()

    async def get(
        self, user_id: str, key: Hashable, ask: Callable[[], Awaitable[T]], is_current: Callable[[T], bool]
    ) -> T:
        """The answer to a user's question. Raises what `ask` raises."""
        if self._max_age_seconds <= 0:
            return await ask()
        kept = self._kept.get((user_id, key))
        again = kept is not None and self._good(kept, is_current)
        self._on_answer(again)
        if kept is None or not again:
            kept = _Kept(asyncio.ensure_future(_run(ask)), asyncio.get_running_loop().time())
            # Where all who asked have given up, nobody fetches what went wrong.
            kept.task.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._keep(user_id, key, kept)
        return await asyncio.shield(kept.task)

    def _good(self, kept: _Kept[T], is_current: Callable[[T], bool]) -> bool:
        if not kept.task.done():
            return True
        if kept.task.cancelled() or kept.task.exception() is not None:
            return False
        young = asyncio.get_running_loop().time() - kept.asked < self._max_age_seconds
        return young and is_current(kept.task.result())

    def _keep(self, user_id: str, key: Hashable, kept: _Kept[T]) -> None:
        self._kept[user_id, key] = kept
        self._kept.move_to_end((user_id, key))
        self._keys.setdefault(user_id, set()).add(key)
        if len(self._kept) > self._limit:
            (oldest, old_key), _ = self._kept.popitem(last=False)
            keys = self._keys.get(oldest, set())
            keys.discard(old_key)
            if not keys:
                self._keys.pop(oldest, None)


async def _run(ask: Callable[[], Awaitable[T]]) -> T:
    return await ask()
