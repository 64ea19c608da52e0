"""Closed positions and their figures, read from the books alone.

Invariants: figures are summed by the database, from the index positions_analytics_idx alone; what is estimated or whose
profit is not known is in none of them.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Interval,
    Select,
    cast,
    func,
    literal_column,
    select,
    text,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.trading.side import Venue
from services.positions.domain.analytics import Breakdown, DayOfTrades, Fall, Totals, TradeFigures
from services.positions.domain.equity import AccountDay
from services.positions.domain.period import ALL_TIME, Span
from services.positions.domain.position import Position
from services.positions.store.equity import equity_snapshots
from services.positions.store.positions import position_from_row
from services.positions.store.tables import accounts, positions

_ZERO: ColumnElement[Any] = literal_column("0")
_PNL = positions.c.realized_pnl
# Written out, not bound: a plan that is kept for any parameter must still see that the partial index serves.
_CLOSED: ColumnElement[bool] = literal_column("status <> 'open'")
_EXACT = positions.c.exit_estimated.is_(False) & _PNL.is_not(None)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page of history ended."""

    closed_at: datetime
    position_id: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """Whose closed positions are meant, and which of them; None chooses all."""

    user_id: str
    span: Span = ALL_TIME
    venue: Venue | None = None
    symbol: str | None = None
    flow_id: str | None = None

    @property
    def whole_accounts(self) -> bool:
        """Whether it takes in all that an account does, so that the account's equity speaks of it."""
        return self.symbol is None and self.flow_id is None


async def list_closed(connection: AsyncConnection, chosen: Chosen, after: Cursor | None, limit: int) -> list[Position]:
    """Closed positions, the latest first."""
    query = select(positions).where(*_conditions(chosen))
    if after is not None:
        query = query.where(
            tuple_(positions.c.closed_at, positions.c.position_id) < tuple_(after.closed_at, after.position_id)
        )
    rows = await connection.execute(
        query.order_by(positions.c.closed_at.desc(), positions.c.position_id.desc()).limit(limit)
    )
    return [position_from_row(row) for row in rows]


async def add_up(connection: AsyncConnection, chosen: Chosen) -> TradeFigures:
    """The figures of the trades that are chosen, in one statement."""
    row = (await connection.execute(figures_query(chosen))).one()
    return TradeFigures(
        totals=_totals_of(row),
        average_hold=row.average_hold,
        longest_winning_streak=row.longest_win or 0,
        longest_losing_streak=row.longest_loss or 0,
        fall=Fall(row.fall or Decimal(0), row.began_at if row.fall else None, row.regained_at if row.fall else None),
        estimated=row.estimated,
    )


async def break_down(connection: AsyncConnection, chosen: Chosen) -> Breakdown:
    """The figures of the trades that are chosen, apart by each of what they may have in common, in one statement."""
    parts = (
        positions.c.symbol,
        positions.c.venue,
        positions.c.side,
        positions.c.exit_reason,
        func.coalesce(positions.c.flow_id, literal_column("''")),
    )
    names = [part.label(f"part{number}") for number, part in enumerate(parts)]
    rows = await connection.execute(
        select(*names, func.grouping(*parts).label("grouping"), *_sums())
        .where(*_conditions(chosen), _EXACT)
        .group_by(func.grouping_sets(*(tuple_(part) for part in parts)))
        .order_by(text("total DESC"), *(text(f"part{number}") for number in range(len(parts))))
    )
    groups: list[list[tuple[str, Totals]]] = [[] for _ in parts]
    for row in rows:
        # One bit for each part, the first one highest; it is 0 for the part by which the row is grouped.
        number = next(n for n in range(len(parts)) if not row.grouping & (1 << (len(parts) - 1 - n)))
        groups[number].append((row[number], _totals_of(row)))
    return Breakdown(*(tuple(group) for group in groups))


async def list_days(connection: AsyncConnection, chosen: Chosen) -> list[DayOfTrades]:
    """Trades and profit by day, in order of time."""
    day = func.date_trunc("day", positions.c.closed_at, "UTC").label("day")
    rows = await connection.execute(
        select(day, func.count().label("trades"), func.sum(_PNL).label("pnl"))
        .where(*_conditions(chosen), _EXACT)
        .group_by(day)
        .order_by(day)
    )
    return [DayOfTrades(row.day, row.trades, row.pnl) for row in rows]


async def list_equity(connection: AsyncConnection, chosen: Chosen) -> list[AccountDay]:
    """The daily equity of the user's accounts within the span, whatever symbols are chosen."""
    kept = equity_snapshots.c
    conditions: list[ColumnElement[bool]] = [accounts.c.user_id == chosen.user_id]
    if chosen.venue is not None:
        conditions.append(accounts.c.venue == chosen.venue.value)
    if chosen.span.since is not None:
        conditions.append(kept.day >= chosen.span.since.date())
    if chosen.span.until is not None:
        conditions.append(kept.day < chosen.span.until.date())
    rows = await connection.execute(
        select(kept.account_id, kept.day, kept.closed_equity, kept.transfers)
        .join(accounts, accounts.c.account_id == kept.account_id)
        .where(*conditions)
        .order_by(kept.day, kept.account_id)
    )
    return [AccountDay(row.account_id, row.day, row.closed_equity, row.transfers) for row in rows]


