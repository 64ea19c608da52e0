"""The equity of accounts, day by day: the first and the last reading of each UTC day."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, Column, Date, ForeignKey, PrimaryKeyConstraint, Table, Text, case, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.database import Money, UtcDateTime
from services.positions.store.tables import accounts, metadata

equity_snapshots = Table(
    "equity_snapshots",
    metadata,
    Column("account_id", Text, ForeignKey(accounts.c.account_id), nullable=False),
    Column("day", Date, nullable=False),
    Column("opened_equity", Money, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("closed_equity", Money, nullable=False),
    Column("closed_at", UtcDateTime, nullable=False),
    # Net deposits since the equity before it was read; null where they are not known.
    Column("transfers", Money),
    PrimaryKeyConstraint("account_id", "day"),
    CheckConstraint("opened_at <= closed_at", name="order"),
)


@dataclass(frozen=True, slots=True)
class EquitySnapshot:
    """An account's equity (balance and unrealised profit, quote currency) at its first and last reading of a day."""

    account_id: str
    day: date
    opened_equity: Decimal
    opened_at: datetime
    closed_equity: Decimal
    closed_at: datetime


async def write_snapshots(connection: AsyncConnection, snapshots: Collection[EquitySnapshot]) -> None:
    """Take readings in, in any order and however often: the earliest of a day opens it, the latest closes it."""
    if not snapshots:
        return
    rows = [
        {
            "account_id": one.account_id,
            "day": one.day,
            "opened_equity": one.opened_equity,
            "opened_at": one.opened_at,
            "closed_equity": one.closed_equity,
            "closed_at": one.closed_at,
        }
        for one in sorted(snapshots, key=lambda one: (one.account_id, one.day))
    ]
    statement = insert(equity_snapshots)
    new, kept = statement.excluded, equity_snapshots.c
    earlier, later = new.opened_at < kept.opened_at, new.closed_at > kept.closed_at
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["account_id", "day"],
            set_={
                "opened_equity": case((earlier, new.opened_equity), else_=kept.opened_equity),
                "opened_at": func.least(new.opened_at, kept.opened_at),
                "closed_equity": case((later, new.closed_equity), else_=kept.closed_equity),
                "closed_at": func.greatest(new.closed_at, kept.closed_at),
            },
        ),
        rows,
    )
