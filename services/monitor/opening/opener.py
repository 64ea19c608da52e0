"""Begins openings and has them carried to their end.

Invariant: an order is sent only for an opening that was claimed under a lease held now.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import UUID, uuid4

import structlog

from services.common.errors import LeaseLost
from services.common.trading.partition import partition_of
from services.monitor.carrying.carrier import Carrier
from services.monitor.carrying.work import Claims
from services.monitor.domain.opening import Opening, OpeningState, Plan, Wish
from services.monitor.opening.carrying import step
from services.monitor.opening.parts import OnBooked, OpeningParts

_log = structlog.get_logger(__name__)


class Opener(Carrier[Opening]):
    """Opens positions: `begin` begins, `run` resumes what is not over. `patience`: how long one may wait to be sent."""

    def __init__(
        self,
        parts: OpeningParts,
        claims: Claims,
        *,
        patience: timedelta,
        on_booked: OnBooked,
        on_progress: Callable[[Opening], None],
        scan_seconds: float = 1.0,
        crash_pause_seconds: float = 5.0,
    ) -> None:
        super().__init__(
            "opening",
            parts.openings,
            partial(step, parts, on_booked),
            claims,
            parts,
            on_progress=on_progress,
            scan_seconds=scan_seconds,
            crash_pause_seconds=crash_pause_seconds,
        )
        self._parts = parts
        self._patience = patience

    @property
    def unresolved(self) -> int:
        """How many openings of the partitions held have an order of which nobody knows what became."""
        return len({one.intent_id for one in self.under_way if one.state is OpeningState.UNRESOLVED})

    async def begin(self, wish: Wish, plan: Plan, request_id: str, execution_id: UUID | None = None) -> Opening:
        """Write the opening of a plan that was made just now and begin to carry it out, unless its request did before.

        Raises SlotTaken, DatabaseUnavailable: nothing was begun, as far as is known.
        """
        now = self._parts.clock.now()
        opening = Opening(
            intent_id=uuid4(),
            wish=wish,
            plan=plan,
            state=OpeningState.PREPARED,
            created_at=now,
            updated_at=now,
            expires_at=now + self._patience,
            request_id=request_id,
            execution_id=execution_id,
            claim=self._claims.claims().get(partition_of(wish.account_id)),
        )
        try:
            begun = await self._parts.openings.begin(opening)
        except LeaseLost:
            # Another replica holds the partition by now: it will find the opening there.
            begun = await self._parts.openings.begin(replace(opening, claim=None))
        if begun.intent_id == opening.intent_id:
            _log.info("opening", intent_id=str(begun.intent_id), symbol=wish.symbol, quantity=plan.quantity)
            if begun.claim is not None:
                self.carry(begun, checked=True)
        return begun

    async def wait(self, intent_id: UUID) -> Opening:
        """The opening, once it is over or nobody knows what became of it. Cancel to stop waiting."""
        return await self.wait_for(
            intent_id, lambda opening: opening.state.over or opening.state is OpeningState.UNRESOLVED
        )
