"""Positions as documents, their timelines and their transactions, from the books alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.database import transaction
from services.common.errors import PositionNotFound
from services.positions.domain.errors import TransactionNotFound
from services.positions.domain.position import Position
from services.positions.domain.timeline import TimelineEntry
from services.positions.store import fills
from services.positions.store import positions as rows
from services.positions.store.fills import Transaction, TransactionCursor, TransactionFilter
from services.positions.store.positions import PageCursor, PositionFilter

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
        self, user_id: str, which: PositionFilter, after: PageCursor | None, size: int
    ) -> Page[Position]:
        """Positions, the latest opened first."""
        async with transaction(self._engine) as connection:
            return page_of(await rows.list_page(connection, user_id, which, after, size + 1), size)

    async def list_timeline(self, user_id: str | None, position_id: str, after: int, size: int) -> Page[TimelineEntry]:
        """Every change of a position, the first one first. Raises PositionNotFound."""
        async with transaction(self._engine) as connection:
            if await rows.find_position(connection, position_id, user_id) is None:
                raise PositionNotFound(position_id=position_id)
            return page_of(await rows.list_timeline(connection, position_id, after, size + 1), size)

    async def list_transactions(
        self, user_id: str, which: TransactionFilter, after: TransactionCursor | None, size: int
    ) -> Page[Transaction]:
        """One transaction per fill, the latest first."""
        async with transaction(self._engine) as connection:
            found = await fills.list_transactions(connection, user_id, which, after, size + 1)
            positions = await rows.find_positions(connection, {position_id for _, position_id in found})
        return page_of([Transaction(booked, positions[position_id]) for booked, position_id in found], size)

    async def get_transaction(self, user_id: str, transaction_id: str) -> Transaction:
        """One of them by its id. Raises TransactionNotFound."""
        position_id, _, fill_id = transaction_id.partition(".")
        which = TransactionFilter(position_id=position_id, fill_id=fill_id)
        page = await self.list_transactions(user_id, which, None, 1)
        if not page.rows:
            raise TransactionNotFound(transaction_id=transaction_id)
        return page.rows[0]
