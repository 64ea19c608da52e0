"""Positions."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Interval,
    Row,
    Select,
    Text,
    all_,
    and_,
    bindparam,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.errors import PositionNotFound
from services.common.trading.exit_reason import ExitReason
from services.common.trading.extremes import TriggerPrice
from services.common.trading.fill import Settlement
from services.common.trading.reading import PositionKey
from services.common.trading.side import PositionSide, Side, Venue
from services.positions.domain.position import Origin, Position, PositionExit, PositionStatus
from services.positions.domain.provenance import Plan
from services.positions.domain.timeline import Actor
from services.positions.store.documents import advice_from_row, plan_from_row, provenance_from_row, said_to_row
from services.positions.store.levels import levels_from_document, levels_to_document
from services.positions.store.tables import accounts, position_numbers, positions


@dataclass(frozen=True, slots=True)
class LatestRow:
    """A position and when its row was written, by this system's clock."""

    position: Position
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class KeyLookup:
    """What is known of a key, and the id, OP_<unix seconds>_<n>, of what may be opened there."""

    new_id: str
    latest: LatestRow | None


@dataclass(frozen=True, slots=True)
class PositionFilter:
    """Which of a user's positions; None takes all."""

    is_open: bool | None = None
    venue: Venue | None = None
    symbol: str | None = None
    flow_id: str | None = None


@dataclass(frozen=True, slots=True)
class PageCursor:
    """Where a page of positions ended."""

    opened_at: datetime
    position_id: str


# Written out, not bound: a plan that is kept for any parameter must still see that the partial index serves.
_IS_OPEN: ColumnElement[bool] = literal_column("status = 'open'")

VENUE_CLOCKS = timedelta(seconds=1)
"""By how much two clocks of one venue, that of positions and that of fills, may differ."""

_CHANGED_LATELY = 50
"""Of how many rows of a key the one that was opened last is looked for."""

# Statements that every change needs are built once: to build one of fifty columns takes longer than to run it.
_LOCK = select(positions).where(positions.c.position_id == bindparam("of_position")).with_for_update()


def _of_key() -> Select[Any]:
    of_key = (
        positions.c.account_id == bindparam("of_account"),
        positions.c.symbol == bindparam("of_symbol"),
        positions.c.position_side == bindparam("of_side"),
        positions.c.position_id != all_(bindparam("apart_from", type_=ARRAY(Text))),
    )
    # A row that has ended may change after one that was opened later: it is funded, or its exit completed.
    is_open = select(literal_column("0").label("place"), positions).where(*of_key, _IS_OPEN)
    changed_last = (
        select(literal_column("1").label("place"), positions)
        .where(*of_key)
        .order_by(positions.c.changed_at.desc())
        .limit(_CHANGED_LATELY)
        .subquery("changed_last")
    )
    either = union_all(is_open, select(changed_last)).subquery("either")
    # Of two rows of one position, whose first end was estimated, the one that lasted longer.
    newest = (either.c.place, either.c.opened_at.desc(), either.c.closed_at.desc())
    latest = select(either).order_by(*newest).limit(1).subquery("latest")
    number = select(position_numbers.next_value().label("number")).subquery("numbered")
    return select(number, latest).select_from(number.outerjoin(latest, true()))


_OF_KEY = _of_key()


async def move_settlement(connection: AsyncConnection, position: Position) -> None:
    """Keep when a row's quantity was true last. It is the same position as before: no version, no event."""
    await connection.execute(
        update(positions)
        .where(positions.c.position_id == position.position_id, positions.c.version == position.version)
        .values(settled_since=position.settlement.since, settled_until=position.settlement.until)
    )


async def find_position(connection: AsyncConnection, position_id: str, user_id: str | None) -> Position | None:
    """A position by id; of that user, where one is given."""
    query = select(positions).where(positions.c.position_id == position_id)
    if user_id is not None:
        query = query.where(positions.c.user_id == user_id)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else position_from_row(row)


async def find_positions(connection: AsyncConnection, position_ids: Collection[str]) -> dict[str, Position]:
    """Positions by their ids."""
    found = await connection.execute(select(positions).where(positions.c.position_id.in_(position_ids)))
    return {row.position_id: position_from_row(row) for row in found}


async def lock_position(connection: AsyncConnection, position_id: str, user_id: str | None = None) -> Position:
    """A position, held against other writers until the transaction ends. Raises PositionNotFound."""
    row = (await connection.execute(_LOCK, {"of_position": position_id})).one_or_none()
    if row is None or user_id not in (None, row.user_id):
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


async def lock_open(connection: AsyncConnection, account_id: str) -> list[Position]:
    """The open rows of an account, held against other writers until the transaction ends."""
    of_account = (positions.c.account_id == account_id, positions.c.status == PositionStatus.OPEN.value)
    rows = await connection.execute(
        select(positions).where(*of_account).order_by(positions.c.position_id).with_for_update()
    )
    return [position_from_row(row) for row in rows]


