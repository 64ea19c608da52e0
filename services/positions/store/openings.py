"""Which position an intent of Tandem opened: it is booked once."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.positions.store.accounts import AccountStanding, standing_from_row, standing_with
from services.positions.store.tables import openings

_BEGIN = standing_with(
    select(openings.c.position_id)
    .where(openings.c.intent_id == bindparam("of_intent"))
    .scalar_subquery()
    .label("opened")
)


@dataclass(frozen=True, slots=True)
class OpeningStart:
    """What an opening begins with: how the account stands, and the position where the intent is booked already."""

    standing: AccountStanding
    position_id: str | None


async def begin_opening(connection: AsyncConnection, intent_id: str, account_id: str, user_id: str) -> OpeningStart:
    """Raises AccountNotFound, for another user's as well."""
    row = (await connection.execute(_BEGIN, {"of_account": account_id, "of_intent": intent_id})).one_or_none()
    return OpeningStart(standing_from_row(row, account_id, user_id), None if row is None else row.opened)


async def record_opening(connection: AsyncConnection, intent_id: str, position_id: str, now: datetime) -> None:
    """Keep which position an intent opened."""
    await connection.execute(insert(openings), {"intent_id": intent_id, "position_id": position_id, "recorded_at": now})
