"""Positions, their fills and their timeline."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.errors import PositionNotFound
from services.common.trading.exit_reason import ExitReason
from services.common.trading.fill import Fill, OrderKind, Settlement
from services.common.trading.reading import PositionKey
from services.common.trading.side import OrderSide, PositionSide, Side, Venue
from services.positions.domain.errors import VersionConflict
from services.positions.domain.position import BookedFill, Origin, Position, PositionExit, PositionStatus
from services.positions.domain.timeline import TimelineEntry
from services.positions.store.levels import levels_from_document, levels_to_document
from services.positions.store.tables import fills, position_numbers, positions, timeline


@dataclass(frozen=True, slots=True)
class LatestRow:
    """A position and when its row was written, by this system's clock."""

    position: Position
    changed_at: datetime


async def next_position_id(connection: AsyncConnection, now: datetime) -> str:
    """A new id, OP_<unix seconds>_<n>."""
    number = (await connection.execute(select(position_numbers.next_value()))).scalar_one()
    return f"OP_{int(now.timestamp())}_{number}"


async def insert_position(connection: AsyncConnection, position: Position, now: datetime) -> None:
    """Add a row. The database refuses a second open one of the same key."""
    # Values beside the statement, not in it: a statement of thirty values takes longer to build than to run.
    await connection.execute(insert(positions), {**_to_row(position), "changed_at": now})


async def update_position(connection: AsyncConnection, position: Position, now: datetime) -> None:
    """Write the next version over the one before it. Raises VersionConflict where that is not the one there."""
    written = await connection.execute(
        update(positions).where(
            positions.c.position_id == bindparam("of_id"), positions.c.version == bindparam("of_version")
        ),
        {**_to_row(position), "changed_at": now, "of_id": position.position_id, "of_version": position.version - 1},
    )
    if written.rowcount != 1:
        raise VersionConflict(position_id=position.position_id, version=position.version)


async def find_position(connection: AsyncConnection, position_id: str, user_id: str | None) -> Position | None:
    """A position by id; of that user, where one is given."""
    query = select(positions).where(positions.c.position_id == position_id)
    if user_id is not None:
        query = query.where(positions.c.user_id == user_id)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else position_from_row(row)


async def lock_position(connection: AsyncConnection, position_id: str, user_id: str | None = None) -> Position:
    """A position, held against other writers until the transaction ends. Raises PositionNotFound."""
    query = select(positions).where(positions.c.position_id == position_id).with_for_update()
    if user_id is not None:
        query = query.where(positions.c.user_id == user_id)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise PositionNotFound(position_id=position_id)
    return position_from_row(row)


async def list_open(
    connection: AsyncConnection, *, account_id: str | None = None, user_id: str | None = None
) -> list[Position]:
    """The open rows of an account or of a user."""
    query = select(positions).where(positions.c.status == PositionStatus.OPEN.value)
    if account_id is not None:
        query = query.where(positions.c.account_id == account_id)
    if user_id is not None:
        query = query.where(positions.c.user_id == user_id)
    rows = await connection.execute(query.order_by(positions.c.opened_at, positions.c.position_id))
    return [position_from_row(row) for row in rows]


async def list_enforced(connection: AsyncConnection, after: str, limit: int) -> list[Position]:
    """Open rows with an enforced level, by id."""
    rows = await connection.execute(
        select(positions)
        .where(positions.c.enforced, positions.c.position_id > after)
        .order_by(positions.c.position_id)
        .limit(limit)
    )
    return [position_from_row(row) for row in rows]


async def latest_of_key(
    connection: AsyncConnection, account_id: str, key: PositionKey, apart_from: Collection[str]
) -> LatestRow | None:
    """The row of a key that changed last, open or closed, apart from those named."""
    row = (
        await connection.execute(
            select(positions, positions.c.changed_at)
            .where(
                positions.c.account_id == account_id,
                positions.c.symbol == key.symbol,
                positions.c.position_side == key.position_side.value,
                positions.c.position_id.not_in(apart_from),
            )
            .order_by(positions.c.changed_at.desc())
            .limit(1)
        )
    ).one_or_none()
    return None if row is None else LatestRow(position_from_row(row), row.changed_at)


async def insert_fills(connection: AsyncConnection, account_id: str, booked: Iterable[BookedFill]) -> None:
    """Book fills; one that is booked on its position already changes nothing."""
    rows = [_fill_to_row(account_id, one) for one in booked]
    if rows:
        await connection.execute(upsert(fills).on_conflict_do_nothing(), rows)


async def list_fills(connection: AsyncConnection, position_id: str) -> list[BookedFill]:
    """The fills of a position, in order of time."""
    rows = await connection.execute(
        select(fills).where(fills.c.position_id == position_id).order_by(fills.c.executed_at, fills.c.fill_id)
    )
    return [_fill_from_row(row) for row in rows]


