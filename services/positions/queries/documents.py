"""Positions as documents, their timelines and their transactions, from the books alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.database import transaction
from services.common.errors import PositionNotFound
from services.positions.domain.errors import TransactionNotFound
from services.positions.domain.order import ORDER_PREFIX, OrderStatus, SentOrder
from services.positions.domain.position import Position
from services.positions.domain.timeline import TimelineEntry
from services.positions.store import fills
from services.positions.store import positions as rows
from services.positions.store.fills import Transaction, TransactionCursor, TransactionFilter
from services.positions.store.orders import list_orders
from services.positions.store.positions import PageCursor, PositionFilter
from services.positions.store.timeline import TimelineCursor, list_timeline

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, and whether there are more behind them."""

    rows: tuple[T, ...]
    more: bool


def page_of(found: Sequence[T], size: int) -> Page[T]:
    """A page out of rows of which one more was asked for."""
    return Page(tuple(found[:size]), len(found) > size)


class DocumentQueries:
    """Answers for one user each; another user's positions are not found."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def list_positions(
        self, user_id: str | None, which: PositionFilter, after: PageCursor | None, size: int
    ) -> Page[Position]:
        """Positions, the latest opened first; of every user where none is given."""
        async with transaction(self._engine) as connection:
            return page_of(await rows.list_page(connection, user_id, which, after, size + 1), size)

    async def list_timeline(
        self, user_id: str | None, position_id: str, after: TimelineCursor | None, size: int
    ) -> Page[TimelineEntry]:
        """Every change of a position and samples of its trail, the first one first. Raises PositionNotFound."""
        async with transaction(self._engine) as connection:
            if await rows.find_position(connection, position_id, user_id) is None:
                raise PositionNotFound(position_id=position_id)
            return page_of(await list_timeline(connection, position_id, after, size + 1), size)

    async def list_transactions(
        self, user_id: str, which: TransactionFilter, after: TransactionCursor | None, size: int
    ) -> Page[Transaction | SentOrder]:
        """One transaction per fill, and each order that is working or ended without one; the latest first."""
        found: list[Transaction | SentOrder] = []
        async with transaction(self._engine) as connection:
            if which.status in (None, OrderStatus.FILLED) and which.intent_id is None:
                booked = await fills.list_transactions(connection, user_id, which, after, size + 1)
                positions = await rows.find_positions(connection, {position_id for _, position_id in booked})
                found += [Transaction(one, positions[position_id]) for one, position_id in booked]
            if which.status is not OrderStatus.FILLED and which.fill_id is None:
                found += await list_orders(connection, user_id, which, after, size + 1)
        return page_of(sorted(found, key=lambda one: (one.happened_at, one.transaction_id), reverse=True), size)

    async def get_transaction(self, user_id: str, transaction_id: str) -> Transaction | SentOrder:
        """One of them by its id. Raises TransactionNotFound."""
        position_id, _, fill_id = transaction_id.partition(".")
        which = TransactionFilter(position_id=position_id, fill_id=fill_id)
        if transaction_id.startswith(ORDER_PREFIX):
            which = TransactionFilter(intent_id=transaction_id.removeprefix(ORDER_PREFIX))
        page = await self.list_transactions(user_id, which, None, 1)
        if not page.rows:
            raise TransactionNotFound(transaction_id=transaction_id)
        return page.rows[0]
