"""The intents in Postgres.

Invariants: a claimed intent is written only while its claim's lease is held, checked in that transaction; writes about
one position take turns, so that an intent never begins beside one that is about to end. The first intent of a position
has none to end beside it: it is one statement, on which the order waits.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.common.database import statement, transaction
from services.common.errors import FieldInvalid
from services.common.leases import HELD
from services.common.outbox import append
from services.monitor.carrying.claiming import Fence, as_it_was, take_over, unmoved
from services.monitor.closing.rows import from_row, to_row
from services.monitor.domain.alert import alert_of_intent
from services.monitor.domain.attempts import Begun, Joined, Opening, Settled, answers, begin
from services.monitor.domain.errors import IntentMoved
from services.monitor.domain.intent import Claim, Decision, Intent, Outcome
from services.monitor.events.told import alert_triggered
from services.monitor.partitions.holding import partition_key
from services.monitor.store import CLOSE_REQUESTS, INTENTS

_LIVE = INTENTS.c.state.not_in(("done", "failed"))
_WRITE = insert(INTENTS).on_conflict_do_nothing().returning(INTENTS.c.place)
_WRITTEN = tuple(column for column in INTENTS.c if column.name != "place")
_WRITE_FIRST = (
    insert(INTENTS)
    .from_select(
        [column.name for column in _WRITTEN],
        select(*(bindparam(column.name, type_=column.type) for column in _WRITTEN))
        .select_from(HELD.cte("held").prefix_with("MATERIALIZED"))
        .where(~select(INTENTS.c.intent_id).where(INTENTS.c.position_id == bindparam("position_id")).exists()),
    )
    .on_conflict_do_nothing()
    .returning(INTENTS.c.place)
)
_LOCK_POSITION = text("SELECT pg_advisory_xact_lock(hashtextextended(:position_id, 0))")


class PostgresIntents:
    """`Intents` over the service's own schema."""

    def __init__(self, engine: AsyncEngine, fence: Fence, new_id: Callable[[], UUID]) -> None:
        self._engine = engine
        self._fence = fence
        self._new_id = new_id

    async def open(
        self, decision: Decision, claim: Claim | None, now: datetime, deadline: datetime | None = None
    ) -> Opening:
        """Write the intent of a decision, or tell what stands in its stead."""
        if claim is not None and decision.request_id is None:
            first = begin(decision, None, attempt=1, intent_id=self._new_id(), now=now, claim=claim, deadline=deadline)
            if await self._write_first(first.intent, claim):
                return first
        position = decision.position
        async with transaction(self._engine) as connection:
            await self._begin(connection, position.position_id, claim)
            if decision.request_id is not None:
                known = await _requested(connection, position.user_id, decision.request_id)
                if known is not None:
                    if known.position_id != position.position_id:
                        raise FieldInvalid(field="request_id", problem="was used for another position")
                    return Settled(known) if known.state.over else Joined(known)
            opening = await self._begin_or_join(connection, decision, claim, now, deadline)
            if decision.request_id is not None and answers(decision, opening):
                await connection.execute(
                    insert(CLOSE_REQUESTS).values(
                        user_id=position.user_id,
                        request_id=decision.request_id,
                        position_id=position.position_id,
                        closing_id=opening.intent.closing_id,
                        created_at=now,
                    )
                )
            return opening

    async def save(self, before: Intent, after: Intent, successor: Intent | None = None) -> None:
        """Replace one state of an intent by the next, and begin the attempt that follows it, in one transaction."""
        async with transaction(self._engine) as connection:
            await self._begin(connection, before.position_id, before.claim)
            row = to_row(after)
            result = await connection.execute(
                update(INTENTS).where(as_it_was(INTENTS, before)).values({name: row[name] for name in _CHANGING})
            )
            if result.rowcount != 1:
                raise IntentMoved(intent_id=before.intent_id)
            if successor is not None:
                await connection.execute(insert(INTENTS).values(to_row(successor)))
            alert = alert_of_intent(after)
            if alert is not None:
                await append(connection, alert_triggered(alert, after.updated_at))

    async def take_over(self, claims: Mapping[int, Claim]) -> tuple[Intent, ...]:
        """Claim what is not over in these partitions and was not claimed under these very leases."""
        async with transaction(self._engine) as connection:
            taken = await take_over(connection, INTENTS, _LIVE, claims, self._fence)
            return tuple(from_row(row) for row in taken)

    async def unmoved(self, claims: Mapping[int, Claim], since: datetime) -> frozenset[UUID]:
        """The closings that are claimed under these very leases, are not over, and were last written before then."""
        async with transaction(self._engine) as connection:
            return await unmoved(connection, INTENTS.c.closing_id, _LIVE, claims, since)

    async def latest(self, closing_id: UUID) -> Intent:
        """The last attempt of a decision."""
        async with transaction(self._engine) as connection:
            intent = await _last(connection, INTENTS.c.closing_id == closing_id)
        if intent is None:
            raise IntentMoved(intent_id=closing_id)
        return intent

    async def attempts(self, closing_id: UUID) -> tuple[Intent, ...]:
        """All attempts of a decision, the first one first."""
        async with transaction(self._engine) as connection:
            found = await connection.execute(
                select(INTENTS).where(INTENTS.c.closing_id == closing_id).order_by(INTENTS.c.place)
            )
            return tuple(from_row(row) for row in found.mappings())

    async def requested(self, user_id: str, request_id: str) -> Intent | None:
        """The last attempt of the decision that a request led to, if it was made before."""
        async with transaction(self._engine) as connection:
            return await _requested(connection, user_id, request_id)

    async def unfilled(self, partitions: Collection[int], limit: int) -> tuple[Intent, ...]:
        """The last attempts in these partitions whose orders ended without a fill, in order of their ends."""
        filled = [outcome.value for outcome in Outcome if outcome.filled]
        query = (
            select(INTENTS)
            .where(
                INTENTS.c.partition.in_(partitions),
                ~_LIVE,
                INTENTS.c.deadline.is_not(None),
                INTENTS.c.outcome.not_in(filled),
            )
            .order_by(INTENTS.c.updated_at.desc(), INTENTS.c.place.desc())
            .limit(limit)
        )
        async with transaction(self._engine) as connection:
            return tuple(from_row(row) for row in reversed((await connection.execute(query)).mappings().all()))

    async def earlier(self, intent: Intent) -> tuple[Intent, ...]:
        """The position's other intents whose order the venue did not know when it was asked, the newest first."""
        async with transaction(self._engine) as connection:
            found = await connection.execute(
                select(INTENTS)
                .where(
                    INTENTS.c.position_id == intent.position_id,
                    INTENTS.c.intent_id != intent.intent_id,
                    INTENTS.c.outcome == Outcome.NEVER_ARRIVED.value,
                )
                .order_by(INTENTS.c.place.desc())
            )
            return tuple(from_row(row) for row in found.mappings())

    async def prune(self, before: datetime) -> int:
        """Forget decisions whose every attempt was over before a moment, and the requests behind them; how many rows.

        The last intent of a position stays: it tells which version of it was settled.
        """
        over = INTENTS.alias()
        newer = INTENTS.alias()
        live = select(over.c.closing_id).where(over.c.updated_at >= before)
        async with transaction(self._engine) as connection:
            result = await connection.execute(
                delete(INTENTS).where(
                    INTENTS.c.updated_at < before,
                    ~_LIVE,
                    INTENTS.c.closing_id.not_in(live),
                    select(newer.c.place)
                    .where(newer.c.position_id == INTENTS.c.position_id, newer.c.place > INTENTS.c.place)
                    .exists(),
                )
            )
            await connection.execute(
                delete(CLOSE_REQUESTS).where(
                    CLOSE_REQUESTS.c.created_at < before,
                    CLOSE_REQUESTS.c.closing_id.not_in(select(INTENTS.c.closing_id)),
                )
            )
            return int(result.rowcount)

    async def _begin_or_join(
        self,
        connection: AsyncConnection,
        decision: Decision,
        claim: Claim | None,
        now: datetime,
        deadline: datetime | None,
    ) -> Opening:
        while True:
            last, attempt = await _last_and_next(connection, decision)
            opening = begin(
                decision, last, attempt=attempt, intent_id=self._new_id(), now=now, claim=claim, deadline=deadline
            )
            if not isinstance(opening, Begun):
                return opening
            row = {**to_row(opening.intent), "first": last is None}
            if (await connection.execute(_WRITE, row)).first() is not None:
                return opening
            # Somebody's first one, which waits for no turn, came in between: it is there to be seen now.

    async def _write_first(self, intent: Intent, claim: Claim) -> bool:
        """Write an intent if its position never had one and the claim's lease is held, in a single statement; else no.

        The statement sees what was there when it began. What came in between has the same mark, or is live as well: the
        indexes that are unique keep this one out.
        """
        row = {**to_row(intent), "first": True}
        async with statement(self._engine) as connection:
            written = await connection.execute(_WRITE_FIRST, {**row, **_lease(claim)})
            return written.first() is not None

    async def _begin(self, connection: AsyncConnection, position_id: str, claim: Claim | None) -> None:
        await connection.execute(_LOCK_POSITION, {"position_id": position_id})
        if claim is not None:
            await self._fence(connection, claim)


