"""Rows of the books, open and closed, and the figures of what happened."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.clock import Clock
from services.common.database import transaction
from services.common.errors import PositionNotFound
from services.positions.domain.period import start_of_period
from services.positions.domain.position import Position
from services.positions.store import history
from services.positions.store import positions as rows
from services.positions.store.history import Analytics, Cursor


@dataclass(frozen=True, slots=True)
class Page:
    """Some positions, and where the next page begins; None where there is none."""

    positions: tuple[Position, ...]
    next_cursor: Cursor | None


class BookQueries:
    """Answers from the books alone."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def get_position(self, position_id: str, user_id: str | None) -> Position:
        """A position by id; another user's is not found. Raises PositionNotFound."""
        async with transaction(self._engine) as connection:
            position = await rows.find_position(connection, position_id, user_id)
        if position is None:
            raise PositionNotFound(position_id=position_id)
        return position

    async def list_enforced(self, after: str, limit: int) -> list[Position]:
        """Open positions with an enforced level, of all users, by id."""
        async with transaction(self._engine) as connection:
            return await rows.list_enforced(connection, after, limit)

    async def list_history(self, user_id: str, period: str, after: Cursor | None, limit: int) -> Page:
        """Closed positions, the latest first. Raises InvalidPeriod."""
        since = start_of_period(period, self._clock.now())
        async with transaction(self._engine) as connection:
            found = await history.list_closed(connection, user_id, since, after, limit + 1)
        page, more = found[:limit], found[limit:]
        last = page[-1] if more else None
        cursor = Cursor(last.exit.executed_at, last.position_id) if last is not None and last.exit is not None else None
        return Page(tuple(page), cursor)

    async def analyze(self, user_id: str, period: str) -> Analytics:
        """The figures of a period. Raises InvalidPeriod."""
        since = start_of_period(period, self._clock.now())
        async with transaction(self._engine) as connection:
            return await history.analyze(connection, user_id, since)
