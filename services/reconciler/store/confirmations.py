"""What operators have confirmed to be gone: kept for good, with who said so and why.

Invariant: a confirmation is of one absence, named by when it began; a row that was listed again since needs another.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, and_, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.common.database import transaction
from services.common.errors import RequestIdReused
from services.reconciler.domain.errors import NoPendingAbsence
from services.reconciler.store.tables import ACCOUNTS, CONFIRMATIONS, PENDING_ABSENCES


class ConfirmationStore:
    """Confirmations by operators."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def confirm(
        self, account_id: str, position_id: str, operator_id: str, note: str, request_id: str, now: datetime
    ) -> tuple[str, ...]:
        """Confirm one pending absence, or all of an account where `position_id` is empty; says which. While the venue's
        word on the account is doubted, any position may be named. The same request again changes nothing, and is
        answered as it was.

        Raises NoPendingAbsence, RequestIdReused.
        """
        query = select(PENDING_ABSENCES).where(PENDING_ABSENCES.c.account_id == account_id).with_for_update()
        if position_id:
            query = query.where(PENDING_ABSENCES.c.position_id == position_id)
        async with transaction(self._engine) as connection:
            if request_id:
                before = await _said_before(connection, operator_id, request_id)
                if before:
                    return _same_answer(before, account_id, position_id, note, request_id)
            absences = (await connection.execute(query.order_by(PENDING_ABSENCES.c.position_id))).all()
            if not absences and not (position_id and await _is_doubted(connection, account_id)):
                raise NoPendingAbsence(account_id=account_id)
            missed = [(absence.position_id, absence.first_missed_at) for absence in absences]
            if not absences:
                # While the venue's word is doubted nothing is counted as missing: the operator says what is.
                missed = [(position_id, now)]
                await connection.execute(insert(PENDING_ABSENCES).values(_doubted(account_id, position_id, now)))
            rows = [
                {
                    "confirmation_id": uuid4(),
                    "account_id": account_id,
                    "position_id": missing_id,
                    "operator_id": operator_id,
                    "note": note,
                    "request_id": request_id,
                    "confirmed_at": now,
                    "first_missed_at": first_missed_at,
                }
                for missing_id, first_missed_at in missed
            ]
            await connection.execute(insert(CONFIRMATIONS), rows)
            return tuple(missing_id for missing_id, _ in missed)


async def _is_doubted(connection: AsyncConnection, account_id: str) -> bool:
    """Whether the venue's word on an account is doubted now; held, so that no run ends the doubt meanwhile."""
    query = select(ACCOUNTS.c.suspicious_since).where(ACCOUNTS.c.account_id == account_id).with_for_update()
    return (await connection.execute(query)).scalar_one_or_none() is not None


def _doubted(account_id: str, position_id: str, now: datetime) -> dict[str, Any]:
    """An absence that no reading has shown."""
    return {
        "account_id": account_id,
        "position_id": position_id,
        "first_missed_at": now,
        "last_counted_at": now,
        "readings": 0,
        "evidence": "An operator says that it is gone, while what the venue says is doubted.",
        "suspicious": True,
    }


async def _said_before(connection: AsyncConnection, operator_id: str, request_id: str) -> Sequence[Row[Any]]:
    """What this operator confirmed by this request. Of two at the same time, the second one waits for the first."""
    await connection.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"{operator_id} {request_id}", 0)))
    )
    said = CONFIRMATIONS.c
    mine = select(CONFIRMATIONS).where(said.operator_id == operator_id, said.request_id == request_id)
    return (await connection.execute(mine.order_by(said.position_id))).all()


def _same_answer(
    before: Sequence[Row[Any]], account_id: str, position_id: str, note: str, request_id: str
) -> tuple[str, ...]:
    """Raises RequestIdReused, where it was about something else."""
    covered = tuple(row.position_id for row in before)
    same = all((row.account_id, row.note) == (account_id, note) for row in before)
    if not same or position_id not in ("", *covered) or (position_id and len(covered) > 1):
        raise RequestIdReused(request_id=request_id)
    return covered


def aliased_confirmation() -> Any:
    """One confirmation of each absence, as something to join."""
    said = CONFIRMATIONS.c
    return (
        select(
            said.account_id,
            said.position_id,
            said.first_missed_at,
            func.max(said.operator_id).label("operator_id"),
        )
        .group_by(said.account_id, said.position_id, said.first_missed_at)
        .subquery()
    )


def same_absence(said: Any) -> Any:
    """The condition that a confirmation is of a pending absence."""
    return and_(
        said.c.account_id == PENDING_ABSENCES.c.account_id,
        said.c.position_id == PENDING_ABSENCES.c.position_id,
        said.c.first_missed_at == PENDING_ABSENCES.c.first_missed_at,
    )
