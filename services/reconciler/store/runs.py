"""What runs found: kept with the evidence, announced in the same transaction."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import case, delete, distinct, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_ignore
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.common.database import transaction
from services.common.errors import LeaseLost
from services.common.outbox import OutboxEvent, append
from services.common.trading.reading import ReadingStatus
from services.common.trading.side import PositionSide, Venue
from services.reconciler.domain.absence import PendingAbsence
from services.reconciler.domain.completion import FIRST_TRY, EstimatedExit, tried
from services.reconciler.domain.decision import kind_of
from services.reconciler.domain.discrepancy import Discrepancy, DiscrepancyKind
from services.reconciler.domain.observation import ObservableAccount
from services.reconciler.domain.run import AccountRun, EndedRow, Finding, Findings, RunResult, Suspicion, Trigger
from services.reconciler.store.accounts import Claim, held_by
from services.reconciler.store.confirmations import aliased_confirmation, same_absence
from services.reconciler.store.tables import ACCOUNTS, DISCREPANCIES, ESTIMATED_EXITS, PENDING_ABSENCES, RUNS

_LONG_FAILING = 6
"""Failures in a row after which an account no longer says anything about its venue."""


class RunStore:
    """Finished runs, their discrepancies, and the absences that they left pending."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def absences(self, account_id: str) -> tuple[PendingAbsence, ...]:
        """The rows of an account that earlier runs missed and could not explain, with who confirmed that they are gone.

        A confirmation is of one absence: it says nothing about a row that was listed again since.
        """
        said = aliased_confirmation()
        query = (
            select(PENDING_ABSENCES, said.c.operator_id)
            .outerjoin(said, same_absence(said))
            .where(PENDING_ABSENCES.c.account_id == account_id)
            .order_by(PENDING_ABSENCES.c.position_id)
        )
        async with transaction(self._engine) as connection:
            return tuple(_to_absence(row) for row in await connection.execute(query))

    async def estimated(self, account_id: str) -> tuple[EstimatedExit, ...]:
        """The closed rows of an account that wait for their fills."""
        query = select(ESTIMATED_EXITS).where(ESTIMATED_EXITS.c.account_id == account_id)
        async with transaction(self._engine) as connection:
            return tuple(
                EstimatedExit(row.position_id, row.symbol, row.missed_at, row.tries, row.next_try_at)
                for row in await connection.execute(query.order_by(ESTIMATED_EXITS.c.position_id))
            )

    async def expect_exits(self, account_id: str, ended: Sequence[EndedRow], now: datetime) -> None:
        """Have the fills of rows asked for that are about to be closed without. One that is not closed then, or needs
        none any more, is forgotten when it is asked for.
        """
        rows = [
            {
                "account_id": account_id,
                "position_id": one.position_id,
                "symbol": one.symbol,
                "missed_at": one.missed_at,
                "tries": 0,
                "next_try_at": now + FIRST_TRY,
            }
            for one in ended
        ]
        async with transaction(self._engine) as connection:
            await connection.execute(insert_or_ignore(ESTIMATED_EXITS).on_conflict_do_nothing(), rows)

    async def degraded(self, account: ObservableAccount, since: datetime, share: float) -> bool:
        """Whether so great a share of the other accounts that were read at its venue lately could not be read whole.

        An account that has failed for long says something about its key, not about its venue, and is left out.
        """
        bad = or_(RUNS.c.reading.is_distinct_from(ReadingStatus.COMPLETE.value), RUNS.c.suspicion != "")
        query = (
            select(func.count(distinct(RUNS.c.account_id)), func.count(distinct(RUNS.c.account_id)).filter(bad))
            .join(ACCOUNTS, ACCOUNTS.c.account_id == RUNS.c.account_id)
            .where(
                RUNS.c.exchange == account.exchange,
                RUNS.c.finished_at >= since,
                RUNS.c.account_id != account.account_id,
                ACCOUNTS.c.failures <= _LONG_FAILING,
            )
        )
        async with transaction(self._engine) as connection:
            read, failed = (await connection.execute(query)).one()
            return bool(failed > 1 and failed >= share * read)

    async def finish(
        self,
        claim: Claim,
        run: AccountRun,
        due_at: datetime,
        events: Iterable[OutboxEvent],
        suspicion: Suspicion | None = None,
    ) -> None:
        """Keep a run, free its account until `due_at` and announce it, all at once.

        Who was asked for since the run began stays due. Raises LeaseLost, and keeps nothing, where another claimed the
        account meanwhile or it is no longer scheduled.
        """
        asked_for_since = ACCOUNTS.c.prompted_at > run.started_at
        freed = (
            update(ACCOUNTS)
            .where(held_by(claim))
            .values(
                due_at=case((asked_for_since, ACCOUNTS.c.due_at), else_=due_at),
                prompted_at=case((asked_for_since, ACCOUNTS.c.prompted_at), else_=None),
                failures=0 if run.findings.read_whole else ACCOUNTS.c.failures + 1,
                last_run_at=run.finished_at,
                last_result=run.findings.result,
                last_reason=run.findings.reason,
                pending_since=run.still_pending_since(claim.pending_since),
                suspicious_since=None if suspicion is None else suspicion.since,
                suspicion_announced=suspicion is not None and suspicion.announced,
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
            if run.findings.absences or claim.pending_since is not None:
                await _keep_absences(connection, run)
            await _keep_estimates(connection, run)
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
            return to_run(row, tuple(_to_finding(line) for line in found))

    async def prune(self, before: datetime, limit: int) -> int:
        """Forget up to `limit` runs that finished before an instant, and what they found; says how many."""
        old = select(RUNS.c.run_id).where(RUNS.c.finished_at < before).order_by(RUNS.c.finished_at).limit(limit)
        async with transaction(self._engine) as connection:
            gone = await connection.execute(delete(RUNS).where(RUNS.c.run_id.in_(old)).returning(RUNS.c.run_id))
            return len(gone.all())


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
            "decisions": ",".join(kind_of(one) for one in finding.discrepancy.decision_ids),
        }
        for number, finding in enumerate(run.findings.findings)
    ]
    if rows:
        await connection.execute(insert(DISCREPANCIES).values(rows))


