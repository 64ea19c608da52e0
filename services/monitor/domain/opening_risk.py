"""Where a position that is not open yet would be liquidated, estimated so that it errs towards the price.

Binance: for cross margin the liquidation price is that at which wallet balance, less the maintenance margin of all
other positions, plus their profit and this one's, is the maintenance margin of this one; for isolated margin the margin
is the position's own (support FAQ b3c689c1f50a44cabb3a84e663b81d93, "How to Calculate Liquidation Price of USDⓈ-M
Futures Contracts"). Bybit takes the maintenance margin at the entry price (help center, "Liquidation Price (USDT
Contract)"). The nearer of the two is answered for both venues.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.common.trading.reading import AccountMargin, MarginMode
from services.common.trading.side import Side

FEE_ALLOWANCE = Decimal("0.001")
"""Of the notional: set aside for fees, more than either venue's taker fee."""


@dataclass(frozen=True, slots=True)
class Bracket:
    """Maintenance margin of a notional up to `notional_cap` is notional × `rate` − `deduction`; quote currency."""

    notional_cap: Decimal
    max_leverage: Decimal
    rate: Decimal
    deduction: Decimal


def bracket_for(brackets: Sequence[Bracket], notional: Decimal) -> Bracket | None:
    """The first bracket that a notional fits in; None where it fits in none. `brackets` by their cap."""
    return next((bracket for bracket in brackets if notional <= bracket.notional_cap), None)


def margin_needed(notional: Decimal, leverage: Decimal) -> Decimal:
    """Initial margin and an allowance for fees, quote currency."""
    return notional / leverage + notional * FEE_ALLOWANCE


def margin_available(margin: AccountMargin) -> Decimal:
    """What no position of the account takes up, quote currency; resting orders may take some of it yet."""
    return margin.equity - margin.initial_margin


def estimate_liquidation(
    side: Side,
    quantity: Decimal,
    entry: Decimal,
    leverage: Decimal,
    mode: MarginMode | None,
    margin: AccountMargin,
    brackets: Sequence[Bracket],
) -> Decimal | None:
    """The estimated liquidation price; None where the position cannot be liquidated. A mode not known is isolated.

    Maintenance margin is the greatest that any bracket gives, because brackets join without a step: so of the prices
    at which each of them would liquidate, the nearest is the one.
    """
    notional = quantity * entry
    backing = notional / leverage if mode is not MarginMode.CROSS else margin.equity - margin.maintenance_margin
    backing -= notional * FEE_ALLOWANCE
    sign = side.sign
    prices = [
        (notional - sign * (backing + bracket.deduction)) / (quantity * (1 - sign * bracket.rate))
        for bracket in brackets
    ]
    maintenance = max(notional * bracket.rate - bracket.deduction for bracket in brackets)
    prices.append(entry - sign * (backing - maintenance) / quantity)
    nearest = max(prices) if side is Side.LONG else min(prices)
    return nearest if nearest > 0 else None