_CHANGING = (
    "position_version",
    "quantity",
    "state",
    "deadline",
    "order_id",
    "fills",
    "outcome",
    "reason",
    "updated_at",
)


def _lease(claim: Claim) -> dict[str, object]:
    return {"lease_key": partition_key(claim.partition), "lease_owner": claim.owner, "lease_epoch": claim.epoch}


async def _last(connection: AsyncConnection, condition: ColumnElement[bool]) -> Intent | None:
    found = await connection.execute(select(INTENTS).where(condition).order_by(INTENTS.c.place.desc()).limit(1))
    row = found.mappings().first()
    return None if row is None else from_row(row)


async def _last_and_next(connection: AsyncConnection, decision: Decision) -> tuple[Intent | None, int]:
    """The position's last intent, and the number of the next attempt for this purpose: one question."""
    position_id, same = decision.position.position_id, INTENTS.alias()
    attempt = (
        select(func.coalesce(func.max(same.c.attempt), 0) + 1)
        .where(same.c.position_id == position_id, same.c.purpose == decision.cause.value)
        .scalar_subquery()
        .label("next_attempt")
    )
    found = await connection.execute(
        select(INTENTS, attempt).where(INTENTS.c.position_id == position_id).order_by(INTENTS.c.place.desc()).limit(1)
    )
    row = found.mappings().first()
    return (None, 1) if row is None else (from_row(row), int(row["next_attempt"]))


async def _requested(connection: AsyncConnection, user_id: str, request_id: str) -> Intent | None:
    closing = select(CLOSE_REQUESTS.c.closing_id).where(
        CLOSE_REQUESTS.c.user_id == user_id, CLOSE_REQUESTS.c.request_id == request_id
    )
    return await _last(connection, INTENTS.c.closing_id.in_(closing))