async def _keep_absences(connection: AsyncConnection, run: AccountRun) -> None:
    account_id = run.account.account_id
    mine, kept = PENDING_ABSENCES.c.account_id == account_id, PENDING_ABSENCES.c
    # What an operator named while the run was under way is for the next one.
    named_since = (kept.readings == 0) & (kept.first_missed_at > run.started_at)
    await connection.execute(delete(PENDING_ABSENCES).where(mine, ~named_since))
    rows = [
        {
            "account_id": account_id,
            "position_id": absence.position_id,
            "first_missed_at": absence.first_missed_at,
            "last_counted_at": absence.last_counted_at,
            "readings": absence.readings,
            "evidence": absence.evidence,
            "flat_readings": absence.flat_readings,
            "suspicious": absence.suspicious,
        }
        for absence in run.findings.absences
    ]
    if rows:
        await connection.execute(insert_or_ignore(PENDING_ABSENCES).values(rows).on_conflict_do_nothing())


async def _keep_estimates(connection: AsyncConnection, run: AccountRun) -> None:
    account_id, findings = run.account.account_id, run.findings
    if findings.completed:
        done = ESTIMATED_EXITS.c.position_id.in_(findings.completed)
        await connection.execute(delete(ESTIMATED_EXITS).where(ESTIMATED_EXITS.c.account_id == account_id, done))
    if findings.tried:
        rows = select(ESTIMATED_EXITS).where(
            ESTIMATED_EXITS.c.account_id == account_id, ESTIMATED_EXITS.c.position_id.in_(findings.tried)
        )
        for row in (await connection.execute(rows)).all():
            waits = EstimatedExit(row.position_id, row.symbol, row.missed_at, row.tries, row.next_try_at)
            later = tried(waits, run.finished_at)
            await connection.execute(
                update(ESTIMATED_EXITS)
                .where(ESTIMATED_EXITS.c.account_id == account_id, ESTIMATED_EXITS.c.position_id == row.position_id)
                .values(tries=later.tries, next_try_at=later.next_try_at)
            )


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
        "completed": findings.completed_exits,
        "suspicion": findings.suspicion,
        "pending": findings.pending,
        "rounds": findings.rounds,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
    }


def to_run(row: Row[Any], findings: tuple[Finding, ...]) -> AccountRun:
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
            completed_exits=row.completed,
            suspicion=row.suspicion,
            pending=row.pending,
            rounds=row.rounds,
            findings=findings,
        ),
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _to_absence(row: Row[Any]) -> PendingAbsence:
    return PendingAbsence(
        row.position_id,
        row.first_missed_at,
        row.last_counted_at,
        row.readings,
        row.evidence,
        row.flat_readings,
        row.suspicious,
        row.operator_id or "",
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
