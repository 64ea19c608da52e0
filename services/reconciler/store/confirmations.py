"""What operators have confirmed to be gone: kept for good, with who said so and why.

Invariant: a confirmation is of one absence, named by when it began; a row that was listed again since needs another.
"""

from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import and_, func, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.database import transaction
from services.reconciler.domain.errors import NoPendingAbsence
from services.reconciler.store.tables import CONFIRMATIONS, PENDING_ABSENCES


class ConfirmationStore:
    """Confirmations by operators."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def confirm(
        self, account_id: str, position_id: str, operator_id: str, note: str, request_id: str, now: datetime
    ) -> tuple[str, ...]:
        """Confirm one pending absence, or all of an account where `position_id` is empty; says which.

        Raises NoPendingAbsence.
        """
        query = select(PENDING_ABSENCES).where(PENDING_ABSENCES.c.account_id == account_id).with_for_update()
        if position_id:
            query = query.where(PENDING_ABSENCES.c.position_id == position_id)
        async with transaction(self._engine) as connection:
            absences = (await connection.execute(query.order_by(PENDING_ABSENCES.c.position_id))).all()
            if not absences:
                raise NoPendingAbsence(account_id=account_id)
            rows = [
                {
                    "confirmation_id": uuid4(),
                    "account_id": account_id,
                    "position_id": absence.position_id,
                    "operator_id": operator_id,
                    "note": note,
                    "request_id": request_id,
                    "confirmed_at": now,
                    "first_missed_at": absence.first_missed_at,
                }
                for absence in absences
            ]
            await connection.execute(insert(CONFIRMATIONS), rows)
            return tuple(absence.position_id for absence in absences)


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
