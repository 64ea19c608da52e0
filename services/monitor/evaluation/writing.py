"""Writes evaluations down: what was acted on at once, the rest together a few times a second.

Invariants: of one position rows are written in the order in which they were made; listeners are told only of what is
committed; what cannot be written now is kept, up to a bound, and written later; what never can be is given up, loudly,
and holds up no other.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Protocol

import structlog

from services.common.errors import Conflict, DomainError, Unavailable
from services.monitor.domain.evaluation.evaluation import Evaluation

_log = structlog.get_logger(__name__)

MOST_KEPT = 50_000
BATCH = 500
_PAUSE_SECONDS = 0.25

Listener = Callable[[Evaluation], Awaitable[None]]


class Written(Protocol):
    """Where they are written."""

    async def write(self, evaluations: Collection[Evaluation], news: Iterable[Evaluation]) -> None:
        """All or none. Raises DomainError."""
        ...


class EvaluationWriter:
    """`take` never waits; `run` writes."""

    def __init__(self, written: Written, notify: Callable[[], None], listeners: Collection[Listener] = ()) -> None:
        self._written = written
        self._notify = notify
        self._listeners = tuple(listeners)
        self._waiting: deque[tuple[Evaluation, bool]] = deque()
        self._turn = asyncio.Lock()

    def take(self, evaluation: Evaluation, *, news: bool) -> None:
        """Write it soon; where too many wait already, it is lost and said to be."""
        if len(self._waiting) >= MOST_KEPT:
            _log.error("evaluation not kept", position_id=evaluation.position_id, outcome=evaluation.outcome)
            return
        self._waiting.append((evaluation, news))

    async def flush(self) -> None:
        """Write what waits. Raises DomainError, with the rest kept."""
        async with self._turn:
            at_once = BATCH
            while self._waiting:
                batch = [self._waiting[place] for place in range(min(at_once, len(self._waiting)))]
                news = [one for one, is_news in batch if is_news]
                try:
                    await self._written.write([one for one, _ in batch], news)
                except (Unavailable, Conflict):
                    raise
                except Exception:  # noqa: BLE001 - an edge of the process: what an advisor said must not end it
                    if len(batch) == 1:
                        _log.exception("evaluation given up", position_id=batch[0][0].position_id)
                        self._waiting.popleft()
                    at_once = 1
                    continue
                for _ in batch:
                    self._waiting.popleft()
                if news:
                    self._notify()
                for one in news:
                    for listener in self._listeners:
                        await listener(one)

    async def run(self) -> None:
        """Write again and again, until cancelled."""
        while True:
            await self.try_flush()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def try_flush(self) -> None:
        """Write what waits, or leave it for later."""
        try:
            await self.flush()
        except DomainError as error:
            _log.info("evaluations not written", reason=error.reason, waiting=len(self._waiting))
