"""Profit and loss of linear contracts, in quote currency."""

from decimal import Decimal

from services.common.trading.side import Side


def price_pnl(side: Side, entry_price: Decimal, price: Decimal, quantity: Decimal) -> Decimal:
    """Profit from the move between two prices; fees and funding are not in it."""
    return (price - entry_price) * quantity * side.sign


def percent_of_entry(pnl: Decimal, entry_price: Decimal, quantity: Decimal) -> Decimal | None:
    """Profit as percent of the entry notional; None where there is no notional."""
    notional = entry_price * quantity
    return pnl / notional * 100 if notional else None
