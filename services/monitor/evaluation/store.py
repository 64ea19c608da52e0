"""Evaluations, modes and spending in Postgres.

Invariants: a row and the event that tells of it are written together; of a day's budget no more is promised than there
is, however many replicas ask at once.
"""

import asyncio
import uuid
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import RowMapping, and_, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.common.database import transaction
from services.common.outbox import append
from services.monitor.domain.evaluation.advice import Action, Advice, Mode, Outcome, Urgency
from services.monitor.domain.evaluation.evaluation import Evaluation, ModelCall
from services.monitor.domain.evaluation.memory import RECENT, Memory
from services.monitor.events.evaluations import position_evaluated
from services.monitor.store import ADVISOR_SETTINGS, ADVISOR_SPENDING, EVALUATIONS

EVERYBODY = ""
SPENDING_AT_ONCE = 2
"""How many connections budgets may hold; closings need the others."""
_INSERT = insert(EVALUATIONS)
# One that is acted on is written before the act, and again when it is known what came of it.
_WRITE = _INSERT.on_conflict_do_update(
    index_elements=["evaluation_id"],
    set_={"outcome": _INSERT.excluded.outcome, "outcome_reason": _INSERT.excluded.outcome_reason},
)


class PostgresEvaluations:
    """All of it. Everything raises DatabaseUnavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        # All spending meets in one row: without this, those that wait for it would hold every connection there is.
        self._spending = asyncio.Semaphore(SPENDING_AT_ONCE)

    async def write(self, evaluations: Collection[Evaluation], news: Iterable[Evaluation]) -> None:
        """Keep evaluations, and tell of those that are news. Of one that is kept, what came of it is taken anew."""
        if not evaluations:
            return
        async with transaction(self._engine) as connection:
            await connection.execute(_WRITE, [_to_row(one) for one in evaluations])
            for one in news:
                await append(connection, position_evaluated(one))

    async def remember(self, position_ids: Collection[str], midnight: datetime) -> dict[str, Memory]:
        """What is known of positions from before; of those without an evaluation there is none."""
        place = func.row_number().over(partition_by=EVALUATIONS.c.position_id, order_by=EVALUATIONS.c.place.desc())
        ranked = (
            select(EVALUATIONS, place.label("latest")).where(EVALUATIONS.c.position_id.in_(position_ids)).subquery()
        )
        acted = (
            select(
                EVALUATIONS.c.position_id,
                func.max(EVALUATIONS.c.evaluated_at).label("acted_at"),
                func.count().filter(EVALUATIONS.c.evaluated_at >= midnight).label("today"),
            )
            .where(EVALUATIONS.c.position_id.in_(position_ids), EVALUATIONS.c.outcome == Outcome.ACTED.value)
            .group_by(EVALUATIONS.c.position_id)
        )
        async with transaction(self._engine) as connection:
            latest = await connection.execute(
                select(ranked).where(ranked.c.latest <= RECENT).order_by(ranked.c.place.desc())
            )
            rows = latest.mappings().all()
            acts = {row.position_id: row for row in await connection.execute(acted)}
        found: dict[str, Memory] = {}
        for row in rows:
            memory = found.setdefault(row["position_id"], Memory(day=midnight.date()))
            if memory.outcome is None:
                memory.outcome = Outcome(row["outcome"])
            memory.recent = (*memory.recent, _advice(row))
        for position_id, act in acts.items():
            memory = found[position_id]
            memory.acted_at, memory.acted_today = act.acted_at, act.today
        return found

    async def list_page(
        self, user_id: str, position_id: str, before: int | None, limit: int
    ) -> list[tuple[int, Evaluation]]:
        """Evaluations of a user's position, the latest first, each with its place."""
        query = select(EVALUATIONS).where(
            and_(EVALUATIONS.c.position_id == position_id, EVALUATIONS.c.user_id == user_id)
        )
        if before is not None:
            query = query.where(EVALUATIONS.c.place < before)
        async with transaction(self._engine) as connection:
            rows = await connection.execute(query.order_by(EVALUATIONS.c.place.desc()).limit(limit))
            return [(row["place"], evaluation_from_row(row)) for row in rows.mappings()]

    async def prune(self, before: datetime) -> None:
        """Forget evaluations and spending that are older."""
        async with transaction(self._engine) as connection:
            await connection.execute(delete(EVALUATIONS).where(EVALUATIONS.c.evaluated_at < before))
            await connection.execute(delete(ADVISOR_SPENDING).where(ADVISOR_SPENDING.c.day < before.date()))

    async def modes(self) -> dict[str, Mode]:
        """What users said themselves."""
        async with transaction(self._engine) as connection:
            rows = await connection.execute(select(ADVISOR_SETTINGS.c.user_id, ADVISOR_SETTINGS.c.mode))
            return {row.user_id: Mode(row.mode) for row in rows}

    async def set_mode(self, user_id: str, mode: Mode, now: datetime) -> None:
        """How far the advisor may go for a user from now on."""
        statement = insert(ADVISOR_SETTINGS).values(user_id=user_id, mode=mode.value, changed_at=now)
        async with transaction(self._engine) as connection:
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["user_id"], set_={"mode": mode.value, "changed_at": now}
                )
            )

    async def reserve(self, user_id: str, amount: Decimal, day: date, limits: Mapping[str, Decimal]) -> str:
        """Promise an amount of a day's budget, of the user's and of everybody's (`limits` by whose); empty where that
        was done, else whose is used up."""
        async with self._spending, transaction(self._engine) as connection:
            spent = await _lock_spending(connection, (user_id, EVERYBODY), day)
            for whose in (EVERYBODY, user_id):
                if spent[whose] + amount > limits[whose]:
                    return "everybody" if whose == EVERYBODY else "user"
            await _add(connection, (user_id, EVERYBODY), day, amount)
        return ""

    async def settle(self, user_id: str, difference: Decimal, day: date) -> None:
        """Put right what was promised: the cost less the promise."""
        if difference:
            async with self._spending, transaction(self._engine) as connection:
                await _lock_spending(connection, (user_id, EVERYBODY), day)
                await _add(connection, (user_id, EVERYBODY), day, difference)

    async def spent(self, user_id: str, day: date) -> Decimal:
        """What a user's evaluations have cost on a day, US dollars, with what is promised."""
        query = select(ADVISOR_SPENDING.c.spent_usd).where(
            ADVISOR_SPENDING.c.user_id == user_id, ADVISOR_SPENDING.c.day == day
        )
        async with transaction(self._engine) as connection:
            return (await connection.execute(query)).scalar_one_or_none() or Decimal(0)


