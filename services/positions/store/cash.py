"""Cash flows of accounts, each once by the venue's id, and how far they were read."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    Row,
    Table,
    Text,
    exists,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.database import Money, UtcDateTime
from services.common.trading.cash_flow import CashFlow, CashFlowKind
from services.positions.domain.position import Position
from services.positions.store.equity import equity_snapshots
from services.positions.store.positions import position_from_row
from services.positions.store.tables import accounts, metadata, positions

cash_flows = Table(
    "cash_flows",
    metadata,
    Column("account_id", Text, ForeignKey(accounts.c.account_id), nullable=False),
    Column("flow_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("amount", Money, nullable=False),
    Column("currency", Text, nullable=False),
    Column("symbol", Text),
    Column("happened_at", UtcDateTime, nullable=False),
    # Funding alone: the position that paid or received it, once that is known.
    Column("position_id", Text, ForeignKey(positions.c.position_id)),
    PrimaryKeyConstraint("account_id", "flow_id"),
    CheckConstraint("kind IN ('funding', 'transfer')", name="kind"),
)
Index("cash_flows_happened_at_idx", cash_flows.c.account_id, cash_flows.c.happened_at)

cash_readings = Table(
    "cash_readings",
    metadata,
    Column("account_id", Text, ForeignKey(accounts.c.account_id), primary_key=True),
    Column("due_at", UtcDateTime, nullable=False, index=True),
    # All flows between these two are in the books; NULL before the first reading.
    Column("read_since", UtcDateTime),
    Column("read_until", UtcDateTime),
)


@dataclass(frozen=True, slots=True)
class DueReading:
    """An account whose cash flows are to be read, and between when they are known."""

    account_id: str
    read_since: datetime | None
    read_until: datetime | None


async def claim_due(connection: AsyncConnection, now: datetime, again_at: datetime, limit: int) -> list[DueReading]:
    """Take accounts that are due, the longest waiting first; another replica may not until `again_at`."""
    new = select(accounts.c.account_id, text(":now").bindparams(now=now)).where(
        accounts.c.verified, ~exists().where(cash_readings.c.account_id == accounts.c.account_id)
    )
    await connection.execute(upsert(cash_readings).from_select(["account_id", "due_at"], new).on_conflict_do_nothing())
    due = (
        select(cash_readings.c.account_id)
        .join(accounts, accounts.c.account_id == cash_readings.c.account_id)
        .where(cash_readings.c.due_at <= now, accounts.c.verified)
        .order_by(cash_readings.c.due_at)
        .limit(limit)
        .with_for_update(of=cash_readings, skip_locked=True)
    )
    taken = await connection.execute(
        update(cash_readings)
        .where(cash_readings.c.account_id.in_(due))
        .values(due_at=again_at)
        .returning(cash_readings.c.account_id, cash_readings.c.read_since, cash_readings.c.read_until)
    )
    return [DueReading(row.account_id, row.read_since, row.read_until) for row in taken]


async def keep_reading(connection: AsyncConnection, done: DueReading, due_at: datetime) -> None:
    """Keep how far an account's flows are known now, and when they are to be read again."""
    await connection.execute(
        update(cash_readings)
        .where(cash_readings.c.account_id == done.account_id)
        .values(due_at=due_at, read_since=done.read_since, read_until=done.read_until)
    )


async def insert_flows(connection: AsyncConnection, account_id: str, flows: Collection[CashFlow]) -> None:
    """Keep flows; one that is kept already changes nothing."""
    if flows:
        rows = [
            {
                "account_id": account_id,
                "flow_id": flow.flow_id,
                "kind": flow.kind.value,
                "amount": flow.amount,
                "currency": flow.currency,
                "symbol": flow.symbol,
                "happened_at": flow.at,
            }
            for flow in flows
        ]
        await connection.execute(upsert(cash_flows).on_conflict_do_nothing(), rows)


async def list_unassigned(connection: AsyncConnection, account_id: str, since: datetime) -> list[CashFlow]:
    """Funding that belongs to no position yet, oldest first."""
    rows = await connection.execute(
        select(cash_flows)
        .where(
            cash_flows.c.account_id == account_id,
            cash_flows.c.happened_at >= since,
            cash_flows.c.kind == CashFlowKind.FUNDING.value,
            cash_flows.c.position_id.is_(None),
        )
        .order_by(cash_flows.c.happened_at, cash_flows.c.flow_id)
    )
    return [_flow_from_row(row) for row in rows]


async def assign_flows(connection: AsyncConnection, account_id: str, assigned: Mapping[str, str]) -> None:
    """Keep which position each of these payments belongs to, by flow id."""
    for flow_id, position_id in assigned.items():
        await connection.execute(
            update(cash_flows)
            .where(cash_flows.c.account_id == account_id, cash_flows.c.flow_id == flow_id)
            .values(position_id=position_id)
        )


async def list_held(
    connection: AsyncConnection, account_id: str, symbols: Collection[str], since: datetime
) -> list[Position]:
    """The positions of these symbols that were open at or after a moment, held against other writers."""
    rows = await connection.execute(
        select(positions)
        .where(
            positions.c.account_id == account_id,
            positions.c.symbol.in_(symbols),
            or_(positions.c.closed_at.is_(None), positions.c.closed_at >= since),
        )
        .order_by(positions.c.position_id)
        .with_for_update()
    )
    return [position_from_row(row) for row in rows]


async def first_open(connection: AsyncConnection, account_id: str) -> datetime | None:
    """Since when the oldest open position of an account is open."""
    query = select(func.min(positions.c.opened_at)).where(
        positions.c.account_id == account_id, positions.c.status == "open"
    )
    found: datetime | None = (await connection.execute(query)).scalar_one()
    return found


async def list_transfers(connection: AsyncConnection, account_id: str, since: datetime) -> list[CashFlow]:
    """The transfers of an account since a moment."""
    rows = await connection.execute(
        select(cash_flows).where(
            cash_flows.c.account_id == account_id,
            cash_flows.c.happened_at >= since,
            cash_flows.c.kind == CashFlowKind.TRANSFER.value,
        )
    )
    return [_flow_from_row(row) for row in rows]


async def list_closings(connection: AsyncConnection, account_id: str, first: date) -> list[tuple[date, datetime]]:
    """When the equity of each of an account's days from `first` on was read last, and that of the day before them."""
    kept = equity_snapshots.c
    before = select(func.max(kept.day)).where(kept.account_id == account_id, kept.day < first).scalar_subquery()
    rows = await connection.execute(
        select(kept.day, kept.closed_at)
        .where(kept.account_id == account_id, kept.day >= func.coalesce(before, first))
        .order_by(kept.day)
    )
    return [(row.day, row.closed_at) for row in rows]


async def keep_transfers(
    connection: AsyncConnection, account_id: str, by_day: Collection[tuple[date, Decimal | None]]
) -> None:
    """Keep the transfers that belong to each of an account's days."""
    for day, transfers in by_day:
        await connection.execute(
            update(equity_snapshots)
            .where(equity_snapshots.c.account_id == account_id, equity_snapshots.c.day == day)
            .values(transfers=transfers)
        )


def _flow_from_row(row: Row[Any]) -> CashFlow:
    return CashFlow(CashFlowKind(row.kind), row.amount, row.currency, row.symbol, row.happened_at, row.flow_id)
