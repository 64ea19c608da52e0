"""What users do with executions: start, stop, look at them, and watch them live."""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from uuid import UUID, uuid4

from services.common.clock import Clock
from services.common.errors import FieldInvalid
from services.monitor.domain.execution import Execution, ExecutionEnded, ExecutionUpdate, stop
from services.monitor.domain.opening import Wish
from services.monitor.flows.care import Care
from services.monitor.flows.ports import Opens, Plans, Requests
from services.monitor.flows.store import PostgresExecutions
from services.monitor.flows.watching import Watching

_PAGE_OF_UPDATES = 100
_MOST_UPDATES = 1_000


class Executions:
    """Executions for their users. The same request id of a user is the same execution."""

    def __init__(
        self,
        store: PostgresExecutions,
        plans: Plans,
        opens: Opens,
        requests: Requests,
        watching: Watching,
        care: Care,
        clock: Clock,
    ) -> None:
        self._store = store
        self._plans = plans
        self._opens = opens
        self._requests = requests
        self._watching = watching
        self._care = care
        self._clock = clock

    async def start(self, wish: Wish, request_id: str) -> Execution:
        """Check the wish, begin to open its position, and answer at once.

        Raises what `Planner.plan` and `Opener.begin` raise, and FieldInvalid where the request id was used for another.
        """
        known = await self._requests.requested(wish.user_id, _key(request_id))
        if known is None:
            plan = await self._plans.plan(wish)
            execution_id = uuid4()
            wish = replace(wish, provenance=replace(wish.provenance, execution_id=str(execution_id)))
            known = await self._opens.begin(wish, plan, _key(request_id), execution_id)
        same_flow = known.wish.provenance.flow_id == wish.provenance.flow_id
        if known.execution_id is None or not same_flow or not known.same_wish(wish):
            raise FieldInvalid(field="request_id", problem="was used for another execution")
        return await self._store.get(wish.user_id, known.execution_id)

    async def stop(self, user_id: str, execution_id: UUID, request_id: str) -> Execution:
        """Have its position closed, or keep it from being opened where that is still possible; answers at once.

        Raises ExecutionNotFound, and ExecutionEnded unless it was this very request that ended it.
        """
        try:
            execution = await self._store.change(
                user_id, execution_id, partial(stop, request_id=request_id, at=self._clock.now()), self._clock.now()
            )
        except ExecutionEnded:
            if not await self._store.was_told(execution_id, f"stop {request_id}"):
                raise
            return await self._store.get(user_id, execution_id)
        self._care.wake()
        return execution

    async def get(self, user_id: str, execution_id: UUID) -> tuple[Execution, tuple[ExecutionUpdate, ...]]:
        """One with the latest of the steps that led to it, and none that came since. Raises ExecutionNotFound."""
        execution = await self._store.get(user_id, execution_id)
        first = max(0, execution.sequence - _MOST_UPDATES)
        return execution, await self._store.updates(execution_id, first, execution.sequence - first)

    async def list(
        self, user_id: str, flow_id: str, page_size: int, before: int | None, *, running: bool
    ) -> tuple[tuple[Execution, ...], int | None]:
        """A page, the latest started first, and the place before which the next one begins (None: it was the last)."""
        found = await self._store.list(user_id, flow_id, before, page_size + 1, running=running)
        page = found[:page_size]
        return tuple(execution for _, execution in page), page[-1][0] if len(found) > page_size else None

    async def watch(
        self, user_id: str, execution_id: UUID, after: int
    ) -> AsyncIterator[tuple[ExecutionUpdate, Execution]]:
        """Its steps after a sequence, those to come as well, until it has ended. Raises ExecutionNotFound."""
        while True:
            updates = await self._store.updates(execution_id, after, _PAGE_OF_UPDATES)
            # Read after the steps, so that it is never older than they are.
            execution = await self._store.get(user_id, execution_id)
            after = min(after, execution.sequence)
            for update in updates:
                yield update, execution
                after = update.sequence
            if execution.state.ended and after >= execution.sequence:
                return
            if not updates:
                await self._watching.wait(execution_id, after)


def _key(request_id: str) -> str:
    """Requests to open by hand and requests to start a flow are kept in one table."""
    return f"flow {request_id}"
