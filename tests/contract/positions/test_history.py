"""History and its figures over a real Postgres: by hand, against a naive reckoning, and by the index alone."""

import json
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.database import create_engine, transaction
from services.common.errors import DatabaseUnavailable
from services.common.trading.side import Venue
from services.positions.config import PositionsSettings
from services.positions.domain.account import Account
from services.positions.domain.analytics import Fall, Totals, TradeFigures
from services.positions.domain.period import Span
from services.positions.queries.books import BookQueries
from services.positions.store.equity import equity_snapshots
from services.positions.store.history import Chosen, Cursor, figures_query
from tests.contract.positions.conftest import Books
from tests.contract.positions.trades import Trade, write_trades
from tests.factories import NOON, at

HOUR = timedelta(hours=1)


def sequence(*profits: str) -> list[Trade]:
    """Trades that closed an hour after each other."""
    return [Trade(Decimal(profit), NOON + number * HOUR) for number, profit in enumerate(profits)]


async def keep(books: Books, account: Account, trades: Iterable[Trade]) -> str:
    """A user of their own with these trades."""
    user_id = uuid4().hex
    await write_trades(books.engine, account, user_id, list(trades))
    return user_id


async def test_figures_by_hand(books: Books, account: Account) -> None:
    """+100 −40 0 +60 −30 −50 +10: sums 100 60 60 120 90 40 50, so the fall is 80 from the fourth close."""
    user_id = await keep(books, account, sequence("100", "-40", "0", "60", "-30", "-50", "10"))
    books.clock.set(NOON + 10 * HOUR)
    told = await books.queries.analyze(Chosen(user_id))
    trades, totals = told.trades, told.trades.totals
    assert (totals.total, totals.winning, totals.losing) == (7, 3, 3)
    assert (totals.total_pnl, totals.gross_profit, totals.gross_loss) == (Decimal(50), Decimal(170), Decimal(-120))
    assert totals.win_rate is not None
    assert round(totals.win_rate, 2) == Decimal("42.86")
    assert totals.profit_factor is not None
    assert round(totals.profit_factor, 6) == Decimal("1.416667")
    assert totals.average_pnl == totals.expectancy == Decimal(50) / 7
    # 50/7 a trade, by an average loss of 40.
    assert totals.expectancy_ratio is not None
    assert round(totals.expectancy_ratio, 6) == Decimal("0.178571")
    assert (trades.longest_winning_streak, trades.longest_losing_streak) == (1, 2)
    assert trades.fall == Fall(Decimal(80), NOON + 3 * HOUR, None)
    assert trades.fall.duration(told.as_of) == 7 * HOUR
    assert trades.average_hold == HOUR


async def test_a_fall_ends_where_the_highest_point_is_reached_again(books: Books, account: Account) -> None:
    user_id = await keep(books, account, sequence("-5", "25", "-10", "4", "6", "-1"))
    fall = (await books.queries.analyze(Chosen(user_id))).trades.fall
    assert fall == Fall(Decimal(10), NOON + HOUR, NOON + 4 * HOUR)
    assert fall.duration(NOON + 99 * HOUR) == 3 * HOUR


async def test_what_only_rose_never_fell(books: Books, account: Account) -> None:
    user_id = await keep(books, account, sequence("5", "0", "1"))
    told = (await books.queries.analyze(Chosen(user_id))).trades
    assert told.fall == Fall(Decimal(0), None, None)
    assert told.fall.duration(NOON + HOUR) == timedelta(0)
    assert (told.totals.profit_factor, told.totals.expectancy_ratio) == (None, None)


