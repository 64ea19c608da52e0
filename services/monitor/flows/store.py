"""The executions in Postgres.

Invariants: an execution's row is locked before anything is concluded from it; a step whose fact was told already is
left out, in the same transaction that writes the others and their events.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.common.database import transaction
from services.common.outbox import append
from services.common.trading.client_order_id import OrderCause
from services.monitor.closing.rows import from_row as intent_from_row
from services.monitor.domain.evaluation.advice import Action, Outcome
from services.monitor.domain.execution import (
    Execution,
    ExecutionNotFound,
    ExecutionState,
    ExecutionUpdate,
    Followed,
    PositionSeen,
    Step,
    begin_closing,
    follow_opening,
    follow_position,
    is_news,
    meet_position,
    start,
)
from services.monitor.domain.intent import Intent
from services.monitor.domain.opening import Opening, OpeningState
from services.monitor.evaluation.store import evaluation_from_row
from services.monitor.events.evaluations import write_evaluation
from services.monitor.events.executions import execution_updated, read_evaluation
from services.monitor.flows.rows import from_row, to_row, update_from_row
from services.monitor.store import EVALUATIONS, EXECUTION_UPDATES, EXECUTIONS, INTENTS

_RUNNING = EXECUTIONS.c.ended_at.is_(None)
_INTENT_LIVE = INTENTS.c.state.not_in(("done", "failed"))


class PostgresExecutions:
    """Executions over the service's own schema. `told` is called after a commit that left something in the outbox."""

    def __init__(self, engine: AsyncEngine, told: Callable[[], None]) -> None:
        self._engine = engine
        self._told = told

    async def witness(self, connection: AsyncConnection, before: OpeningState | None, opening: Opening) -> None:
        """Take in a state of an opening, in the transaction that makes it."""
        if opening.execution_id is None:
            return
        if before is None:
            execution, steps = start(opening, opening.execution_id)
            await connection.execute(insert(EXECUTIONS), to_row(execution))
            await _write(connection, execution, (execution, steps), opening.updated_at)
            return
        known = await _locked(connection, EXECUTIONS.c.execution_id == opening.execution_id)
        if known is not None:
            await _write(connection, known, follow_opening(known, opening), opening.updated_at)

    async def follow(self, position: PositionSeen, now: datetime) -> Execution | None:
        """Take in a version of a position; None where no execution is behind it."""
        async with transaction(self._engine) as connection:
            known = await _locked(connection, EXECUTIONS.c.intent_id == position.intent_id)
            if known is None:
                return None
            if not is_news(known, position):
                return known
            # One after the other, so that each event has the execution as it was after its step.
            known = await _write(connection, known, meet_position(known, position, now), now)
            closing = None if position.is_open else await _last_closing(connection, position.position_id)
            if closing is not None:
                known = await _begin_closing(connection, known, closing, now)
            known = await _write(connection, known, follow_position(known, position, now), now)
        self._told()
        return known

    async def tell(self, position_id: str, step: Step) -> None:
        """Add a step that changes nothing about the execution that a position belongs to.

        It may come to be known after the end; what happened after the end is left out.
        """
        before_the_end = or_(_RUNNING, EXECUTIONS.c.ended_at >= step.happened_at)
        async with transaction(self._engine) as connection:
            known = await _locked(connection, and_(before_the_end, EXECUTIONS.c.position_id == position_id))
            if known is not None:
                await _write(connection, known, (known, (step,)), step.happened_at)
        self._told()

    async def see_closings(self, partitions: Collection[int], now: datetime) -> None:
        """Take in the closes that have begun since: of open executions whose position has one under way."""
        found_where = and_(
            EXECUTIONS.c.state == ExecutionState.OPEN.value,
            _RUNNING,
            EXECUTIONS.c.partition.in_(partitions),
            INTENTS.c.position_id == EXECUTIONS.c.position_id,
            INTENTS.c.whole,
            _INTENT_LIVE,
        )
        async with transaction(self._engine) as connection:
            found = await connection.execute(select(EXECUTIONS.c.execution_id, *INTENTS.c).where(found_where))
            closings = [(row["execution_id"], intent_from_row(row)) for row in found.mappings()]
        for execution_id, closing in closings:
            async with transaction(self._engine) as connection:
                known = await _locked(connection, EXECUTIONS.c.execution_id == execution_id)
                if known is not None:
                    await _begin_closing(connection, known, closing, now)
            self._told()

    async def change(
        self, user_id: str, execution_id: UUID, change: Callable[[Execution], Followed], now: datetime
    ) -> Execution:
        """Change one. Raises ExecutionNotFound, for another user's as well, and what `change` raises."""
        async with transaction(self._engine) as connection:
            known = await _locked(connection, _of(user_id, execution_id))
            if known is None:
                raise ExecutionNotFound(execution_id=execution_id)
            execution = await _write(connection, known, change(known), now)
        self._told()
        return execution

    async def get(self, user_id: str, execution_id: UUID) -> Execution:
        """One as it is now. Raises ExecutionNotFound, for another user's as well."""
        async with transaction(self._engine) as connection:
            found = await connection.execute(select(EXECUTIONS).where(_of(user_id, execution_id)))
            row = found.mappings().first()
        if row is None:
            raise ExecutionNotFound(execution_id=execution_id)
        return from_row(row)

    async def updates(self, execution_id: UUID, after: int, limit: int) -> tuple[ExecutionUpdate, ...]:
        """Its steps after a sequence, the first one first."""
        steps = (
            select(EXECUTION_UPDATES)
            .where(EXECUTION_UPDATES.c.execution_id == execution_id, EXECUTION_UPDATES.c.sequence > after)
            .order_by(EXECUTION_UPDATES.c.sequence)
            .limit(limit)
        )
        async with transaction(self._engine) as connection:
            return tuple(update_from_row(row) for row in (await connection.execute(steps)).mappings())

    async def was_told(self, execution_id: UUID, fact: str) -> bool:
        """Whether a fact is among its steps."""
        told = select(EXECUTION_UPDATES.c.sequence).where(
            EXECUTION_UPDATES.c.execution_id == execution_id, EXECUTION_UPDATES.c.fact == fact
        )
        async with transaction(self._engine) as connection:
            return (await connection.execute(told)).first() is not None

    async def list(
        self, user_id: str, flow_id: str, before: int | None, limit: int, *, running: bool
    ) -> tuple[tuple[int, Execution], ...]:
        """Those of a user with their places, the latest started first; `before`: only those placed before that."""
        chosen = select(EXECUTIONS).where(EXECUTIONS.c.user_id == user_id)
        if flow_id:
            chosen = chosen.where(EXECUTIONS.c.flow_id == flow_id)
        if running:
            chosen = chosen.where(_RUNNING)
        if before is not None:
            chosen = chosen.where(EXECUTIONS.c.place < before)
        async with transaction(self._engine) as connection:
            found = await connection.execute(chosen.order_by(EXECUTIONS.c.place.desc()).limit(limit))
            return tuple((row["place"], from_row(row)) for row in found.mappings())

    async def running(self, partitions: Collection[int]) -> tuple[Execution, ...]:
        """Those that have a position and have not ended."""
        return await self._chosen(
            and_(_RUNNING, EXECUTIONS.c.partition.in_(partitions), EXECUTIONS.c.position_id != "")
        )

    async def to_stop(self, partitions: Collection[int]) -> tuple[Execution, ...]:
        """Those that somebody wants stopped and that have not ended."""
        wanted = EXECUTIONS.c.stop_request_id.is_not(None)
        return await self._chosen(and_(_RUNNING, EXECUTIONS.c.partition.in_(partitions), wanted))

    async def _chosen(self, where: ColumnElement[bool]) -> tuple[Execution, ...]:
        async with transaction(self._engine) as connection:
            found = await connection.execute(select(EXECUTIONS).where(where))
            return tuple(from_row(row) for row in found.mappings())

    async def sequences(self, execution_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """The latest sequence of each."""
        chosen = select(EXECUTIONS.c.execution_id, EXECUTIONS.c.sequence)
        async with transaction(self._engine) as connection:
            found = await connection.execute(chosen.where(EXECUTIONS.c.execution_id.in_(execution_ids)))
            return {row.execution_id: row.sequence for row in found}


def _of(user_id: str, execution_id: UUID) -> ColumnElement[bool]:
    return and_(EXECUTIONS.c.execution_id == execution_id, EXECUTIONS.c.user_id == user_id)


async def _locked(connection: AsyncConnection, where: ColumnElement[bool]) -> Execution | None:
    found = await connection.execute(select(EXECUTIONS).where(where).with_for_update())
    row = found.mappings().first()
    return None if row is None else from_row(row)


async def _last_closing(connection: AsyncConnection, position_id: str) -> Intent | None:
    """The first attempt of the last decision to close a position."""
    last = (
        select(INTENTS.c.closing_id)
        .where(INTENTS.c.position_id == position_id)
        .order_by(INTENTS.c.place.desc())
        .limit(1)
        .scalar_subquery()
    )
    found = await connection.execute(select(INTENTS).where(INTENTS.c.closing_id == last).order_by(INTENTS.c.place))
    row = found.mappings().first()
    return None if row is None else intent_from_row(row)


async def _begin_closing(connection: AsyncConnection, known: Execution, closing: Intent, now: datetime) -> Execution:
    """Take in a close, after the advice that it came of where it came of any: that is told before it is heard of."""
    if closing.cause is OrderCause.AI_SIGNAL and not known.state.ended:
        advised = (
            select(EVALUATIONS)
            .where(
                EVALUATIONS.c.position_id == closing.position_id,
                EVALUATIONS.c.action == Action.CLOSE.value,
                EVALUATIONS.c.outcome == Outcome.ACTED.value,
            )
            .order_by(EVALUATIONS.c.place.desc())
            .limit(1)
        )
        row = (await connection.execute(advised)).mappings().first()
        if row is not None:
            step = read_evaluation(write_evaluation(evaluation_from_row(row)))
            known = await _write(connection, known, (known, (step,)), now)
    return await _write(connection, known, begin_closing(known, closing), now)


async def _write(connection: AsyncConnection, before: Execution, followed: Followed, now: datetime) -> Execution:
    """Write what an execution has become, its new steps and their events."""
    execution, steps = followed
    known = EXECUTION_UPDATES.c.fact
    told: set[str] = set()
    if steps:
        facts = select(known).where(
            EXECUTION_UPDATES.c.execution_id == execution.execution_id, known.in_([step.fact for step in steps])
        )
        told = {row.fact for row in await connection.execute(facts)}
    new = [step for step in steps if step.fact not in told]
    execution = replace(execution, sequence=before.sequence + len(new))
    if execution == before:
        return execution
    row = to_row(execution)
    del row["execution_id"]
    await connection.execute(update(EXECUTIONS).where(EXECUTIONS.c.execution_id == execution.execution_id).values(row))
    for sequence, step in enumerate(new, before.sequence + 1):
        await connection.execute(
            insert(EXECUTION_UPDATES),
            {
                "execution_id": execution.execution_id,
                "sequence": sequence,
                "fact": step.fact,
                "happened_at": step.happened_at,
                "step": step.step.value,
                "detail": step.detail,
            },
        )
        told_of = ExecutionUpdate(sequence, step.happened_at, step.step, step.detail)
        await append(connection, execution_updated(told_of, replace(execution, sequence=sequence), now))
    return execution