async def _lock_spending(connection: AsyncConnection, users: tuple[str, ...], day: date) -> dict[str, Decimal]:
    """What is spent, held until the transaction ends; everybody locks in the same order."""
    ordered = sorted(users)
    await connection.execute(
        insert(ADVISOR_SPENDING)
        .values([{"day": day, "user_id": one, "spent_usd": Decimal(0)} for one in ordered])
        .on_conflict_do_nothing()
    )
    rows = await connection.execute(
        select(ADVISOR_SPENDING.c.user_id, ADVISOR_SPENDING.c.spent_usd)
        .where(ADVISOR_SPENDING.c.day == day, ADVISOR_SPENDING.c.user_id.in_(ordered))
        .order_by(ADVISOR_SPENDING.c.user_id)
        .with_for_update()
    )
    return {row.user_id: row.spent_usd for row in rows}


async def _add(connection: AsyncConnection, users: tuple[str, ...], day: date, amount: Decimal) -> None:
    await connection.execute(
        ADVISOR_SPENDING.update()
        .where(ADVISOR_SPENDING.c.day == day, ADVISOR_SPENDING.c.user_id.in_(users))
        .values(spent_usd=ADVISOR_SPENDING.c.spent_usd + amount)
    )


def _to_row(one: Evaluation) -> dict[str, Any]:
    call = one.call
    return {
        "evaluation_id": one.evaluation_id,
        "position_id": one.position_id,
        "user_id": one.user_id,
        "account_id": one.account_id,
        "evaluated_at": one.evaluated_at,
        "action": one.advice.action.value,
        "price": one.advice.price,
        "reason": one.advice.reason,
        "urgency": one.advice.urgency.value,
        "confidence": one.advice.confidence,
        "outcome": one.outcome.value,
        "outcome_reason": one.outcome_reason,
        "advisor": one.advisor,
        "fallback_reason": one.fallback_reason,
        "mark_price": one.mark_price,
        "sentiment": one.sentiment,
        "conditions": dict(one.conditions),
        "model": None if call is None else call.model,
        "prompt_hash": None if call is None else call.prompt_hash,
        "answer_hash": None if call is None else call.answer_hash,
        "latency_milliseconds": None if call is None else call.latency_milliseconds,
        "input_tokens": None if call is None else call.input_tokens,
        "output_tokens": None if call is None else call.output_tokens,
        "cost_usd": None if call is None else call.cost_usd,
    }


def evaluation_from_row(row: RowMapping) -> Evaluation:
    """The evaluation of a row."""
    call = None
    if row["model"] is not None:
        call = ModelCall(
            model=row["model"],
            prompt_hash=row["prompt_hash"],
            answer_hash=row["answer_hash"],
            latency_milliseconds=row["latency_milliseconds"],
            input_tokens=row["input_tokens"],
            output_tokens=row["output_tokens"],
            cost_usd=row["cost_usd"],
        )
    return Evaluation(
        evaluation_id=uuid.UUID(str(row["evaluation_id"])),
        position_id=row["position_id"],
        user_id=row["user_id"],
        account_id=row["account_id"],
        evaluated_at=row["evaluated_at"],
        advice=_advice(row),
        outcome=Outcome(row["outcome"]),
        outcome_reason=row["outcome_reason"],
        advisor=row["advisor"],
        fallback_reason=row["fallback_reason"],
        mark_price=row["mark_price"],
        sentiment=row["sentiment"],
        conditions=row["conditions"],
        call=call,
    )


def _advice(row: RowMapping) -> Advice:
    return Advice(Action(row["action"]), row["reason"], Urgency(row["urgency"]), row["confidence"], row["price"])