def _conditions(chosen: Chosen) -> list[ColumnElement[bool]]:
    conditions = [positions.c.user_id == chosen.user_id, _CLOSED]
    if chosen.span.since is not None:
        conditions.append(positions.c.closed_at >= chosen.span.since)
    if chosen.span.until is not None:
        conditions.append(positions.c.closed_at < chosen.span.until)
    if chosen.venue is not None:
        conditions.append(positions.c.venue == chosen.venue.value)
    if chosen.symbol is not None:
        conditions.append(positions.c.symbol == chosen.symbol)
    if chosen.flow_id is not None:
        conditions.append(positions.c.flow_id == chosen.flow_id)
    return conditions


def _sums(
    pnl: ColumnElement[Any] = _PNL,
    fee: ColumnElement[Any] = positions.c.exit_fee,
    outcome: ColumnElement[Any] = _PNL,
) -> list[ColumnElement[Any]]:
    """What Totals are made of; `outcome` has the sign of the profit."""
    won, lost = outcome > _ZERO, outcome < _ZERO
    return [
        func.count().label("total"),
        func.count().filter(won).label("winning"),
        func.count().filter(lost).label("losing"),
        func.sum(pnl).label("total_pnl"),
        func.sum(pnl).filter(won).label("gross_profit"),
        func.sum(pnl).filter(lost).label("gross_loss"),
        func.max(pnl).label("best"),
        func.min(pnl).label("worst"),
        func.sum(fee).label("fees"),
    ]


def _totals_of(row: Any) -> Totals:
    return Totals(
        total=row.total,
        winning=row.winning,
        losing=row.losing,
        total_pnl=row.total_pnl,
        gross_profit=row.gross_profit or Decimal(0),
        gross_loss=row.gross_loss or Decimal(0),
        best=row.best,
        worst=row.worst,
        fees=row.fees,
    )


def figures_query(chosen: Chosen) -> Select[Any]:
    """One pass in order of closing, each window over the one before it.

    The running sum, its highest so far, and how often it has been at its highest: trades with one count of that are one
    fall, which ends where the next count begins. Streaks are told apart by a running count of the turns.
    """
    order: Any = {"order_by": (literal_column("closed_at"), literal_column("position_id")), "rows": (None, 0)}
    trades = (
        select(
            positions.c.closed_at,
            positions.c.position_id,
            _PNL.label("pnl"),
            positions.c.exit_fee.label("fee"),
            (positions.c.closed_at - positions.c.opened_at).label("held"),
            cast(func.sign(_PNL), Integer).label("outcome"),
        )
        .where(*_conditions(chosen), _EXACT)
        .cte("trades")
    )
    before = func.lag(trades.c.outcome).over(**order)
    summed = select(
        trades,
        func.sum(trades.c.pnl).over(**order).label("sum"),
        cast(before.is_distinct_from(trades.c.outcome), Integer).label("turned"),
    ).cte("summed")
    peaked = select(
        summed,
        func.greatest(_ZERO, func.max(summed.c.sum).over(**order)).label("highest"),
        func.sum(summed.c.turned).over(**order).label("streak"),
    ).cte("peaked")
    curve = (
        select(peaked, func.count().filter(peaked.c.sum == peaked.c.highest).over(**order).label("episode"))
        .cte("curve")
        .prefix_with("MATERIALIZED")
    )
    c = curve.c
    streaks = select(c.outcome, func.count().label("length")).group_by(c.streak, c.outcome).cte("streaks")
    episodes = (
        select(c.episode, func.max(c.highest - c.sum).label("fall"), func.min(c.closed_at).label("began_at"))
        .group_by(c.episode)
        .cte("episodes")
    )
    falls = select(
        episodes.c.fall,
        episodes.c.began_at,
        func.lead(episodes.c.began_at).over(order_by=episodes.c.episode).label("regained_at"),
    ).cte("falls")
    deepest = select(falls).order_by(falls.c.fall.desc(), falls.c.began_at).limit(1).cte("deepest")
    longest = select(func.max(streaks.c.length))
    return select(
        *_sums(c.pnl, c.fee, c.outcome),
        func.avg(c.held, type_=Interval).label("average_hold"),
        longest.where(streaks.c.outcome > _ZERO).scalar_subquery().label("longest_win"),
        longest.where(streaks.c.outcome < _ZERO).scalar_subquery().label("longest_loss"),
        select(deepest.c.fall).scalar_subquery().label("fall"),
        select(deepest.c.began_at).scalar_subquery().label("began_at"),
        select(deepest.c.regained_at).scalar_subquery().label("regained_at"),
        select(func.count())
        .select_from(positions)
        .where(*_conditions(chosen), ~_EXACT)
        .scalar_subquery()
        .label("estimated"),
    )
