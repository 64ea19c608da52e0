"""Margin arithmetic of cross-margined linear contracts. Pure.

Formulas: maintenance and liquidation price as Binance publishes them for cross margin in one-way and
hedge mode; Bybit's differ in names only for what is played here.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from .records import ZERO, Side
from .symbols import Bracket

MONEY = Decimal("0.00000001")
ENTRY = Decimal("0.000000000001")


def bracket_of(brackets: Sequence[Bracket], notional: Decimal) -> Bracket:
    """The bracket that a notional (quote, unsigned) falls in; the last one for anything beyond."""
    for bracket in brackets:
        if notional <= bracket.cap:
            return bracket
    return brackets[-1]


def maintenance(brackets: Sequence[Bracket], notional: Decimal) -> Decimal:
    """Maintenance margin (quote) of an unsigned notional."""
    if not notional:
        return ZERO
    bracket = bracket_of(brackets, notional)
    return (notional * bracket.rate - bracket.cumulative).quantize(MONEY)


def largest_notional(brackets: Sequence[Bracket], leverage: int) -> Decimal:
    """The largest position (quote) that the leverage allows; zero if no bracket allows the leverage."""
    return max((bracket.cap for bracket in brackets if bracket.leverage >= leverage), default=ZERO)


def apply_fill(
    amount: Decimal, entry: Decimal, side: Side, quantity: Decimal, price: Decimal
) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    """A position after a fill: (signed amount, entry, realised P&L before fees, quantity closed).

    A fill beyond zero closes all of it and opens the rest at the fill's price.
    """
    signed = quantity if side == "BUY" else -quantity
    after = amount + signed
    if amount * signed >= 0:
        average = (abs(amount) * entry + quantity * price) / abs(after) if after else ZERO
        return after, average.quantize(ENTRY, ROUND_HALF_EVEN), ZERO, ZERO
    closed = min(abs(amount), quantity)
    direction = 1 if amount > 0 else -1
    realised = ((price - entry) * closed * direction).quantize(MONEY, ROUND_HALF_EVEN)
    if not after:
        return ZERO, ZERO, realised, closed
    return after, (entry if after * amount > 0 else price), realised, closed


def unrealised(amount: Decimal, entry: Decimal, mark: Decimal) -> Decimal:
    """Unrealised P&L (quote) at the mark price."""
    return ((mark - entry) * amount).quantize(MONEY, ROUND_HALF_EVEN)


def liquidation_price(
    wallet: Decimal,
    other_maintenance: Decimal,
    other_unrealised: Decimal,
    legs: Sequence[tuple[Decimal, Decimal]],
    brackets: Sequence[Bracket],
    mark: Decimal,
) -> Decimal | None:
    """The mark price at which margin balance meets maintenance, all else unchanged; None if there is none.

    `legs` are (signed amount, entry) of one symbol; the brackets are those of its notionals now.
    """
    numerator = wallet - other_maintenance + other_unrealised
    denominator = ZERO
    for amount, entry in legs:
        bracket = bracket_of(brackets, abs(amount) * mark)
        numerator += bracket.cumulative - amount * entry
        denominator += abs(amount) * bracket.rate - amount
    if not denominator:
        return None
    price = numerator / denominator
    return price if price > 0 else None
