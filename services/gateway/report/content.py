"""What a performance report says. Money is quote currency; None is "not known".

Invariant: thinning a curve keeps its first and last point and every bucket's lowest and highest, so that no fall that
the figures speak of is missing from the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple


class Figure(NamedTuple):
    """A figure by its name, as it is shown."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A UTC day: realised profit since the beginning of the period, and how far it is below its highest (>= 0).

    `equity` is that of all accounts at the day's end.
    """

    day: date
    profit: Decimal
    drawdown: Decimal
    equity: Decimal | None


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the trades; `win_rate` is percent."""

    key: str
    trades: int
    win_rate: Decimal | None
    pnl: Decimal | None


@dataclass(frozen=True, slots=True)
class Trade:
    """A closed position; `estimated`: no fills tell how it ended."""

    position_id: str
    exchange: str
    symbol: str
    side: str
    closed_at: datetime | None
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal | None
    pnl: Decimal | None
    pnl_percent: Decimal | None
    reason: str
    estimated: bool


@dataclass(frozen=True, slots=True)
class Report:
    """Everything. `trades` are the latest; `more_trades`: there were more than these."""

    period: str
    made_at: datetime
    figures: Sequence[Figure]
    curve: Sequence[CurvePoint]
    by_symbol: Sequence[Part]
    parts: Sequence[tuple[str, Sequence[Part]]]
    trades: Sequence[Trade]
    more_trades: bool


def thin(points: Sequence[CurvePoint], most: int) -> list[CurvePoint]:
    """At most about `most` points (at least 4) that draw the same curve."""
    if len(points) <= most:
        return list(points)
    inner = points[1:-1]
    buckets = max(1, (most - 2) // 2)
    kept = [points[0]]
    for n in range(buckets):
        bucket = inner[n * len(inner) // buckets : (n + 1) * len(inner) // buckets]
        low = min(bucket, key=lambda point: point.profit)
        high = max(bucket, key=lambda point: point.profit)
        kept += sorted({low.day: low, high.day: high}.values(), key=lambda point: point.day)
    return [*kept, points[-1]]


def shown(value: Decimal | None, *, signed: bool = False) -> str:
    """Money with two decimals and thousands apart; a dash where it is not known."""
    if value is None:
        return "\N{EN DASH}"
    rounded = value.quantize(Decimal("0.01"))
    if not rounded:
        return "0.00"  # never a negative zero
    return f"{rounded:+,.2f}" if signed else f"{rounded:,.2f}"
