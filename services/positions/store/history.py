"""Closed positions and their figures, read from the books alone."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import ColumnElement, case, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.positions.domain.position import Position, PositionStatus
from services.positions.store.positions import position_from_row
from services.positions.store.tables import positions

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page of history ended."""

    closed_at: datetime
    position_id: str


@dataclass(frozen=True, slots=True)
class Analytics:
    """Figures over closed positions whose exit is exact; money in quote currency, `win_rate` in percent.

    `estimated` counts the closed positions that the figures leave out, because their exit is not exactly known.
    """

    total: int
    winning: int
    losing: int
    total_pnl: Decimal | None
    average_pnl: Decimal | None
    best: Decimal | None
    worst: Decimal | None
    estimated: int

    @property
    def win_rate(self) -> Decimal | None:
        return Decimal(self.winning) / self.total * 100 if self.total else None


async def list_closed(
    connection: AsyncConnection, user_id: str, since: datetime | None, after: Cursor | None, limit: int
) -> list[Position]:
    """Closed positions of a user, the latest first."""
    query = select(positions).where(*_closed(user_id, since))
    if after is not None:
        query = query.where(
            tuple_(positions.c.closed_at, positions.c.position_id) < tuple_(after.closed_at, after.position_id)
        )
    rows = await connection.execute(
        query.order_by(positions.c.closed_at.desc(), positions.c.position_id.desc()).limit(limit)
    )
    return [position_from_row(row) for row in rows]


async def analyze(connection: AsyncConnection, user_id: str, since: datetime | None) -> Analytics:
    """The figures of a user's closed positions. A trade that nets zero is neither won nor lost."""
    pnl = positions.c.realized_pnl
    exact = positions.c.exit_estimated.is_(False) & pnl.is_not(None)
    row = (
        await connection.execute(
            select(
                func.count().filter(exact).label("total"),
                func.count().filter(exact & (pnl > _NOTHING)).label("winning"),
                func.count().filter(exact & (pnl < _NOTHING)).label("losing"),
                func.sum(case((exact, pnl))).label("total_pnl"),
                func.avg(case((exact, pnl))).label("average_pnl"),
                func.max(case((exact, pnl))).label("best"),
                func.min(case((exact, pnl))).label("worst"),
                func.count().filter(~exact).label("estimated"),
            ).where(*_closed(user_id, since))
        )
    ).one()
    return Analytics(**row._asdict())


def _closed(user_id: str, since: datetime | None) -> list[ColumnElement[bool]]:
    conditions = [positions.c.user_id == user_id, positions.c.status != PositionStatus.OPEN.value]
    if since is not None:
        conditions.append(positions.c.closed_at >= since)
    return conditions
