"""What is asked of the schedule and of its past: how accounts stand, runs and discrepancies by page.

Pages go backwards in time, from a place that the token names; what is new does not shift what was not seen yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Table, and_, func, or_, select, true, tuple_
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.common.database import transaction
from services.common.trading.side import Venue
from services.reconciler.domain.run import AccountRun, RunResult
from services.reconciler.domain.schedule import AccountSchedule, Overview
from services.reconciler.store.runs import to_run
from services.reconciler.store.tables import ACCOUNTS, DISCREPANCIES, ESTIMATED_EXITS, PENDING_ABSENCES, RUNS

_ATTENTION = 100


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose history: of one user, or of all where `user_id` is None; of one account or all where it is None."""

    user_id: str | None
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended. `number` counts the discrepancies of a run, from 0."""

    finished_at: datetime
    run_id: UUID
    number: int = 0


@dataclass(frozen=True, slots=True)
class FoundDiscrepancy:
    """A discrepancy as it is kept, with the run that found it. `decisions` are the kinds of what was decided."""

    run_id: UUID
    number: int
    user_id: str
    account_id: str
    exchange: Venue
    found_at: datetime
    kind: str
    symbol: str
    position_side: str
    position_id: str
    evidence: str
    repaired: bool
    known: bool
    decisions: tuple[str, ...]


class HistoryStore:
    """Reads alone."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def list_runs(self, scope: Scope, after: Place | None, limit: int) -> list[AccountRun]:
        """Finished runs, the latest first, without their findings."""
        query = select(RUNS).where(_scoped(scope)).order_by(RUNS.c.finished_at.desc(), RUNS.c.run_id.desc())
        if after is not None:
            query = query.where(tuple_(RUNS.c.finished_at, RUNS.c.run_id) < (after.finished_at, after.run_id))
        async with transaction(self._engine) as connection:
            return [to_run(row, ()) for row in await connection.execute(query.limit(limit))]

    async def list_discrepancies(self, scope: Scope, after: Place | None, limit: int) -> list[FoundDiscrepancy]:
        """What runs found, the latest first."""
        query = (
            select(DISCREPANCIES, RUNS.c.user_id, RUNS.c.account_id, RUNS.c.exchange, RUNS.c.finished_at)
            .join(RUNS, RUNS.c.run_id == DISCREPANCIES.c.run_id)
            .where(_scoped(scope))
            .order_by(RUNS.c.finished_at.desc(), RUNS.c.run_id.desc(), DISCREPANCIES.c.number.desc())
        )
        if after is not None:
            where = tuple_(RUNS.c.finished_at, RUNS.c.run_id, DISCREPANCIES.c.number)
            query = query.where(where < (after.finished_at, after.run_id, after.number))
        async with transaction(self._engine) as connection:
            return [_to_found(row) for row in await connection.execute(query.limit(limit))]

    async def accounts_of(self, user_id: str) -> list[AccountSchedule]:
        """How the accounts of a user stand, by id."""
        async with transaction(self._engine) as connection:
            return await _schedules(connection, ACCOUNTS.c.user_id == user_id)

    async def discrepancies_of(self, user_id: str | None) -> tuple[int, int]:
        """How many discrepancies were found and how many of them repaired, of the runs that are kept."""
        async with transaction(self._engine) as connection:
            return await _count_discrepancies(connection, Scope(user_id))

    async def overview(self, now: datetime, interval: timedelta) -> Overview:
        """How the accounts of all users stand."""
        free = or_(ACCOUNTS.c.lease_owner.is_(None), ACCOUNTS.c.lease_expires_at <= now)
        overdue = and_(ACCOUNTS.c.due_at < now, free)
        counts = select(
            func.count(),
            func.count().filter(overdue),
            func.min(ACCOUNTS.c.due_at).filter(overdue),
            func.count().filter(ACCOUNTS.c.failures > 0),
            func.count().filter(ACCOUNTS.c.suspicious_since.is_not(None)),
        )
        lately = select(RUNS.c.result, func.count()).where(RUNS.c.finished_at >= now - interval).group_by(RUNS.c.result)
        holders = (
            select(ACCOUNTS.c.lease_owner, func.count())
            .where(ACCOUNTS.c.lease_owner.is_not(None), ACCOUNTS.c.lease_expires_at > now)
            .group_by(ACCOUNTS.c.lease_owner)
        )
        attention = (ACCOUNTS.c.failures > 0) | ACCOUNTS.c.suspicious_since.is_not(None)
        async with transaction(self._engine) as connection:
            accounts, late, earliest, failing, suspicious = (await connection.execute(counts)).one()
            absences = (await connection.execute(_of_scheduled(PENDING_ABSENCES))).scalar_one()
            estimated = (await connection.execute(_of_scheduled(ESTIMATED_EXITS))).scalar_one()
            runs = {RunResult(result): number for result, number in await connection.execute(lately)}
            replicas = {str(owner): int(number) for owner, number in await connection.execute(holders)}
            found, repaired = await _count_discrepancies(connection, Scope(None))
            return Overview(
                accounts=accounts,
                overdue=late,
                lag=timedelta(0) if earliest is None else now - earliest,
                failing=failing,
                pending_absences=absences,
                suspicious=suspicious,
                estimated_exits=estimated,
                runs=runs,
                replicas=replicas,
                discrepancies_found=found,
                discrepancies_repaired=repaired,
                attention=tuple(await _schedules(connection, attention, limit=_ATTENTION)),
            )