async def test_what_is_not_exact_is_counted_apart(books: Books, account: Account) -> None:
    trades = [
        Trade(Decimal(5)),
        Trade(Decimal(1000), estimated=True),
        Trade(None, estimated=True),
        Trade(None, fee=None),
    ]
    user_id = await keep(books, account, trades)
    told = await books.queries.analyze(Chosen(user_id))
    assert (told.trades.totals.total, told.trades.totals.total_pnl, told.trades.estimated) == (1, Decimal(5), 3)
    assert (await books.queries.break_down(Chosen(user_id))).by_side[0][1].total == 1
    assert [point.pnl for point in await books.queries.draw_curve(Chosen(user_id))] == [5]
    assert len((await books.queries.list_history(Chosen(user_id), None, 10)).positions) == 4


async def test_no_trades_no_figures(books: Books) -> None:
    told = await books.queries.analyze(Chosen("nobody"))
    assert told.trades == TradeFigures(
        Totals(0, 0, 0, None, Decimal(0), Decimal(0), None, None, None), None, 0, 0, Fall(Decimal(0), None, None), 0
    )
    assert told.trades.totals.win_rate is told.trades.totals.expectancy is told.trades.totals.average_pnl is None
    assert (told.ratios.days, told.ratios.sharpe, told.ratios.max_drawdown) == (0, None, None)
    assert (await books.queries.break_down(Chosen("nobody"))).by_symbol == ()
    assert await books.queries.draw_curve(Chosen("nobody")) == []


MONEY = st.decimals(-1000, 1000, places=3, allow_nan=False, allow_infinity=False)
TRADES = st.lists(
    st.builds(
        Trade,
        pnl=st.one_of(st.sampled_from([Decimal(0), Decimal(1), Decimal(-1)]), MONEY, st.none()),
        closed_at=st.integers(0, 20).map(lambda hours: NOON + hours * HOUR),
        fee=MONEY,
        held=st.integers(0, 10**6).map(lambda seconds: timedelta(seconds=seconds)),
        symbol=st.sampled_from(["BTCUSDT", "ETHUSDT"]),
        venue=st.sampled_from(["binance", "bybit"]),
        side=st.sampled_from(["long", "short"]),
        exit_reason=st.sampled_from(["manual", "stop_loss"]),
        flow_id=st.sampled_from([None, "f1", "f2"]),
        estimated=st.booleans(),
    ),
    max_size=25,
)
CHOICES: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    venue=st.sampled_from([None, Venue.BINANCE, Venue.BYBIT]),
    symbol=st.sampled_from([None, "BTCUSDT"]),
    flow_id=st.sampled_from([None, "f1"]),
    span=st.sampled_from([Span(), Span(NOON + 5 * HOUR), Span(NOON + 2 * HOUR, NOON + 11 * HOUR)]),
)


def meant(trade: Trade, chosen: Chosen) -> bool:
    return (
        (chosen.venue is None or trade.venue == chosen.venue.value)
        and chosen.symbol in (None, trade.symbol)
        and chosen.flow_id in (None, trade.flow_id)
        and (chosen.span.since is None or trade.closed_at >= chosen.span.since)
        and (chosen.span.until is None or trade.closed_at < chosen.span.until)
    )


def reckon_totals(trades: list[Trade]) -> Totals:
    profits = [trade.pnl for trade in trades if trade.pnl is not None]
    return Totals(
        total=len(profits),
        winning=sum(pnl > 0 for pnl in profits),
        losing=sum(pnl < 0 for pnl in profits),
        total_pnl=sum(profits, Decimal(0)) if profits else None,
        gross_profit=sum((pnl for pnl in profits if pnl > 0), Decimal(0)),
        gross_loss=sum((pnl for pnl in profits if pnl < 0), Decimal(0)),
        best=max(profits, default=None),
        worst=min(profits, default=None),
        fees=sum((trade.fee for trade in trades if trade.fee is not None), Decimal(0)) if profits else None,
    )


