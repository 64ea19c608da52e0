"""What both venues' orders have in common: rounding, and turning errors and finished orders into outcomes."""

from dataclasses import replace
from decimal import Decimal

from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import Row, number
from services.common.exchange.orders.gateway import MarketOrder
from services.common.exchange.orders.outcome import (
    Filled,
    OrderOutcome,
    OrderStatus,
    PartiallyFilled,
    Rejected,
    RejectionReason,
    Unresolved,
    VenueOrder,
)
from services.common.exchange.symbols import SymbolInfo, likely_quote
from services.common.trading.fill import Fill
from services.common.trading.money import format_decimal, round_down_to_step

_REASONS = {
    VenueErrorKind.UNREACHABLE: RejectionReason.UNREACHABLE,
    VenueErrorKind.OVERLOADED: RejectionReason.OVERLOADED,
    VenueErrorKind.RATE_LIMITED: RejectionReason.RATE_LIMITED,
    VenueErrorKind.BANNED: RejectionReason.RATE_LIMITED,
    VenueErrorKind.BAD_KEY: RejectionReason.BAD_KEY,
    VenueErrorKind.NOT_PERMITTED: RejectionReason.NOT_PERMITTED,
    VenueErrorKind.CLOCK: RejectionReason.CLOCK,
    VenueErrorKind.UNKNOWN_SYMBOL: RejectionReason.UNKNOWN_SYMBOL,
    VenueErrorKind.INSUFFICIENT_MARGIN: RejectionReason.INSUFFICIENT_MARGIN,
    VenueErrorKind.NOTHING_TO_REDUCE: RejectionReason.NOTHING_TO_REDUCE,
    VenueErrorKind.REDUCE_ONLY_CONFLICT: RejectionReason.REDUCE_ONLY_CONFLICT,
    VenueErrorKind.FILTERS: RejectionReason.FILTERS,
    VenueErrorKind.POSITION_MODE: RejectionReason.POSITION_MODE,
    VenueErrorKind.RISK_LIMIT: RejectionReason.RISK_LIMIT,
    VenueErrorKind.LEVERAGE: RejectionReason.LEVERAGE,
    VenueErrorKind.NO_LIQUIDITY: RejectionReason.NO_LIQUIDITY,
    VenueErrorKind.MARKET_CLOSED: RejectionReason.MARKET_CLOSED,
    VenueErrorKind.REFUSED: RejectionReason.REFUSED,
    VenueErrorKind.NOT_FOUND: RejectionReason.REFUSED,
}


def refusal(error: VenueError) -> Rejected | Unresolved:
    """What an error means for the order that was sent: surely nothing happened, or nobody knows."""
    reason = _REASONS.get(error.kind)
    if error.outcome_unknown or reason is None:
        return Unresolved(str(error))
    return Rejected(reason, error.message, error.code, error.retry_at)


def orderable_quantity(info: SymbolInfo, quantity: Decimal) -> Decimal | Rejected:
    """The quantity that the market takes in one order: whole steps, not above its maximum.

    Of what is above it as much is left as the market takes in the order after this one.
    """
    most = quantity if info.max_market_quantity is None else min(quantity, info.max_market_quantity)
    rounded = round_down_to_step(most, info.quantity_step)
    if 0 < round_down_to_step(quantity - rounded, info.quantity_step) < info.min_quantity < rounded:
        rounded = round_down_to_step(quantity - info.min_quantity, info.quantity_step)
    if rounded <= 0 or rounded < info.min_quantity:
        message = f"{format_decimal(quantity)} is less than the market takes, {format_decimal(info.min_quantity)}"
        return Rejected(RejectionReason.FILTERS, message)
    return rounded


def filled_quantity(row: Row, name: str, *, whole: bool) -> Decimal:
    """How much of an order was filled. Raises ValueError where the venue does not say: that is not nothing."""
    filled = number(row, name)
    if filled < 0 or (whole and filled == 0):
        raise ValueError(f"field {name} is not what was filled: {filled}")
    return filled


def unlisted(order: MarketOrder) -> SymbolInfo:
    """What to go by when a position has to be closed and its symbol cannot be asked about: the quantity as it is."""
    step = Decimal(1).scaleb(min(0, int(order.quantity.as_tuple().exponent)))
    return SymbolInfo(
        symbol=order.symbol,
        base="",
        quote=likely_quote(order.symbol),
        trading=True,
        tick_size=Decimal(0),
        quantity_step=step,
        min_quantity=Decimal(0),
        max_market_quantity=None,
        min_notional=None,
    )


def ended(order: VenueOrder, asked: Decimal, step: Decimal) -> OrderOutcome:
    """The outcome of an order that the venue states; `asked` is what the caller wanted filled.

    What is less than the market's step cannot be ordered, so it is not left over.
    """
    if order.status is OrderStatus.OPEN:
        return Unresolved("the order is still working", order.order_id)
    left = round_down_to_step(max(asked - order.filled_quantity, Decimal(0)), step)
    if left <= 0:
        return Filled(order)
    if order.filled_quantity > 0:
        return PartiallyFilled(order, left)
    return Rejected(RejectionReason.NO_LIQUIDITY, f"the order ended with nothing filled {order.note}".rstrip())


def with_fills(order: VenueOrder, fills: tuple[Fill, ...]) -> VenueOrder:
    """The order with its fills, and whether they add up to what it says was filled."""
    listed = sum((fill.quantity for fill in fills), start=Decimal(0))
    return replace(order, fills=fills, fills_complete=listed == order.filled_quantity)
