"""Which decisions were carried out, so that a run that is sent again changes nothing."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.positions.domain.decision import DecisionResult, Outcome
from services.positions.store.tables import applied_decisions


async def lock_account(connection: AsyncConnection, account_id: str) -> None:
    """Hold an account's decisions until the transaction ends."""
    await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(account_id, 0))))


async def list_applied(connection: AsyncConnection, run_id: str) -> dict[str, DecisionResult]:
    """What was done of a run, by decision."""
    rows = await connection.execute(select(applied_decisions).where(applied_decisions.c.run_id == run_id))
    return {row.decision_id: DecisionResult(row.decision_id, Outcome(row.outcome), row.position_id) for row in rows}


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
