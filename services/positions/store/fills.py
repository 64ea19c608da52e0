"""Fills: each booked once on a position, by the venue's id; one that crosses zero has a share on two."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, bindparam, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.database import exact_money
from services.common.trading.fill import Fill, OrderKind
from services.common.trading.money import format_decimal
from services.common.trading.side import OrderSide, PositionSide, Venue
from services.positions.domain.order import OrderStatus
from services.positions.domain.position import BookedFill, Position
from services.positions.store.tables import fills, positions

_OF_POSITION = (
    select(fills)
    .where(fills.c.position_id == bindparam("of_position"))
    .order_by(fills.c.executed_at, fills.c.sequence, fills.c.fill_id)
)


async def list_fills(connection: AsyncConnection, position_id: str) -> list[BookedFill]:
    """The fills of a position, in order."""
    return [booked_from_row(row) for row in await connection.execute(_OF_POSITION, {"of_position": position_id})]


async def unbooked(
    connection: AsyncConnection, account_id: str, symbol: str, found: Sequence[Fill], apart_from: str | None = None
) -> tuple[Fill, ...]:
    """What of these fills is booked nowhere: of one that is booked in part, the share that is left.

    `apart_from` is a position whose own shares do not count; its caller knows them by id.
    """
    shares = await _booked_shares(connection, account_id, symbol, {fill.fill_id for fill in found}, apart_from)
    left = []
    for fill in found:
        rest = fill.quantity - shares.get(fill.fill_id, Decimal(0))
        if rest > 0:
            left.append(fill.part(rest))
    return tuple(left)


async def unopened(connection: AsyncConnection, account_id: str, found: Sequence[Fill]) -> tuple[Fill, ...]:
    """What of these fills has opened or added to no position yet: a fill may end one and begin the next, each once."""
    if not found:
        return ()
    ids = {fill.fill_id for fill in found}
    booked = await connection.execute(
        select(fills.c.fill_id).where(
            fills.c.account_id == account_id,
            fills.c.symbol == found[0].symbol,
            fills.c.fill_id.in_(ids),
            fills.c.reduced.is_(False),
        )
    )
    known = set(booked.scalars())
    return tuple(fill for fill in found if fill.fill_id not in known)


async def find_opened(connection: AsyncConnection, account_id: str, symbol: str, found: Sequence[Fill]) -> str | None:
    """The position that these fills opened or added to, where one of them is booked as that."""
    booked = await connection.execute(
        select(fills.c.position_id)
        .where(
            fills.c.account_id == account_id,
            fills.c.symbol == symbol,
            fills.c.fill_id.in_({fill.fill_id for fill in found}),
            fills.c.reduced.is_(False),
        )
        .order_by(fills.c.executed_at, fills.c.position_id)
        .limit(1)
    )
    return booked.scalar_one_or_none()


async def _booked_shares(
    connection: AsyncConnection, account_id: str, symbol: str, fill_ids: Collection[str], apart_from: str | None
) -> dict[str, Decimal]:
    if not fill_ids:
        return {}
    rows = await connection.execute(
        select(fills.c.fill_id, fills.c.position_id, fills.c.quantity).where(
            fills.c.account_id == account_id, fills.c.symbol == symbol, fills.c.fill_id.in_(fill_ids)
        )
    )
    shares: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        if row.position_id != apart_from:
            shares[row.fill_id] += row.quantity
    return shares


@dataclass(frozen=True, slots=True)
class Transaction:
    """One booked fill beside its position."""

    booked: BookedFill
    position: Position

    @property
    def happened_at(self) -> datetime:
        return self.booked.fill.executed_at

    @property
    def transaction_id(self) -> str:
        return f"{self.position.position_id}.{self.booked.fill.fill_id}"


@dataclass(frozen=True, slots=True)
class TransactionCursor:
    """Where a page of transactions ended; `name` is the id of its last one."""

    happened_at: datetime
    name: str


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """Which of a user's transactions; None takes all."""

    position_id: str | None = None
    venue: Venue | None = None
    symbol: str | None = None
    fill_id: str | None = None
    intent_id: str | None = None
    status: OrderStatus | None = None


async def list_transactions(
    connection: AsyncConnection,
    user_id: str,
    which: TransactionFilter,
    after: TransactionCursor | None,
    limit: int,
) -> list[tuple[BookedFill, str]]:
    """A user's fills with the ids of their positions, the latest first."""
    query = (
        select(fills)
        .join(positions, fills.c.position_id == positions.c.position_id)
        .where(positions.c.user_id == user_id)
    )
    if which.position_id is not None:
        query = query.where(fills.c.position_id == which.position_id)
    if which.fill_id is not None:
        query = query.where(fills.c.fill_id == which.fill_id)
    if which.venue is not None:
        query = query.where(positions.c.venue == which.venue.value)
    if which.symbol is not None:
        query = query.where(fills.c.symbol == which.symbol)
    # Compared as Python compares texts: fills and orders are merged by it.
    name = (fills.c.position_id + "." + fills.c.fill_id).collate("C")
    if after is not None:
        query = query.where(tuple_(fills.c.executed_at, name) < tuple_(after.happened_at, after.name))
    query = query.order_by(fills.c.executed_at.desc(), name.desc())
    rows = await connection.execute(query.limit(limit))
    return [(booked_from_row(row), row.position_id) for row in rows]


def booked_from_row(row: Row[Any]) -> BookedFill:
    """The share that a row holds."""
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
        sequence=row.sequence,
    )
    return BookedFill(row.position_id, fill, row.reduced, row.pnl)


def fills_to_document(account_id: str, booked: Iterable[BookedFill]) -> list[dict[str, Any]]:
    """Rows as a JSON document, whose numbers are exact texts. Raises ValueError for what the books cannot hold."""
    return [_to_document(account_id, one) for one in booked]


def _to_document(account_id: str, booked: BookedFill) -> dict[str, Any]:
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
        "price": _money(fill.price),
        "quantity": _money(fill.quantity),
        "fee": _money(fill.fee),
        "fee_currency": fill.fee_currency,
        "fee_quote": _money(fill.fee_quote),
        "venue_pnl": _money(fill.realized_pnl),
        "pnl": _money(booked.pnl),
        "reduced": booked.reduced,
        "order_kind": fill.order_kind.value,
        "executed_at": fill.executed_at.isoformat(),
        "sequence": fill.sequence,
    }


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else format_decimal(exact_money(amount))