def reckon_fall(trades: list[Trade]) -> Fall:
    """The sum after each close, held against every close before it."""
    sums = [Decimal(0)]
    for trade in trades:
        assert trade.pnl is not None
        sums.append(sums[-1] + trade.pnl)
    deepest = max(max(sums[: n + 1]) - sums[n] for n in range(len(sums)))
    if deepest == 0:
        return Fall(Decimal(0), None, None)
    bottom = next(n for n in range(len(sums)) if max(sums[: n + 1]) - sums[n] == deepest)
    highest = max(sums[: bottom + 1])
    top = max(n for n in range(bottom) if sums[n] == highest)
    regained = next((n for n in range(bottom, len(sums)) if sums[n] >= highest), None)
    return Fall(
        deepest,
        trades[max(top, 1) - 1].closed_at,
        None if regained is None else trades[regained - 1].closed_at,
    )


def longest(trades: list[Trade], outcome: Callable[[Decimal], bool]) -> int:
    runs = groupby(trades, lambda trade: trade.pnl is not None and outcome(trade.pnl))
    return max((len(list(run)) for won, run in runs if won), default=0)


@given(trades=TRADES, narrowed=CHOICES)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_figures_are_those_of_a_naive_reckoning(
    books: Books, account: Account, trades: list[Trade], narrowed: dict[str, Any]
) -> None:
    user_id = await keep(books, account, trades)
    chosen = Chosen(user_id, **narrowed)
    mine = sorted((trade for trade in trades if meant(trade, chosen)), key=lambda trade: trade.closed_at)
    exact = [trade for trade in mine if trade.exact]
    told = (await books.queries.analyze(chosen)).trades
    assert told.totals == reckon_totals(exact)
    assert told.fall == reckon_fall(exact)
    assert told.longest_winning_streak == longest(exact, lambda pnl: pnl > 0)
    assert told.longest_losing_streak == longest(exact, lambda pnl: pnl < 0)
    assert told.estimated == len(mine) - len(exact)
    if exact:
        assert told.average_hold is not None
        mean = sum((trade.held for trade in exact), timedelta()) / len(exact)
        assert abs(told.average_hold - mean) <= timedelta(microseconds=1)
    parts = await books.queries.break_down(chosen)
    for groups, name in (
        (parts.by_symbol, "symbol"),
        (parts.by_exchange, "venue"),
        (parts.by_side, "side"),
        (parts.by_exit_reason, "exit_reason"),
        (parts.by_flow, "flow_id"),
    ):
        keys = {getattr(trade, name) or "" for trade in exact}
        expected = {key: [trade for trade in exact if (getattr(trade, name) or "") == key] for key in keys}
        assert dict(groups) == {key: reckon_totals(part) for key, part in expected.items()}
        assert [totals.total for _, totals in groups] == sorted((totals.total for _, totals in groups), reverse=True)
    points = await books.queries.draw_curve(chosen)
    assert sum((point.pnl for point in points), Decimal(0)) == (told.totals.total_pnl or 0)


@given(trades=TRADES, size=st.integers(1, 7))
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_pages_hold_every_closed_row_once_and_the_latest_first(
    books: Books, account: Account, trades: list[Trade], size: int
) -> None:
    user_id = await keep(books, account, trades)
    seen: list[tuple[datetime, str]] = []
    cursor: Cursor | None = None
    while True:
        page = await books.queries.list_history(Chosen(user_id), cursor, size)
        seen += [(row.exit.executed_at, row.position_id) for row in page.positions if row.exit is not None]
        cursor = page.next_cursor
        if cursor is None:
            break
        assert len(page.positions) == size
    assert len(seen) == len(set(seen)) == len(trades)
    assert seen == sorted(seen, reverse=True)


async def snapshots(books: Books, account: Account, *rows: tuple[date, str, str | None]) -> None:
    async with transaction(books.engine) as connection:
        await connection.execute(
            equity_snapshots.insert(),
            [
                {
                    "account_id": account.account_id,
                    "day": day,
                    "opened_equity": Decimal(equity),
                    "opened_at": datetime(day.year, day.month, day.day, tzinfo=UTC),
                    "closed_equity": Decimal(equity),
                    "closed_at": datetime(day.year, day.month, day.day, 23, tzinfo=UTC),
                    "transfers": None if transfers is None else Decimal(transfers),
                }
                for day, equity, transfers in rows
            ],
        )


