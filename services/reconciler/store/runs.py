"""What runs found: kept with the evidence, announced in the same transaction."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.common.database import transaction
from services.common.errors import LeaseLost
from services.common.outbox import OutboxEvent, append
from services.common.trading.reading import ReadingStatus
from services.common.trading.side import PositionSide, Venue
from services.reconciler.domain.absence import PendingAbsence
from services.reconciler.domain.discrepancy import Discrepancy, DiscrepancyKind
from services.reconciler.domain.observation import ObservableAccount
from services.reconciler.domain.run import AccountRun, Finding, Findings, RunResult, Trigger
from services.reconciler.store.accounts import Claim, held_by
from services.reconciler.store.tables import ACCOUNTS, DISCREPANCIES, PENDING_ABSENCES, RUNS


class RunStore:
    """Finished runs, their discrepancies, and the absences that they left pending."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def absences(self, account_id: str) -> tuple[PendingAbsence, ...]:
        """The rows of an account that earlier runs missed and could not explain."""
        query = select(PENDING_ABSENCES).where(PENDING_ABSENCES.c.account_id == account_id)
        async with transaction(self._engine) as connection:
            return tuple(
                PendingAbsence(row.position_id, row.first_missed_at, row.last_counted_at, row.readings, row.evidence)
                for row in await connection.execute(query.order_by(PENDING_ABSENCES.c.position_id))
            )

    async def finish(self, claim: Claim, run: AccountRun, due_at: datetime, events: Iterable[OutboxEvent]) -> None:
        """Keep a run, free its account until `due_at` and announce it, all at once.

        Raises LeaseLost, and keeps nothing, where another claimed the account meanwhile or it is no longer scheduled.
        """
        freed = (
            update(ACCOUNTS)
            .where(held_by(claim))
            .values(
                due_at=due_at,
                failures=0 if run.findings.read_whole else ACCOUNTS.c.failures + 1,
                last_run_at=run.finished_at,
                lease_owner=None,
                lease_expires_at=None,
            )
            .returning(ACCOUNTS.c.account_id)
        )
        async with transaction(self._engine) as connection:
            if (await connection.execute(freed)).first() is None:
                raise LeaseLost(key=claim.account.account_id)
            await connection.execute(insert(RUNS).values(_run_values(run)))
            await _keep_findings(connection, run)
            await _keep_absences(connection, run)
            for event in events:
                await append(connection, event)

    async def latest(self, account_id: str) -> AccountRun | None:
        """The newest finished run of an account."""
        query = select(RUNS).where(RUNS.c.account_id == account_id).order_by(RUNS.c.started_at.desc()).limit(1)
        async with transaction(self._engine) as connection:
            row = (await connection.execute(query)).first()
            if row is None:
                return None
            found = await connection.execute(
                select(DISCREPANCIES).where(DISCREPANCIES.c.run_id == row.run_id).order_by(DISCREPANCIES.c.number)
            )
            return _to_run(row, tuple(_to_finding(line) for line in found))


async def _keep_findings(connection: AsyncConnection, run: AccountRun) -> None:
    rows = [
        {
            "run_id": run.run_id,
            "number": number,
            "kind": finding.discrepancy.kind,
            "symbol": finding.discrepancy.symbol,
            "position_side": finding.discrepancy.position_side,
            "position_id": finding.discrepancy.position_id,
            "evidence": finding.discrepancy.evidence,
            "repaired": finding.repaired,
            "known": finding.discrepancy.known,
        }
        for number, finding in enumerate(run.findings.findings)
    ]
    if rows:
        await connection.execute(insert(DISCREPANCIES).values(rows))


async def _keep_absences(connection: AsyncConnection, run: AccountRun) -> None:
    account_id = run.account.account_id
    await connection.execute(delete(PENDING_ABSENCES).where(PENDING_ABSENCES.c.account_id == account_id))
    rows = [
        {
            "account_id": account_id,
            "position_id": absence.position_id,
            "first_missed_at": absence.first_missed_at,
            "last_counted_at": absence.last_counted_at,
            "readings": absence.readings,
            "evidence": absence.evidence,
        }
        for absence in run.findings.absences
    ]
    if rows:
        await connection.execute(insert(PENDING_ABSENCES).values(rows))


def _run_values(run: AccountRun) -> dict[str, Any]:
    findings = run.findings
    return {
        "run_id": run.run_id,
        "account_id": run.account.account_id,
        "user_id": run.account.user_id,
        "exchange": run.account.exchange,
        "trigger": run.trigger,
        "result": findings.result,
        "reason": findings.reason,
        "reading": findings.reading,
        "adopted": findings.adopted,
        "closed": findings.closed,
        "adjusted": findings.adjusted,
        "pending": findings.pending,
        "rounds": findings.rounds,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
    }


def _to_run(row: Row[Any], findings: tuple[Finding, ...]) -> AccountRun:
    return AccountRun(
        run_id=row.run_id,
        account=ObservableAccount(row.account_id, row.user_id, Venue(row.exchange)),
        trigger=Trigger(row.trigger),
        findings=Findings(
            result=RunResult(row.result),
            reason=row.reason,
            reading=None if row.reading is None else ReadingStatus(row.reading),
            adopted=row.adopted,
            closed=row.closed,
            adjusted=row.adjusted,
            pending=row.pending,
            rounds=row.rounds,
            findings=findings,
        ),
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _to_finding(row: Row[Any]) -> Finding:
    discrepancy = Discrepancy(
        DiscrepancyKind(row.kind),
        row.symbol,
        PositionSide(row.position_side),
        row.position_id,
        row.evidence,
        known=row.known,
    )
    return Finding(discrepancy, row.repaired)
