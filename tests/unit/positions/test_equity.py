"""Ratios over time: worked by hand, and against empyrical-reloaded, a library that many use and somebody keeps."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import empyrical
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.positions.domain.analytics import DayOfTrades
from services.positions.domain.equity import (
    AccountDay,
    CurvePoint,
    add_up,
    calmar_ratio,
    draw_curve,
    drawdowns,
    judge,
    max_drawdown,
    sharpe_ratio,
    sortino_ratio,
)

FIRST = date(2026, 1, 1)


def on(number: int) -> date:
    return FIRST + timedelta(days=number)


def days_of(account: str, *rows: tuple[int, str, str | None]) -> list[AccountDay]:
    return [
        AccountDay(account, on(number), Decimal(equity), None if transfers is None else Decimal(transfers))
        for number, equity, transfers in rows
    ]


def changes(rows: Sequence[AccountDay]) -> list[Decimal | None]:
    return [day.change for day in add_up(rows)]


RETURNS = st.lists(
    st.decimals(Decimal("-0.4"), Decimal("0.5"), places=6, allow_nan=False, allow_infinity=False),
    min_size=2,
    max_size=120,
)
Theirs = Callable[[np.ndarray], float]
PAIRS: list[tuple[Callable[[Sequence[Decimal]], Decimal | None], Theirs]] = [
    (sharpe_ratio, lambda series: empyrical.sharpe_ratio(series, annualization=365)),
    (sortino_ratio, lambda series: empyrical.sortino_ratio(series, annualization=365)),
    (calmar_ratio, lambda series: empyrical.calmar_ratio(series, annualization=365)),
    (max_drawdown, lambda series: -empyrical.max_drawdown(series)),
]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=["sharpe", "sortino", "calmar", "max drawdown"])
@given(returns=RETURNS)
@settings(deadline=None, max_examples=150)
def test_as_empyrical_has_it(
    ours: Callable[[Sequence[Decimal]], Decimal | None], theirs: Theirs, returns: list[Decimal]
) -> None:
    with np.errstate(all="ignore"):
        expected = theirs(np.array([float(one) for one in returns]))
    told = ours(returns)
    if told is None:
        # Theirs is not a number, infinite, or what a float makes of a deviation of zero.
        deviation = float(np.std([float(one) for one in returns]))
        assert not np.isfinite(expected) or deviation < 1e-12 or not min(returns) < 0
    else:
        assert float(told) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_ratios_by_hand() -> None:
    """Returns of 1 %, −1 % and 2 %."""
    told = judge([Decimal("0.01"), Decimal("-0.01"), Decimal("0.02")])
    # Mean 0.0066667, sample deviation 0.0152753, √365 = 19.1049732.
    assert told.sharpe is not None
    assert round(told.sharpe, 4) == Decimal("8.3381")
    # Downside deviation √(0.0001 / 3) = 0.0057735.
    assert told.sortino is not None
    assert round(told.sortino, 4) == Decimal("22.0605")
    # 1.01 · 0.99 · 1.02 = 1.019898; its (365/3)rd power less one, by a fall of 1 %.
    assert told.max_drawdown == Decimal("0.01")
    assert told.calmar is not None
    assert round(told.calmar, 0) == round((Decimal("1.019898") ** (Decimal(365) / 3) - 1) * 100, 0)
    assert told.days == 3


@pytest.mark.parametrize("returns", [[], [Decimal("0.01")], [Decimal("0.01")] * 5, [Decimal(0)] * 5])
def test_what_cannot_be_told_is_none(returns: list[Decimal]) -> None:
    told = judge(returns)
    assert (told.sharpe, told.sortino, told.calmar) == (None, None, None)


def test_a_total_loss_is_a_fall_of_everything() -> None:
    told = judge([Decimal("0.1"), Decimal(-1), Decimal("0.1")])
    assert (told.max_drawdown, told.calmar) == (Decimal(1), Decimal(-1))
    assert drawdowns([Decimal(-1), Decimal(5)]) == [1, 1]


def test_a_deposit_is_no_profit() -> None:
    """1000, then 1600 after a deposit of 500: 10 %. Then 1440 after a withdrawal of 160: nothing."""
    rows = days_of("a", (0, "1000", "1000"), (1, "1600", "500"), (2, "1440", "-160"))
    assert changes(rows) == [None, Decimal("0.1"), Decimal(0)]


def test_accounts_add_up_and_a_new_one_is_no_gain() -> None:
    rows = days_of("a", (0, "100", "0"), (1, "110", "0"), (2, "110", "0")) + days_of(
        "b", (1, "900", None), (2, "901", "0")
    )
    assert changes(rows) == [None, Decimal("0.1"), Decimal(1) / Decimal(1010)]
    assert [day.equity for day in add_up(rows)] == [100, 1010, 1011]


def test_a_day_of_unknown_transfers_tells_nothing() -> None:
    rows = days_of("a", (0, "100", "0"), (1, "300", None), (2, "330", "0"))
    assert changes(rows) == [None, None, Decimal("0.1")]


def test_a_day_without_a_reading_shows_on_the_next_one() -> None:
    rows = days_of("a", (0, "100", "0"), (3, "110", "0"))
    assert changes(rows) == [None, 0, 0, Decimal("0.1")]


def test_an_account_that_is_silent_for_a_week_counts_no_more_and_begins_anew() -> None:
    rows = days_of("a", (0, "100", "0"), (10, "500", "0"), (11, "550", "0"))
    days = add_up(rows)
    assert [day.day for day in days] == [*(on(number) for number in range(8)), on(10), on(11)]
    assert [day.change for day in days][8:] == [None, Decimal("0.1")]


def test_an_account_without_equity_has_no_return() -> None:
    assert changes(days_of("a", (0, "0", "0"), (1, "100", "0"))) == [None, None]
    assert add_up([]) == []


def test_a_curve_has_a_point_for_each_day_of_which_something_is_known() -> None:
    traded = [
        DayOfTrades(datetime(2026, 1, 2, tzinfo=UTC), 2, Decimal(10)),
        DayOfTrades(datetime(2026, 1, 5, tzinfo=UTC), 1, Decimal(-4)),
    ]
    points = draw_curve(traded, add_up(days_of("a", (0, "100", "0"), (1, "90", "0"))))
    assert points == [
        CurvePoint(on(0), 0, Decimal(0), Decimal(0), Decimal(0), Decimal(100), None),
        CurvePoint(on(1), 2, Decimal(10), Decimal(10), Decimal(0), Decimal(90), Decimal("0.1")),
        CurvePoint(on(4), 1, Decimal(-4), Decimal(6), Decimal(4), None, None),
    ]
