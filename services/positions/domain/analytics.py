"""What closed trades add up to. Every figure is defined here, once, with its source.

Invariants: only exact exits are counted; a trade that nets zero is neither won nor lost; a figure that cannot be told
is None, never zero. Money is quote currency and net of fees; the sums themselves are made by the database.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over trades; `gross_loss` is not positive. Best, worst and sums are None without trades."""

    total: int
    winning: int
    losing: int
    total_pnl: Decimal | None
    gross_profit: Decimal
    gross_loss: Decimal
    best: Decimal | None
    """The highest net profit of one trade."""
    worst: Decimal | None
    """The lowest net profit of one trade."""
    fees: Decimal | None
    """What was paid in fees, already taken off the profits."""

    @property
    def win_rate(self) -> Decimal | None:
        """Percent of all trades that netted more than zero.

        Source: "percent profitable" of TradeStation's strategy performance report.
        """
        return Decimal(self.winning) / self.total * 100 if self.total else None

    @property
    def average_pnl(self) -> Decimal | None:
        """The arithmetic mean of net profit a trade."""
        return None if self.total_pnl is None else self.total_pnl / self.total

    @property
    def profit_factor(self) -> Decimal | None:
        """Gross profit by gross loss; None without a loss. Source: TradeStation's strategy performance report."""
        return self.gross_profit / -self.gross_loss if self.gross_loss else None

    @property
    def expectancy(self) -> Decimal | None:
        """Share of wins × average win − share of losses × average loss, in money a trade.

        As a trade that nets zero adds nothing to either, it equals the average. Source: V. Tharp, "Trade Your Way to
        Financial Freedom".
        """
        return (self.gross_profit + self.gross_loss) / self.total if self.total else None

    @property
    def expectancy_ratio(self) -> Decimal | None:
        """Expectancy in average losses, which stand in for the risk taken; None without a loss. Source: as above."""
        if self.expectancy is None or not self.gross_loss:
            return None
        return self.expectancy / (-self.gross_loss / self.losing)


@dataclass(frozen=True, slots=True)
class Fall:
    """The largest fall of the running sum of net profit from its highest point so far, which starts at zero.

    The first of them where several are as deep. `began_at` is the close that made the highest point; of a fall from
    the very beginning, the first close of all. Source: maximum drawdown, M. Magdon-Ismail and A. Atiya, "Maximum
    Drawdown", Risk 17(10), 2004, over closed trades.
    """

    amount: Decimal
    began_at: datetime | None
    regained_at: datetime | None

    def duration(self, end: datetime) -> timedelta:
        """From the highest point until the sum is there again, or until `end` where it is not."""
        if self.began_at is None:
            return timedelta(0)
        return max((self.regained_at or end) - self.began_at, timedelta(0))


@dataclass(frozen=True, slots=True)
class TradeFigures:
    """Figures over the exact exits among a user's trades, in order of closing.

    `longest_winning_streak` and `longest_losing_streak` are the most trades in a row, by time of closing, that all won
    or all lost; a trade that nets zero ends either. Source: "maximum consecutive winners/losers", MetaTrader's report.
    """

    totals: Totals
    average_hold: timedelta | None
    """The mean time from opening to closing."""
    longest_winning_streak: int
    longest_losing_streak: int
    fall: Fall
    estimated: int
    """Closed positions that nothing else here counts, because their exit is not exactly known."""


@dataclass(frozen=True, slots=True)
class DayOfTrades:
    """A day's exact exits; `day` is its first moment in UTC."""

    day: datetime
    trades: int
    pnl: Decimal


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Totals apart by what the trades have in common; each part's most frequent first."""

    by_symbol: tuple[tuple[str, Totals], ...]
    by_exchange: tuple[tuple[str, Totals], ...]
    by_side: tuple[tuple[str, Totals], ...]
    by_exit_reason: tuple[tuple[str, Totals], ...]
    by_flow: tuple[tuple[str, Totals], ...]
    """The empty name holds what no flow opened."""