async def test_ratios_stand_on_equity_and_a_symbol_has_none(books: Books, account: Account) -> None:
    first = date(2026, 1, 1)
    rows = [("1000", "1000"), ("1010", "0"), ("999.9", "0"), ("1519.898", "500")]
    await snapshots(books, account, *((first + timedelta(days=n), *row) for n, row in enumerate(rows)))
    told = (await books.queries.analyze(Chosen(account.user_id))).ratios
    assert told.days == 3
    assert told.sharpe is not None
    assert round(told.sharpe, 4) == Decimal("8.3381")
    assert told.max_drawdown == Decimal("0.01")
    for chosen in (
        Chosen(account.user_id, symbol="BTCUSDT"),
        Chosen(account.user_id, flow_id="f1"),
        Chosen(account.user_id, venue=Venue.BYBIT),
        Chosen("another"),
    ):
        assert (await books.queries.analyze(chosen)).ratios.days == 0
        assert [point.equity for point in await books.queries.draw_curve(chosen)] == []
    curve = await books.queries.draw_curve(Chosen(account.user_id))
    assert [point.drawdown_fraction for point in curve] == [None, 0, Decimal("0.01"), 0]
    later = Span(datetime(2026, 1, 3, tzinfo=UTC), datetime(2026, 1, 4, tzinfo=UTC))
    assert [point.day.day for point in await books.queries.draw_curve(Chosen(account.user_id, later))] == [3]


async def test_figures_are_read_from_the_index_alone(books: Books, account: Account, engine: AsyncEngine) -> None:
    """All columns that the figures need are in it."""
    user_id = await keep(books, account, sequence(*["1", "-1"] * 50))
    for other in range(5):
        await write_trades(engine, account, f"crowd-{other}", sequence(*["1"] * 400))
    async with engine.connect() as opened:
        autocommit = await opened.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text("VACUUM ANALYZE positions"))
        # The table is small here: a plan that can do with the index is wanted, not the cheapest one.
        await autocommit.execute(text("SET enable_seqscan = off"))
        await autocommit.execute(text("SET enable_bitmapscan = off"))
        statement = figures_query(Chosen(user_id)).compile(
            dialect=engine.dialect, compile_kwargs={"literal_binds": True}
        )
        explained = await autocommit.execute(text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}".replace(":", r"\:")))
        [plan] = explained.scalar_one()
        await autocommit.invalidate()
    scans = list(_scans(plan["Plan"]))
    assert scans, json.dumps(plan)
    assert {(scan["Node Type"], scan.get("Index Name")) for scan in scans} == {
        ("Index Only Scan", "positions_analytics_idx")
    }


def _scans(node: dict[str, Any]) -> Iterable[dict[str, Any]]:
    if node.get("Relation Name") == "positions":
        yield node
    for inner in node.get("Plans", []):
        yield from _scans(inner)


async def test_figures_come_from_the_replica_and_the_books_from_the_primary(
    books: Books, account: Account, settings: PositionsSettings
) -> None:
    """A replica that is away takes the figures with it, and nothing else."""
    user_id = await keep(books, account, sequence("1"))
    away = create_engine("postgresql://tandem_positions:x@127.0.0.1:9/tandem", "positions", 1)
    queries = BookQueries(books.engine, books.clock, replica=away)
    assert len((await queries.list_history(Chosen(user_id), None, 5)).positions) == 1
    asks: list[Callable[[Chosen], Awaitable[object]]] = [queries.analyze, queries.break_down, queries.draw_curve]
    for ask in asks:
        with pytest.raises(DatabaseUnavailable):
            await ask(Chosen(user_id))
    await away.dispose()
    assert (await books.queries.analyze(Chosen(user_id, Span(at(0))))).trades.totals.total == 1
