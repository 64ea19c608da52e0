"""Ratios over time, from the daily equity of a user's accounts less transfers.

Invariants: what needs an equity base is None without one; a day is a UTC day; crypto trades on all 365 of a year. A day
on which an account was not read repeats its last equity, and the change shows on the next day that has one; after a
week without a reading the account counts no more, until it is read again. A day of which the transfers are not known
has no return, and tells nothing. An account's first day is its base: to add or to remove one is neither a gain nor a
loss.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Context, Decimal, localcontext

from services.positions.domain.analytics import DayOfTrades

DAYS_A_YEAR = 365
LONGEST_SILENCE = timedelta(days=7)
_CONTEXT = Context(prec=40)
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class AccountDay:
    """An account's equity at its last reading of a day, quote currency; `transfers` are those since the one before it,
    None where they are not known.
    """

    account_id: str
    day: date
    equity: Decimal
    transfers: Decimal | None


@dataclass(frozen=True, slots=True)
class EquityDay:
    """All accounts at the end of a day. `change` is the day's return as a fraction, None where it cannot be told."""

    day: date
    equity: Decimal
    change: Decimal | None


@dataclass(frozen=True, slots=True)
class Ratios:
    """What daily returns say of an account; annualised by 365 days, with a risk-free rate of zero."""

    days: int
    sharpe: Decimal | None
    sortino: Decimal | None
    calmar: Decimal | None
    max_drawdown: Decimal | None
    """A fraction, positive or zero."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A day of the equity curve; equity and its drawdown are None where they are not known."""

    day: date
    trades: int
    pnl: Decimal
    cumulative_pnl: Decimal
    drawdown: Decimal
    equity: Decimal | None
    drawdown_fraction: Decimal | None


def add_up(rows: Iterable[AccountDay]) -> list[EquityDay]:
    """The user's days, from the days of the accounts; a day is there as long as any account counts.

    The return of a day is (equity at its end − transfers of the day) by equity at the end of the day before, less one:
    transfers count as made at the end of the day. Source: time-weighted return with daily valuation, GIPS standards.
    """
    by_day: dict[date, list[AccountDay]] = defaultdict(list)
    for row in rows:
        by_day[row.day].append(row)
    if not by_day:
        return []
    days: list[EquityDay] = []
    latest: dict[str, AccountDay] = {}
    day, last = min(by_day), max(by_day)
    while day <= last:
        latest = {name: row for name, row in latest.items() if day - row.day <= LONGEST_SILENCE}
        base, gain, known = _sum(latest.values()), Decimal(0), bool(latest)
        for row in by_day.get(day, ()):
            before = latest.get(row.account_id)
            latest[row.account_id] = row
            if before is None:
                continue
            known = known and row.transfers is not None
            gain += row.equity - before.equity - (row.transfers or 0)
        change = gain / base if known and base > 0 else None
        if latest:
            days.append(EquityDay(day, _sum(latest.values()), change))
        day += timedelta(days=1)
    return days


def _sum(rows: Iterable[AccountDay]) -> Decimal:
    return sum((row.equity for row in rows), Decimal(0))


def judge(returns: Sequence[Decimal]) -> Ratios:
    """All ratios of a series of daily returns."""
    return Ratios(
        len(returns), sharpe_ratio(returns), sortino_ratio(returns), calmar_ratio(returns), max_drawdown(returns)
    )


def sharpe_ratio(returns: Sequence[Decimal]) -> Decimal | None:
    """Mean daily return by its sample standard deviation, × √365; None for fewer than two days or no deviation.

    Source: W. Sharpe, "The Sharpe Ratio", Journal of Portfolio Management, 1994, with a risk-free rate of zero.
    """
    if len(returns) < 2:
        return None
    with localcontext(_CONTEXT):
        mean = sum(returns) / Decimal(len(returns))
        variance = sum((one - mean) ** 2 for one in returns) / Decimal(len(returns) - 1)
        return mean / variance.sqrt() * Decimal(DAYS_A_YEAR).sqrt() if variance else None


def sortino_ratio(returns: Sequence[Decimal]) -> Decimal | None:
    """Mean daily return by downside deviation, × √365; None for fewer than two days or no losing day.

    Downside deviation is the root of the mean, over all days, of the squares of the returns below zero. Source: F.
    Sortino and L. Price, "Performance Measurement in a Downside Risk Framework", Journal of Investing, 1994, with a
    target of zero.
    """
    if len(returns) < 2:
        return None
    with localcontext(_CONTEXT):
        mean = sum(returns) / Decimal(len(returns))
        downside = sum((one**2 for one in returns if one < 0), Decimal(0)) / len(returns)
        return mean / downside.sqrt() * Decimal(DAYS_A_YEAR).sqrt() if downside else None


def calmar_ratio(returns: Sequence[Decimal]) -> Decimal | None:
    """Compound annual return by maximum drawdown; None for fewer than two days or where nothing fell.

    Source: T. Young, "Calmar Ratio: A Smoother Tool", Futures, 1991, over the whole series rather than 36 months.
    """
    fall = max_drawdown(returns)
    if len(returns) < 2 or not fall:
        return None
    with localcontext(_CONTEXT):
        grown = _ONE
        for one in returns:
            grown *= _ONE + one
        if grown <= 0:
            return -_ONE / fall
        return (grown ** (Decimal(DAYS_A_YEAR) / len(returns)) - 1) / fall


def max_drawdown(returns: Sequence[Decimal]) -> Decimal | None:
    """The largest fall of compounded returns from their highest point so far, as a fraction; None without returns.

    Source: Magdon-Ismail and Atiya, "Maximum Drawdown", Risk 17(10), 2004.
    """
    falls = drawdowns(returns)
    return max(falls) if falls else None


def drawdowns(returns: Sequence[Decimal]) -> list[Decimal]:
    """How far compounded returns are below their highest so far (at least one), after each day, as fractions."""
    with localcontext(_CONTEXT):
        index = highest = _ONE
        falls = []
        for one in returns:
            index *= _ONE + one
            highest = max(highest, index)
            falls.append(_ONE - index / highest)
        return falls


def draw_curve(trades: Sequence[DayOfTrades], equity: Sequence[EquityDay]) -> list[CurvePoint]:
    """Trades and equity side by side, a point for each day of which either is known."""
    by_day = {one.day.date(): one for one in trades}
    equities = {one.day: one for one in equity}
    falls = dict(
        zip(
            (one.day for one in equity if one.change is not None),
            drawdowns([one.change for one in equity if one.change is not None]),
            strict=True,
        )
    )
    points = []
    cumulative = highest = Decimal(0)
    for day in sorted(by_day.keys() | equities.keys()):
        traded, held = by_day.get(day), equities.get(day)
        cumulative += traded.pnl if traded else 0
        highest = max(highest, cumulative)
        points.append(
            CurvePoint(
                day=day,
                trades=traded.trades if traded else 0,
                pnl=traded.pnl if traded else Decimal(0),
                cumulative_pnl=cumulative,
                drawdown=highest - cumulative,
                equity=held.equity if held else None,
                drawdown_fraction=falls.get(day),
            )
        )
    return points