def _of_scheduled(table: Table) -> Select[int]:
    """How many rows of accounts that can be read: of the others nothing can be found out until they have a key."""
    return select(func.count()).select_from(table.join(ACCOUNTS, ACCOUNTS.c.account_id == table.c.account_id))


def _scoped(scope: Scope) -> Any:
    of_user = true() if scope.user_id is None else RUNS.c.user_id == scope.user_id
    return of_user if scope.account_id is None else and_(of_user, RUNS.c.account_id == scope.account_id)


async def _count_discrepancies(connection: AsyncConnection, scope: Scope) -> tuple[int, int]:
    query = (
        select(func.count().filter(~DISCREPANCIES.c.known), func.count().filter(DISCREPANCIES.c.repaired))
        .join(RUNS, RUNS.c.run_id == DISCREPANCIES.c.run_id)
        .where(_scoped(scope))
    )
    found, repaired = (await connection.execute(query)).one()
    return found, repaired


async def _schedules(connection: AsyncConnection, which: Any, limit: int | None = None) -> list[AccountSchedule]:
    absences, estimates = PENDING_ABSENCES.c.account_id, ESTIMATED_EXITS.c.account_id
    query = (
        select(
            ACCOUNTS,
            select(func.count()).where(absences == ACCOUNTS.c.account_id).scalar_subquery().label("absences"),
            select(func.count()).where(estimates == ACCOUNTS.c.account_id).scalar_subquery().label("estimates"),
        )
        .where(which)
        .order_by(ACCOUNTS.c.account_id)
        .limit(limit)
    )
    return [_to_schedule(row) for row in await connection.execute(query)]


def _to_schedule(row: Row[Any]) -> AccountSchedule:
    return AccountSchedule(
        account_id=row.account_id,
        exchange=Venue(row.exchange),
        last_result=None if row.last_result is None else RunResult(row.last_result),
        last_reason=row.last_reason,
        failures=row.failures,
        last_run=row.last_run_at,
        next_run=row.due_at,
        pending_absences=row.absences,
        suspicious_since=row.suspicious_since,
        estimated_exits=row.estimates,
    )


def _to_found(row: Row[Any]) -> FoundDiscrepancy:
    decisions: Sequence[str] = row.decisions.split(",") if row.decisions else ()
    return FoundDiscrepancy(
        run_id=row.run_id,
        number=row.number,
        user_id=row.user_id,
        account_id=row.account_id,
        exchange=Venue(row.exchange),
        found_at=row.finished_at,
        kind=row.kind,
        symbol=row.symbol,
        position_side=row.position_side,
        position_id=row.position_id,
        evidence=row.evidence,
        repaired=row.repaired,
        known=row.known,
        decisions=tuple(decisions),
    )
