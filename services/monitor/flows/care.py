"""Looks after the executions of this process's partitions: closes what was told to stop, and sees what no event told.

Invariants: a stop is carried out by the same closing as one by hand, once for each request to stop, whoever restarts;
an execution whose position has ended ends within a minute, whatever became of the event.
"""

import asyncio
from datetime import datetime
from functools import partial
from uuid import UUID

import structlog

from services.common.clock import Clock
from services.common.errors import Already, Conflict, DomainError, NotFound, Unavailable
from services.monitor.carrying.work import Claims
from services.monitor.domain.execution import Execution, refuse_stop
from services.monitor.flows.ports import Closes, SeenPositions
from services.monitor.flows.store import PostgresExecutions
from services.monitor.opening.ports import Openings

_log = structlog.get_logger(__name__)

_AT_ONCE = 16


class Care:
    """Spawn `run`. `check_seconds`: how often every position is looked up, in case an event was lost."""

    def __init__(
        self,
        executions: PostgresExecutions,
        openings: Openings,
        positions: SeenPositions,
        closes: Closes,
        claims: Claims,
        clock: Clock,
        *,
        check_seconds: float = 60.0,
        poll_seconds: float = 1.0,
    ) -> None:
        self._executions = executions
        self._openings = openings
        self._positions = positions
        self._closes = closes
        self._claims = claims
        self._clock = clock
        self._check_seconds = check_seconds
        self._poll_seconds = poll_seconds
        self._stopping: dict[UUID, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._due: set[str] = set()
        self._some = asyncio.Semaphore(_AT_ONCE)

    def wake(self) -> None:
        """Somebody wants an execution stopped: look now."""
        self._wake.set()

    def look(self, position_id: str) -> None:
        """A position may have ended unheard of: look it up soon."""
        self._due.add(position_id)
        self._wake.set()

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        checked_at: datetime | None = None
        while True:
            self._wake.clear()
            try:
                now = self._clock.now()
                if checked_at is None or (now - checked_at).total_seconds() >= self._check_seconds:
                    await self._check_all()
                    checked_at = now
                await self.turn()
            except DomainError as error:
                _log.info("executions wait", reason=error.reason)
                await asyncio.sleep(self._poll_seconds)
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def turn(self) -> None:
        """See which closes have begun, and carry out what was told to stop."""
        partitions = tuple(self._claims.claims())
        await self._executions.see_closings(partitions, self._clock.now())
        while self._due:
            await self._check(self._due.pop())
        for execution in await self._executions.to_stop(partitions):
            if execution.execution_id not in self._stopping:
                task = asyncio.create_task(self._stop(execution), name=f"stop {execution.execution_id}")
                self._stopping[execution.execution_id] = task
                task.add_done_callback(partial(self._stopped, execution.execution_id))

    async def drain(self) -> None:
        """Leave what is under way to a successor: each close goes on by itself."""
        for task in self._stopping.values():
            task.cancel()
        await asyncio.gather(*self._stopping.values(), return_exceptions=True)

    async def _check_all(self) -> None:
        running = await self._executions.running(tuple(self._claims.claims()))
        await asyncio.gather(*(self._check(execution.position_id) for execution in running))

    async def _check(self, position_id: str) -> None:
        async with self._some:
            try:
                position = await self._positions.see(position_id)
            except NotFound:
                _log.warning("the position of an execution is not in the books", position_id=position_id)
                return
            if position is not None:
                await self._executions.follow(position, self._clock.now())

    async def _stop(self, execution: Execution) -> None:
        """Keep it from being opened, or close what it opened. What cannot be reached is tried again in a second."""
        request = f"stop {execution.execution_id} {execution.stop_request_id}"
        try:
            if not execution.position_id:
                reason = "it was told to stop before its order was sent"
                await self._openings.cancel(execution.intent_id, reason, self._clock.now())
                return
            await self._closes.close(execution.user_id, execution.position_id, request)
        except Already:
            self.look(execution.position_id)
        except (Unavailable, Conflict) as error:
            _log.info("stopping waits", execution_id=str(execution.execution_id), reason=error.reason)
        except DomainError as error:
            refuse = partial(refuse_stop, why=error.message, at=self._clock.now())
            await self._executions.change(execution.user_id, execution.execution_id, refuse, self._clock.now())

    def _stopped(self, execution_id: UUID, task: asyncio.Task[None]) -> None:
        del self._stopping[execution_id]
        if not task.cancelled() and task.exception() is not None:
            _log.warning("stop failed", execution_id=str(execution_id), error=repr(task.exception()))
