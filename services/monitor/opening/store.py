"""The openings in Postgres.

Invariants: a claimed opening is written only while its claim's lease is held, checked in that transaction; a slot has
at most one opening that is not over; whoever follows openings is told of each state in the transaction that makes it.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.common.database import transaction
from services.common.outbox import append
from services.monitor.carrying.claiming import Fence, as_it_was, take_over, unmoved
from services.monitor.domain.intent import Claim
from services.monitor.domain.opening import Opening, OpeningOutcome, OpeningState, alert_of_opening
from services.monitor.domain.opening_errors import OpeningMoved, SlotTaken
from services.monitor.events.told import alert_triggered
from services.monitor.opening.ports import Witness
from services.monitor.opening.rows import from_row, to_row
from services.monitor.store import OPENINGS

_LIVE = OPENINGS.c.state.not_in((OpeningState.BOOKED.value, OpeningState.FAILED.value))
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_CHANGING = (
    "position_side",
    "quantity",
    "price",
    "leverage",
    "wish",
    "state",
    "deadline",
    "order_id",
    "fills",
    "position_id",
    "outcome",
    "reason",
    "updated_at",
)


class PostgresOpenings:
    """`Openings` over the service's own schema. `told` is called after a commit that left something in the outbox."""

    def __init__(self, engine: AsyncEngine, fence: Fence, witness: Witness, told: Callable[[], None]) -> None:
        self._engine = engine
        self._fence = fence
        self._witness = witness
        self._told = told

    async def begin(self, opening: Opening) -> Opening:
        """Write a new opening, or answer the one of its request."""
        wish = opening.wish
        async with transaction(self._engine) as connection:
            if opening.claim is not None:
                await self._fence(connection, opening.claim)
            await connection.execute(_LOCK, {"name": f"request {wish.user_id} {opening.request_id}"})
            await _lock_slot(connection, opening)
            if opening.request_id is not None:
                known = await _requested(connection, wish.user_id, opening.request_id)
                if known is not None:
                    return known
            if await _first(connection, and_(_LIVE, _same_slot(opening))) is not None:
                raise SlotTaken(symbol=wish.symbol)
            await connection.execute(insert(OPENINGS), to_row(opening))
            await self._witness(connection, None, opening)
        self._told()
        return opening

    async def save(self, before: Opening, after: Opening) -> None:
        """Replace one state of an opening by the next."""
        async with transaction(self._engine) as connection:
            if before.claim is not None:
                await self._fence(connection, before.claim)
            row = to_row(after)
            result = await connection.execute(
                update(OPENINGS).where(as_it_was(OPENINGS, before)).values({name: row[name] for name in _CHANGING})
            )
            if result.rowcount != 1:
                raise OpeningMoved(intent_id=before.intent_id)
            alert = alert_of_opening(before, after)
            if alert is not None:
                await append(connection, alert_triggered(alert, after.updated_at))
            await self._witness(connection, before.state, after)
        self._told()

    async def take_over(self, claims: Mapping[int, Claim]) -> tuple[Opening, ...]:
        """Claim what is not over in these partitions and was not claimed under these very leases."""
        async with transaction(self._engine) as connection:
            taken = await take_over(connection, OPENINGS, _LIVE, claims, self._fence)
            return tuple(from_row(row) for row in taken)

    async def unmoved(self, claims: Mapping[int, Claim], since: datetime) -> frozenset[UUID]:
        """The openings that are claimed under these very leases, are not over, and were last written before then."""
        async with transaction(self._engine) as connection:
            return await unmoved(connection, OPENINGS.c.intent_id, _LIVE, claims, since)

    async def latest(self, intent_id: UUID) -> Opening:
        """One opening as it is now."""
        async with transaction(self._engine) as connection:
            opening = await _first(connection, OPENINGS.c.intent_id == intent_id)
        if opening is None:
            raise OpeningMoved(intent_id=intent_id)
        return opening

    async def requested(self, user_id: str, request_id: str) -> Opening | None:
        """The opening that a request led to, if it was made before."""
        async with transaction(self._engine) as connection:
            return await _requested(connection, user_id, request_id)

    async def unfilled(self, partitions: Collection[int], limit: int) -> tuple[Opening, ...]:
        """The last openings in these partitions whose orders opened nothing, in order of their ends."""
        query = (
            select(OPENINGS)
            .where(
                OPENINGS.c.partition.in_(partitions),
                OPENINGS.c.state == OpeningState.FAILED.value,
                OPENINGS.c.deadline.is_not(None),
            )
            .order_by(OPENINGS.c.updated_at.desc(), OPENINGS.c.intent_id)
            .limit(limit)
        )
        async with transaction(self._engine) as connection:
            return tuple(from_row(row) for row in reversed((await connection.execute(query)).mappings().all()))

    async def cancel(self, intent_id: UUID, reason: str, now: datetime) -> bool:
        """End an opening whose order was not sent yet. Whoever was about to send it finds that it has moved."""
        ended = {
            "state": OpeningState.FAILED.value,
            "outcome": OpeningOutcome.CANCELLED.value,
            "reason": reason,
            "updated_at": now,
        }
        where = and_(OPENINGS.c.intent_id == intent_id, OPENINGS.c.state == OpeningState.PREPARED.value)
        async with transaction(self._engine) as connection:
            cancelled = await self._turn(connection, where, ended, OpeningState.PREPARED)
        self._told()
        return cancelled

    async def reopen(self, intent_id: UUID, now: datetime) -> bool:
        """Take an opening that had never arrived for SENT again, for the holder of its partition to look its order up.

        Not while another one of its slot is under way.
        """
        again = {
            "state": OpeningState.SENT.value,
            "outcome": None,
            "reason": "",
            "owner": None,
            "epoch": None,
            "updated_at": now,
        }
        lost = and_(OPENINGS.c.intent_id == intent_id, OPENINGS.c.outcome == OpeningOutcome.NEVER_ARRIVED.value)
        async with transaction(self._engine) as connection:
            opening = await _first(connection, lost)
            if opening is None:
                return False
            await _lock_slot(connection, opening)
            rival = await _first(connection, and_(_LIVE, _same_slot(opening)))
            reopened = rival is None and await self._turn(connection, lost, again, OpeningState.FAILED)
        self._told()
        return reopened

    async def prune(self, before: datetime) -> int:
        """Forget openings that were over before a moment; how many. An execution keeps its own story."""
        async with transaction(self._engine) as connection:
            result = await connection.execute(delete(OPENINGS).where(OPENINGS.c.updated_at < before, ~_LIVE))
            return int(result.rowcount)

    async def _turn(
        self,
        connection: AsyncConnection,
        where: ColumnElement[bool],
        values: Mapping[str, object],
        before: OpeningState,
    ) -> bool:
        """Change the row that is so, if there is one, and tell of it."""
        rows = await connection.execute(update(OPENINGS).where(where).values(values).returning(*OPENINGS.c))
        row = rows.mappings().first()
        if row is None:
            return False
        await self._witness(connection, before, from_row(row))
        return True


async def _lock_slot(connection: AsyncConnection, opening: Opening) -> None:
    await connection.execute(_LOCK, {"name": f"slot {opening.wish.account_id} {opening.wish.symbol}"})


def _same_slot(opening: Opening) -> ColumnElement[bool]:
    return and_(
        OPENINGS.c.account_id == opening.wish.account_id,
        OPENINGS.c.symbol == opening.wish.symbol,
        OPENINGS.c.position_side == opening.plan.position_side.value,
    )


async def _first(connection: AsyncConnection, where: ColumnElement[bool]) -> Opening | None:
    found = await connection.execute(select(OPENINGS).where(where).limit(1))
    row = found.mappings().first()
    return None if row is None else from_row(row)


async def _requested(connection: AsyncConnection, user_id: str, request_id: str) -> Opening | None:
    return await _first(connection, and_(OPENINGS.c.user_id == user_id, OPENINGS.c.request_id == request_id))
