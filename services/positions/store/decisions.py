"""Which decisions were carried out, so that a run that is sent again changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Text, bindparam, delete, func, insert, select, tuple_
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from services.positions.domain.decision import DecisionResult, Outcome
from services.positions.store.accounts import AccountStanding, standing_from_row, standing_with
from services.positions.store.tables import applied_decisions

_LOCK = select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("of_account", type_=Text), 0)))
_done = func.jsonb_build_array(
    applied_decisions.c.decision_id, applied_decisions.c.outcome, applied_decisions.c.position_id
)
_BEGIN = standing_with(
    select(func.jsonb_agg(_done, type_=JSONB))
    .where(applied_decisions.c.run_id == bindparam("of_run"))
    .scalar_subquery()
    .label("done")
)


async def lock_account(connection: AsyncConnection, account_id: str) -> None:
    """Hold an account's decisions until the transaction ends."""
    await connection.execute(_LOCK, {"of_account": account_id})


@dataclass(frozen=True, slots=True)
class RunStart:
    """What a run over an account begins with: how the account stands, and what was done of the run, by decision."""

    standing: AccountStanding
    before: dict[str, DecisionResult]


async def begin_run(connection: AsyncConnection, run_id: str, account_id: str) -> RunStart:
    """Raises AccountNotFound."""
    row = (await connection.execute(_BEGIN, {"of_account": account_id, "of_run": run_id})).one_or_none()
    standing = standing_from_row(row, account_id)
    done = row.done if row is not None and row.done is not None else []
    return RunStart(standing, {one: DecisionResult(one, Outcome(outcome), place) for one, outcome, place in done})


async def record(
    connection: AsyncConnection, run_id: str, results: Sequence[DecisionResult], applied_at: datetime
) -> None:
    """Keep what was done."""
    if results:
        await connection.execute(
            insert(applied_decisions),
            [
                {
                    "run_id": run_id,
                    "decision_id": result.decision_id,
                    "outcome": result.outcome.value,
                    "position_id": result.position_id,
                    "applied_at": applied_at,
                }
                for result in results
            ],
        )


async def prune_applied(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Forget what was done before a moment, at most so many decisions; how many they were."""
    done = applied_decisions.c
    key = tuple_(done.run_id, done.decision_id)
    old = select(done.run_id, done.decision_id).where(done.applied_at < before).limit(limit)
    return (await connection.execute(delete(applied_decisions).where(key.in_(old)))).rowcount