async def booked_fill_ids(connection: AsyncConnection, account_id: str, symbol: str, since: datetime) -> set[str]:
    """The ids of fills of one account and symbol, since a time, that some position has booked in whole or in part."""
    rows = await connection.execute(
        select(fills.c.fill_id).where(
            and_(fills.c.account_id == account_id, fills.c.symbol == symbol, fills.c.executed_at >= since)
        )
    )
    return {row.fill_id for row in rows}


async def append_timeline(connection: AsyncConnection, entry: TimelineEntry) -> None:
    """Add a line; a position's version has one."""
    await connection.execute(
        insert(timeline).values(
            position_id=entry.position_id,
            version=entry.version,
            happened_at=entry.happened_at,
            actor=entry.actor.value,
            change=entry.change.value,
            evidence=entry.evidence,
        )
    )


def position_from_row(row: Row[Any]) -> Position:
    """The position that a row holds."""
    return Position(
        position_id=row.position_id,
        user_id=row.user_id,
        account_id=row.account_id,
        venue=Venue(row.venue),
        symbol=row.symbol,
        position_side=PositionSide(row.position_side),
        side=Side(row.side),
        status=PositionStatus(row.status),
        origin=Origin(row.origin),
        managed=row.managed,
        quantity=row.quantity,
        entry_price=row.entry_price,
        leverage=row.leverage,
        opened_at=row.opened_at,
        settlement=Settlement(row.settled_since, row.settled_until),
        levels=levels_from_document(row.levels),
        version=row.version,
        exit=_exit_from_row(row),
    )


def _exit_from_row(row: Row[Any]) -> PositionExit | None:
    if row.closed_at is None:
        return None
    return PositionExit(
        price=row.exit_price,
        quantity=row.exit_quantity,
        fee=row.exit_fee,
        realized_pnl=row.realized_pnl,
        realized_pnl_percent=row.realized_pnl_percent,
        reason=ExitReason(row.exit_reason),
        cause=row.exit_cause,
        executed_at=row.closed_at,
        estimated=row.exit_estimated,
    )


def _to_row(position: Position) -> dict[str, Any]:
    end = position.exit
    return {
        "position_id": position.position_id,
        "user_id": position.user_id,
        "account_id": position.account_id,
        "venue": position.venue.value,
        "symbol": position.symbol,
        "position_side": position.position_side.value,
        "side": position.side.value,
        "status": position.status.value,
        "origin": position.origin.value,
        "managed": position.managed,
        "quantity": position.quantity,
        "entry_price": position.entry_price,
        "leverage": position.leverage,
        "opened_at": position.opened_at,
        "settled_since": position.settlement.since,
        "settled_until": position.settlement.until,
        "levels": levels_to_document(position.levels),
        "enforced": position.enforced,
        "version": position.version,
        "exit_price": end.price if end else None,
        "exit_quantity": end.quantity if end else None,
        "exit_fee": end.fee if end else None,
        "realized_pnl": end.realized_pnl if end else None,
        "realized_pnl_percent": end.realized_pnl_percent if end else None,
        "exit_reason": end.reason.value if end else None,
        "exit_cause": end.cause if end else None,
        "closed_at": end.executed_at if end else None,
        "exit_estimated": end.estimated if end else None,
    }


def _fill_to_row(account_id: str, booked: BookedFill) -> dict[str, Any]:
    fill = booked.fill
    return {
        "account_id": account_id,
        "symbol": fill.symbol,
        "fill_id": fill.fill_id,
        "position_id": booked.position_id,
        "order_id": fill.order_id,
        "client_order_id": fill.client_order_id,
        "position_side": fill.position_side.value,
        "order_side": fill.order_side.value,
        "price": fill.price,
        "quantity": fill.quantity,
        "fee": fill.fee,
        "fee_currency": fill.fee_currency,
        "fee_quote": fill.fee_quote,
        "venue_pnl": fill.realized_pnl,
        "pnl": booked.pnl,
        "reduced": booked.reduced,
        "order_kind": fill.order_kind.value,
        "executed_at": fill.executed_at,
    }


def _fill_from_row(row: Row[Any]) -> BookedFill:
    fill = Fill(
        fill_id=row.fill_id,
        order_id=row.order_id,
        client_order_id=row.client_order_id,
        symbol=row.symbol,
        position_side=PositionSide(row.position_side),
        order_side=OrderSide(row.order_side),
        price=row.price,
        quantity=row.quantity,
        fee=row.fee,
        fee_currency=row.fee_currency,
        fee_quote=row.fee_quote,
        realized_pnl=row.venue_pnl,
        executed_at=row.executed_at,
        order_kind=OrderKind(row.order_kind),
    )
    return BookedFill(row.position_id, fill, row.reduced, row.pnl)


def fills_of(booked: Sequence[BookedFill]) -> tuple[Fill, ...]:
    """The fills alone."""
    return tuple(one.fill for one in booked)
