"""The table of openings in memory, held to the same contract as the one in Postgres."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.common.errors import LeaseLost
from services.common.trading.partition import partition_of
from services.monitor.domain.alert import Alert
from services.monitor.domain.intent import Claim
from services.monitor.domain.opening import Opening, OpeningOutcome, OpeningState, alert_of_opening
from services.monitor.domain.opening_errors import OpeningMoved, SlotTaken
from tests.fakes.crashes import CrashPlan


class MemoryOpenings:
    """`Openings` that outlives the processes that use it, and the alerts that it left."""

    def __init__(self, crashes: CrashPlan) -> None:
        self.rows: dict[UUID, Opening] = {}
        self.held: dict[int, Claim] = {}
        self.alerts: list[Alert] = []
        self._crashes = crashes

    async def begin(self, opening: Opening) -> Opening:
        await self._crashes.point("begin: about to commit")
        self._fence(opening.claim)
        if opening.request_id is not None:
            known = self._requested(opening.wish.user_id, opening.request_id)
            if known is not None:
                return known
        if self._slot_is_taken(opening):
            raise SlotTaken(symbol=opening.wish.symbol)
        self.rows[opening.intent_id] = opening
        await self._crashes.point("begin: committed")
        return opening

    async def save(self, before: Opening, after: Opening) -> None:
        await self._crashes.point(f"save {after.state}: about to commit")
        self._fence(before.claim)
        row = self.rows[before.intent_id]
        if (row.state, row.claim) != (before.state, before.claim):
            raise OpeningMoved(intent_id=before.intent_id)
        self.rows[after.intent_id] = after
        alert = alert_of_opening(before, after)
        if alert is not None:
            self.alerts.append(alert)
        await self._crashes.point(f"save {after.state}: committed")

    async def take_over(self, claims: Mapping[int, Claim]) -> tuple[Opening, ...]:
        await self._crashes.point("take_over: about to commit")
        taken = []
        for row in list(self.rows.values()):
            claim = claims.get(partition_of(row.wish.account_id))
            if claim is not None and not row.state.over and row.claim != claim:
                self._fence(claim)
                self.rows[row.intent_id] = replace(row, claim=claim)
                taken.append(self.rows[row.intent_id])
        await self._crashes.point("take_over: committed")
        return tuple(taken)

    async def unmoved(self, claims: Mapping[int, Claim], since: datetime) -> frozenset[UUID]:
        await self._crashes.point("unmoved")
        return frozenset(
            row.intent_id
            for row in self.rows.values()
            if row.claim is not None
            and claims.get(row.claim.partition) == row.claim
            and not row.state.over
            and row.updated_at < since
        )

    async def latest(self, intent_id: UUID) -> Opening:
        if intent_id not in self.rows:
            raise OpeningMoved(intent_id=intent_id)
        return self.rows[intent_id]

    async def requested(self, user_id: str, request_id: str) -> Opening | None:
        return self._requested(user_id, request_id)

    async def cancel(self, intent_id: UUID, reason: str, now: datetime) -> bool:
        row = self.rows.get(intent_id)
        if row is None or row.state is not OpeningState.PREPARED:
            return False
        ended = replace(row, state=OpeningState.FAILED, outcome=OpeningOutcome.CANCELLED, reason=reason, updated_at=now)
        self.rows[intent_id] = ended
        return True

    async def reopen(self, intent_id: UUID, now: datetime) -> bool:
        row = self.rows.get(intent_id)
        if row is None or row.outcome is not OpeningOutcome.NEVER_ARRIVED or self._slot_is_taken(row):
            return False
        self.rows[intent_id] = replace(
            row, state=OpeningState.SENT, outcome=None, reason="", claim=None, updated_at=now
        )
        return True

    def _requested(self, user_id: str, request_id: str) -> Opening | None:
        same = (row for row in self.rows.values() if (row.wish.user_id, row.request_id) == (user_id, request_id))
        return next(same, None)

    def _slot_is_taken(self, opening: Opening) -> bool:
        return any(not row.state.over and _slot(row) == _slot(opening) for row in self.rows.values())

    def _fence(self, claim: Claim | None) -> None:
        if claim is not None and self.held.get(claim.partition) != claim:
            raise LeaseLost(key=f"partition:{claim.partition}")


def _slot(opening: Opening) -> tuple[str, str, str]:
    return opening.wish.account_id, opening.wish.symbol, opening.plan.position_side
