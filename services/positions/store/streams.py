"""Which accounts are to have a private stream, and the leases that share them out among replicas."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import exists, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.leases import lease_table
from services.common.trading.side import Venue
from services.positions.store.tables import accounts, metadata, positions

leases = lease_table(metadata)


@dataclass(frozen=True, slots=True)
class Streamed:
    """An account that a stream is wanted for. Its key has changed where its version has."""

    account_id: str
    user_id: str
    venue: Venue
    version: int


async def list_streamed(connection: AsyncConnection, watched: Collection[str], limit: int) -> list[Streamed]:
    """Verified accounts that are managed, have enforced levels, or are of a watched user; the former first."""
    cared_for = exists(
        select(positions.c.position_id).where(
            positions.c.account_id == accounts.c.account_id,
            positions.c.status == "open",
            or_(positions.c.managed, positions.c.enforced),
        )
    )
    query = (
        select(accounts.c.account_id, accounts.c.user_id, accounts.c.venue, accounts.c.version)
        .where(accounts.c.verified, or_(cared_for, accounts.c.user_id.in_(watched)))
        .order_by(cared_for.desc(), accounts.c.account_id)
        .limit(limit)
    )
    rows = await connection.execute(query)
    return [Streamed(row.account_id, row.user_id, Venue(row.venue), row.version) for row in rows]