async def list_estimated(connection: AsyncConnection, account_id: str, position_ids: Collection[str]) -> list[Position]:
    """Those of an account's rows that are closed and whose exits are still estimated.

    Not those that did not end: a slot holds one position at a time, so that another row of it which began by when the
    estimated one was known to be there, and lasted longer, is the same position: how that ended is told there.
    """
    asked, other = positions.c.position_id.in_(position_ids), positions.alias()
    lasted = or_(
        other.c.closed_at.is_(None),
        and_(other.c.exit_estimated, other.c.closed_at > positions.c.closed_at),
        and_(~other.c.exit_estimated, other.c.closed_at > positions.c.settled_until + literal(VENUE_CLOCKS, Interval)),
    )
    goes_on = select(other.c.position_id).where(
        other.c.account_id == positions.c.account_id,
        other.c.symbol == positions.c.symbol,
        other.c.position_side == positions.c.position_side,
        other.c.side == positions.c.side,
        other.c.position_id != positions.c.position_id,
        other.c.opened_at <= positions.c.settled_until,
        lasted,
    )
    rows = await connection.execute(
        select(positions).where(
            positions.c.account_id == account_id, positions.c.exit_estimated, asked, ~goes_on.exists()
        )
    )
    return [position_from_row(row) for row in rows]


async def begin_of_next(connection: AsyncConnection, position: Position) -> datetime | None:
    """When the next position of a slot began, after this one was known to be there last; None where there was none."""
    began = await connection.execute(
        select(func.min(positions.c.opened_at)).where(
            positions.c.account_id == position.account_id,
            positions.c.symbol == position.symbol,
            positions.c.position_side == position.position_side.value,
            positions.c.position_id != position.position_id,
            positions.c.opened_at > position.settlement.until,
        )
    )
    moment: datetime | None = began.scalar_one()
    return moment


async def list_page(
    connection: AsyncConnection, user_id: str | None, which: PositionFilter, after: PageCursor | None, limit: int
) -> list[Position]:
    """Positions of a user, or of all, the latest opened first; no open rows of removed accounts: nobody sees them."""
    removed = select(accounts.c.account_id).where(accounts.c.removed_at.is_not(None))
    is_open = positions.c.status == PositionStatus.OPEN.value
    if user_id is not None:
        removed = removed.where(accounts.c.user_id == user_id)
    query = select(positions).where(~(is_open & positions.c.account_id.in_(removed)))
    if user_id is not None:
        query = query.where(positions.c.user_id == user_id)
    if which.is_open is not None:
        query = query.where(is_open if which.is_open else ~is_open)
    if which.venue is not None:
        query = query.where(positions.c.venue == which.venue.value)
    if which.symbol is not None:
        query = query.where(positions.c.symbol == which.symbol)
    if which.flow_id is not None:
        query = query.where(positions.c.flow_id == which.flow_id)
    if after is not None:
        key = tuple_(positions.c.opened_at, positions.c.position_id)
        query = query.where(key < tuple_(after.opened_at, after.position_id))
    rows = await connection.execute(
        query.order_by(positions.c.opened_at.desc(), positions.c.position_id.desc()).limit(limit)
    )
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


async def look_up_key(
    connection: AsyncConnection, account_id: str, key: PositionKey, apart_from: Collection[str], now: datetime
) -> KeyLookup:
    """The open row of a key, else the one that was opened last, apart from those named; and an id for a new one."""
    values = {
        "of_account": account_id,
        "of_symbol": key.symbol,
        "of_side": key.position_side.value,
        "apart_from": list(apart_from),
    }
    row = (await connection.execute(_OF_KEY, values)).one()
    latest = None if row.position_id is None else LatestRow(position_from_row(row), row.changed_at)
    return KeyLookup(f"OP_{int(now.timestamp())}_{row.number}", latest)


async def count_in_care(connection: AsyncConnection, account_id: str) -> int:
    """The open positions of an account that Tandem answers for: managed, or with a level that is enforced."""
    count = await connection.execute(
        select(func.count()).where(
            positions.c.account_id == account_id,
            positions.c.status == PositionStatus.OPEN.value,
            or_(positions.c.managed, positions.c.enforced),
        )
    )
    return int(count.scalar_one())


async def set_plan_of_open(connection: AsyncConnection, user_id: str, plan: Plan) -> None:
    """Give a plan to a user's open rows. It is no change of the positions themselves."""
    await connection.execute(
        update(positions)
        .where(positions.c.user_id == user_id, positions.c.status == PositionStatus.OPEN.value)
        .values(plan=plan.name, commission_percent=plan.commission_percent)
    )


async def set_trigger_price_of_open(connection: AsyncConnection, account_id: str, source: TriggerPrice) -> None:
    """Trigger the levels of an account's open rows by this price. Of rows without enforced levels it is no change."""
    await connection.execute(
        update(positions)
        .where(positions.c.account_id == account_id, positions.c.status == PositionStatus.OPEN.value)
        .values(trigger_price=source.value)
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
        intent_id=row.intent_id,
        provenance=provenance_from_row(row),
        stop_set_by=None if row.stop_set_by is None else Actor(row.stop_set_by),
        close_advice=advice_from_row(row),
        entry_fee=row.entry_fee,
        partial_pnl=row.partial_pnl,
        funding=row.funding,
        plan=plan_from_row(row),
        commission=row.commission,
        trigger_price=TriggerPrice(row.trigger_price),
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


def position_to_row(position: Position) -> dict[str, Any]:
    """The columns that a position fills."""
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
        "stop_set_by": None if position.stop_set_by is None else position.stop_set_by.value,
        "entry_fee": position.entry_fee,
        "partial_pnl": position.partial_pnl,
        "funding": position.funding,
        "trigger_price": position.trigger_price.value,
        **said_to_row(position),
    }
