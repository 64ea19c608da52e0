"""Each write once: a request that is sent again is answered as it was, and another one under its id is refused.

Invariants: the change and the word that its request was carried out commit together, so that no crash lets it happen
twice; what was refused was not carried out and may be asked for again under the same id.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.clock import Clock
from services.common.database import transaction
from services.common.errors import DomainError
from services.positions.domain.errors import RequestIdReused
from services.positions.domain.request import WriteRequest, current_request
from services.positions.store.requests import RequestAnswered, find_carried, keep_answer, prune

_log = structlog.get_logger(__name__)

KEPT = timedelta(days=2)
_PRUNED_AT_ONCE = 5_000


class Answer(Protocol):
    """What a request is answered with, as bytes and back."""

    def SerializeToString(self) -> bytes: ...  # noqa: N802 - protobuf's own name


A = TypeVar("A", bound=Answer)


class Requests:
    """Carries requests out. Without an id, a request is carried out as often as it is sent."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def once(
        self,
        user_id: str,
        request_id: str,
        asked: bytes,
        work: Callable[[], Awaitable[A]],
        parse: Callable[[bytes], A],
        now: Callable[[], Awaitable[A]],
    ) -> A:
        """The answer of `work`, or the one that was given to the same request before.

        `asked` is all of the request; `now` answers with how things are, where the answer of before was lost in a
        crash. Raises RequestIdReused, and what `work` and `now` raise.
        """
        if not request_id:
            return await work()
        request = WriteRequest(user_id, request_id, hashlib.sha256(asked).digest(), self._clock.now())
        before = await self._before(request, parse, now)
        if before is not None:
            return before
        try:
            answer = await _carry_out(request, work)
        except RequestAnswered:
            again = await self._before(request, parse, now)
            return await now() if again is None else again
        try:
            async with transaction(self._engine) as connection:
                await keep_answer(connection, request, answer.SerializeToString())
        except DomainError as error:
            # It is done, and its user is told so; sent again, it is answered by how things are then.
            _log.warning("answer not kept", reason=error.reason)
        return answer

    async def _before(
        self, request: WriteRequest, parse: Callable[[bytes], A], now: Callable[[], Awaitable[A]]
    ) -> A | None:
        async with transaction(self._engine) as connection:
            carried = await find_carried(connection, request.user_id, request.request_id)
        if carried is None:
            return None
        if carried.fingerprint != request.fingerprint:
            raise RequestIdReused(request_id=request.request_id)
        return await now() if carried.answer is None else parse(carried.answer)

    async def run(self, interval_seconds: float) -> None:
        """Forget old requests now and then, until cancelled."""
        while True:
            try:
                async with transaction(self._engine) as connection:
                    forgotten = await prune(connection, self._clock.now() - KEPT, _PRUNED_AT_ONCE)
            except DomainError as error:
                _log.info("requests not forgotten", reason=error.reason)
                forgotten = 0
            if forgotten < _PRUNED_AT_ONCE:
                await asyncio.sleep(interval_seconds)


async def _carry_out(request: WriteRequest, work: Callable[[], Awaitable[A]]) -> A:
    token = current_request.set(request)
    try:
        return await work()
    finally:
        current_request.reset(token)
