"""Prices replayed from a CSV file instead of the walk.

Columns, named in the first line: `time` (seconds, from any beginning), `symbol`, `price`, and where wanted
`mark` (else the price) and `exchange` (else both). A symbol that is replayed is held at its last row.
"""

import csv
import io
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from deploy.sandbox.core.symbols import VENUES, VenueName


class ReplayRefused(Exception):
    """The CSV cannot be replayed; the message names the line."""


class ReplayStep(NamedTuple):
    """One price of one symbol, `seconds` after the first row."""

    seconds: float
    symbol: str
    last: Decimal
    mark: Decimal
    exchanges: tuple[VenueName, ...]


def read_replay(text: str, symbols: dict[VenueName, set[str]]) -> list[ReplayStep]:
    """The steps in order of time. `symbols` are those that each venue has. Raises ReplayRefused."""
    rows = csv.DictReader(io.StringIO(text))
    missing = {"time", "symbol", "price"} - set(rows.fieldnames or ())
    if missing:
        raise ReplayRefused(f"the first line must name the columns time, symbol and price; {sorted(missing)} missing")
    steps = [_read_row(row, number, symbols) for number, row in enumerate(rows, 2)]
    if not steps:
        raise ReplayRefused("there is no row under the first line")
    steps.sort(key=lambda step: step.seconds)
    start = steps[0].seconds
    return [step._replace(seconds=step.seconds - start) for step in steps]


def _read_row(row: dict[str, str], number: int, symbols: dict[VenueName, set[str]]) -> ReplayStep:
    symbol, wanted = row["symbol"] or "", row.get("exchange") or ""
    exchanges = tuple(name for name in VENUES if wanted in ("", name) and symbol in symbols[name])
    if not exchanges:
        raise ReplayRefused(f"line {number}: no symbol {symbol!r} on {wanted or 'either venue'}")
    try:
        last = Decimal(row["price"])
        mark = Decimal(row.get("mark") or last)
        seconds = float(row["time"])
    except (InvalidOperation, ValueError, TypeError):
        raise ReplayRefused(f"line {number}: time, price and mark are numbers") from None
    if not (last.is_finite() and mark.is_finite() and last > 0 and mark > 0):
        raise ReplayRefused(f"line {number}: prices are positive")
    return ReplayStep(seconds, symbol, last, mark, exchanges)
