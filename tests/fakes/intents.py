"""The table of intents in memory, held to the same contract as the one in Postgres."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.common.errors import FieldInvalid, LeaseLost
from services.common.trading.partition import partition_of
from services.monitor.domain.attempts import Begun, Joined, Opening, Settled, answers, begin
from services.monitor.domain.errors import IntentMoved
from services.monitor.domain.intent import Claim, Decision, Intent, Outcome
from tests.fakes.crashes import CrashPlan


class MemoryIntents:
    """`held` are the leases that are held now, by partition: what another epoch writes is refused."""

    def __init__(self, crashes: CrashPlan, new_id: Callable[[], UUID]) -> None:
        self.rows: dict[UUID, Intent] = {}
        self.held: dict[int, Claim] = {}
        self._requests: dict[tuple[str, str], UUID] = {}
        self._crashes = crashes
        self._new_id = new_id

    async def open(
        self, decision: Decision, claim: Claim | None, now: datetime, deadline: datetime | None = None
    ) -> Opening:
        await self._crashes.point("open: about to commit")
        opening = self._open(decision, claim, now, deadline)
        await self._crashes.point("open: committed")
        return opening

    async def save(self, before: Intent, after: Intent, successor: Intent | None = None) -> None:
        await self._crashes.point(f"save {after.state}: about to commit")
        self._fence(before.claim)
        row = self.rows[before.intent_id]
        if (row.state, row.claim) != (before.state, before.claim):
            raise IntentMoved(intent_id=before.intent_id)
        self.rows[after.intent_id] = after
        if successor is not None:
            self.rows[successor.intent_id] = successor
        self._check()
        await self._crashes.point(f"save {after.state}: committed")

    async def take_over(self, claims: Mapping[int, Claim]) -> tuple[Intent, ...]:
        await self._crashes.point("take_over: about to commit")
        taken = []
        for row in list(self.rows.values()):
            claim = claims.get(partition_of(row.account_id))
            if claim is not None and not row.state.over and row.claim != claim:
                self._fence(claim)
                self.rows[row.intent_id] = replace(row, claim=claim)
                taken.append(self.rows[row.intent_id])
        await self._crashes.point("take_over: committed")
        return tuple(taken)

    async def unmoved(self, claims: Mapping[int, Claim], since: datetime) -> frozenset[UUID]:
        await self._crashes.point("unmoved")
        return frozenset(
            row.closing_id
            for row in self.rows.values()
            if row.claim is not None
            and claims.get(row.claim.partition) == row.claim
            and not row.state.over
            and row.updated_at < since
        )

    async def latest(self, closing_id: UUID) -> Intent:
        attempts = await self.attempts(closing_id)
        if not attempts:
            raise IntentMoved(intent_id=closing_id)
        return attempts[-1]

    async def attempts(self, closing_id: UUID) -> tuple[Intent, ...]:
        await self._crashes.point("attempts")
        return tuple(row for row in self.rows.values() if row.closing_id == closing_id)

    async def requested(self, user_id: str, request_id: str) -> Intent | None:
        closing_id = self._requests.get((user_id, request_id))
        return None if closing_id is None else await self.latest(closing_id)

    async def earlier(self, intent: Intent) -> tuple[Intent, ...]:
        await self._crashes.point("earlier")
        return tuple(
            row
            for row in reversed(self.rows.values())
            if row.position_id == intent.position_id
            and row.intent_id != intent.intent_id
            and row.outcome is Outcome.NEVER_ARRIVED
        )

    def _open(self, decision: Decision, claim: Claim | None, now: datetime, deadline: datetime | None) -> Opening:
        self._fence(claim)
        position = decision.position
        rows = [row for row in self.rows.values() if row.position_id == position.position_id]
        if decision.request_id is not None:
            closing_id = self._requests.get((position.user_id, decision.request_id))
            if closing_id is not None:
                known = [row for row in self.rows.values() if row.closing_id == closing_id][-1]
                if known.position_id != position.position_id:
                    raise FieldInvalid(field="request_id", problem="was used for another position")
                return Settled(known) if known.state.over else Joined(known)
        opening = begin(
            decision,
            rows[-1] if rows else None,
            attempt=1 + max((row.attempt for row in rows if row.cause is decision.cause), default=0),
            intent_id=self._new_id(),
            now=now,
            claim=claim,
            deadline=deadline,
        )
        if isinstance(opening, Begun):
            self.rows[opening.intent.intent_id] = opening.intent
        if decision.request_id is not None and answers(decision, opening):
            self._requests[position.user_id, decision.request_id] = opening.intent.closing_id
        self._check()
        return opening

    def _fence(self, claim: Claim | None) -> None:
        if claim is not None and self.held.get(claim.partition) != claim:
            raise LeaseLost(key=f"partition:{claim.partition}")

    def _check(self) -> None:
        live = [row.position_id for row in self.rows.values() if not row.state.over]
        assert len(live) == len(set(live)), "a position has two intents under way"
        attempts = [(row.position_id, row.cause, row.attempt) for row in self.rows.values()]
        assert len(attempts) == len(set(attempts)), "an attempt was made twice"
