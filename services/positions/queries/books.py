"""Rows of the books, open and closed, and the figures of what happened."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.clock import Clock
from services.common.database import transaction
from services.common.errors import PositionNotFound
from services.positions.domain.analytics import Breakdown, TradeFigures
from services.positions.domain.equity import CurvePoint, Ratios, add_up, draw_curve, judge
from services.positions.domain.position import Position
from services.positions.store import history
from services.positions.store import positions as rows
from services.positions.store.history import Chosen, Cursor


@dataclass(frozen=True, slots=True)
class Page:
    """Some positions, and where the next page begins; None where there is none."""

    positions: tuple[Position, ...]
    next_cursor: Cursor | None


@dataclass(frozen=True, slots=True)
class Analytics:
    """All figures of what is chosen, as of a moment."""

    trades: TradeFigures
    ratios: Ratios
    as_of: datetime


class BookQueries:
    """Answers from the books alone; figures from a replica of them where there is one."""

    def __init__(self, engine: AsyncEngine, clock: Clock, *, replica: AsyncEngine | None = None) -> None:
        self._engine = engine
        self._replica = replica or engine
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

    async def list_history(self, chosen: Chosen, after: Cursor | None, limit: int) -> Page:
        """Closed positions, the latest first. Not from a replica: what has just closed is there."""
        async with transaction(self._engine) as connection:
            found = await history.list_closed(connection, chosen, after, limit + 1)
        page, more = found[:limit], found[limit:]
        last = page[-1] if more else None
        cursor = Cursor(last.exit.executed_at, last.position_id) if last is not None and last.exit is not None else None
        return Page(tuple(page), cursor)

    async def analyze(self, chosen: Chosen) -> Analytics:
        """The figures of what is chosen. Ratios stand on whole accounts: a symbol or a flow has none."""
        async with transaction(self._replica) as connection:
            trades = await history.add_up(connection, chosen)
            held = await history.list_equity(connection, chosen) if chosen.whole_accounts else []
        returns = [day.change for day in add_up(held) if day.change is not None]
        return Analytics(trades, judge(returns), chosen.span.until or self._clock.now())

    async def break_down(self, chosen: Chosen) -> Breakdown:
        """The same figures apart by symbol, exchange, side, exit reason and flow."""
        async with transaction(self._replica) as connection:
            return await history.break_down(connection, chosen)

    async def draw_curve(self, chosen: Chosen) -> list[CurvePoint]:
        """Day by day; equity for whole accounts alone."""
        async with transaction(self._replica) as connection:
            days = await history.list_days(connection, chosen)
            held = await history.list_equity(connection, chosen) if chosen.whole_accounts else []
        return draw_curve(days, add_up(held))
