"""Orders that the monitor told of, each once by its intent."""

from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Row,
    Table,
    Text,
    exists,
    literal,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.database import Money, UtcDateTime
from services.common.trading.side import OrderSide, PositionSide, Side, Venue
from services.positions.domain.order import ORDER_PREFIX, OrderStatus, SentOrder
from services.positions.store.fills import TransactionCursor, TransactionFilter
from services.positions.store.tables import accounts, fills, metadata, openings, positions

orders = Table(
    "orders",
    metadata,
    Column("intent_id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("account_id", Text, ForeignKey(accounts.c.account_id), nullable=False),
    # NULL for an order that is to open.
    Column("position_id", Text, ForeignKey(positions.c.position_id)),
    Column("venue", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("position_side", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("client_order_id", Text, nullable=False),
    Column("order_id", Text, nullable=False),
    Column("order_side", Text, nullable=False),
    Column("quantity", Money, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    CheckConstraint("status IN ('pending', 'filled', 'cancelled')", name="status"),
    CheckConstraint("quantity > 0", name="positive"),
)
Index("orders_of_user_idx", orders.c.user_id, orders.c.changed_at.desc(), postgresql_where=text("status <> 'filled'"))


async def record_order(connection: AsyncConnection, order: SentOrder) -> None:
    """Take in how an order stands; one that has ended stays as it ended, whatever comes late."""
    row = {
        "intent_id": order.intent_id,
        "user_id": order.user_id,
        "account_id": order.account_id,
        "position_id": order.position_id,
        "venue": order.venue.value,
        "symbol": order.symbol,
        "position_side": order.position_side.value,
        "side": order.side.value,
        "client_order_id": order.client_order_id,
        "order_id": order.order_id,
        "order_side": order.order_side.value,
        "quantity": order.quantity,
        "status": order.status.value,
        "reason": order.reason,
        "changed_at": order.changed_at,
    }
    statement = upsert(orders)
    news = {name: statement.excluded[name] for name in ("order_id", "status", "reason", "changed_at")}
    pending = (orders.c.status == OrderStatus.PENDING.value) & (orders.c.user_id == statement.excluded.user_id)
    await connection.execute(
        statement.on_conflict_do_update(index_elements=["intent_id"], set_=news, where=pending), row
    )


async def list_orders(
    connection: AsyncConnection,
    user_id: str,
    which: TransactionFilter,
    after: TransactionCursor | None,
    limit: int,
) -> list[SentOrder]:
    """A user's orders without fills, the latest first."""
    shown = exists().where(
        fills.c.position_id == orders.c.position_id, fills.c.client_order_id == orders.c.client_order_id
    )
    # What opened a position has none itself: whoever was to say that it was filled may have died before it did.
    booked = exists().where(openings.c.intent_id == orders.c.intent_id)
    unfilled = orders.c.status != OrderStatus.FILLED.value
    query = select(orders).where(orders.c.user_id == user_id, unfilled, ~shown, ~booked)
    if which.status is not None:
        query = query.where(orders.c.status == which.status.value)
    if which.position_id is not None:
        query = query.where(orders.c.position_id == which.position_id)
    if which.intent_id is not None:
        query = query.where(orders.c.intent_id == which.intent_id)
    if which.venue is not None:
        query = query.where(orders.c.venue == which.venue.value)
    if which.symbol is not None:
        query = query.where(orders.c.symbol == which.symbol)
    name = (literal(ORDER_PREFIX) + orders.c.intent_id).collate("C")
    if after is not None:
        query = query.where(tuple_(orders.c.changed_at, name) < tuple_(after.happened_at, after.name))
    rows = await connection.execute(query.order_by(orders.c.changed_at.desc(), name.desc()).limit(limit))
    return [_from_row(row) for row in rows]


def _from_row(row: Row[Any]) -> SentOrder:
    return SentOrder(
        intent_id=row.intent_id,
        user_id=row.user_id,
        account_id=row.account_id,
        position_id=row.position_id,
        venue=Venue(row.venue),
        symbol=row.symbol,
        position_side=PositionSide(row.position_side),
        side=Side(row.side),
        client_order_id=row.client_order_id,
        order_id=row.order_id,
        order_side=OrderSide(row.order_side),
        quantity=row.quantity,
        status=OrderStatus(row.status),
        reason=row.reason,
        changed_at=row.changed_at,
    )
