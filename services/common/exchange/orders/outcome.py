"""What became of an order.

`Unresolved` means that nobody knows yet: the order may be live. It is never a failure, and an order is only sent again
once a look-up after its receive window has said that it does not exist.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from services.common.trading.fill import Fill, OrderKind
from services.common.trading.side import OrderSide, PositionSide


class RejectionReason(StrEnum):
    """Why an order surely did not happen."""

    NOTHING_TO_REDUCE = "nothing_to_reduce"
    REDUCE_ONLY_CONFLICT = "reduce_only_conflict"
    INSUFFICIENT_MARGIN = "insufficient_margin"
    FILTERS = "filters"
    POSITION_MODE = "position_mode"
    RISK_LIMIT = "risk_limit"
    LEVERAGE = "leverage"
    BAD_KEY = "bad_key"
    NOT_PERMITTED = "not_permitted"
    RATE_LIMITED = "rate_limited"
    MARKET_CLOSED = "market_closed"
    UNKNOWN_SYMBOL = "unknown_symbol"
    CLOCK = "clock"
    UNREACHABLE = "unreachable"
    OVERLOADED = "overloaded"
    NO_LIQUIDITY = "no_liquidity"
    REFUSED = "refused"


class OrderStatus(StrEnum):
    """Where an order stands at its venue."""

    OPEN = "open"
    FILLED = "filled"
    PARTIALLY_FILLED = "partially_filled"
    """It ended with part of it filled."""
    CANCELED = "canceled"
    """It ended with nothing filled."""


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as its venue states it. Quantities in base units, price in quote currency (None: nothing filled)."""

    order_id: str
    client_order_id: str
    symbol: str
    position_side: PositionSide
    order_side: OrderSide
    kind: OrderKind
    status: OrderStatus
    reduce_only: bool
    quantity: Decimal
    filled_quantity: Decimal
    average_price: Decimal | None
    updated_at: datetime
    fills: tuple[Fill, ...] = ()
    fills_complete: bool = False
    """Whether `fills` add up to `filled_quantity`; a venue lists fills a moment after the order."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Filled:
    """All that was asked for was filled."""

    order: VenueOrder


@dataclass(frozen=True, slots=True)
class PartiallyFilled:
    """The order has ended; `left` of what was asked for (base units) was not filled."""

    order: VenueOrder
    left: Decimal


@dataclass(frozen=True, slots=True)
class Rejected:
    """Nothing happened. `code` is the venue's own; `retry_at` is set where the venue said when to come back."""

    reason: RejectionReason
    message: str
    code: str = ""
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Nobody knows yet. `order_id` is set where the venue acknowledged the order."""

    why: str
    order_id: str | None = None


OrderOutcome = Filled | PartiallyFilled | Rejected | Unresolved


@dataclass(frozen=True, slots=True)
class LeverageSet:
    """The symbol has this leverage now, whether it had it before or not."""

    leverage: int


LeverageOutcome = LeverageSet | Rejected | Unresolved


@dataclass(frozen=True, slots=True)
class Found:
    """The venue has the order."""

    order: VenueOrder


@dataclass(frozen=True, slots=True)
class NotFound:
    """The venue answered in full and has no such order."""


OrderLookup = Found | NotFound | Unresolved


@dataclass(frozen=True, slots=True)
class Swept:
    """Which resting reduce-only orders were canceled, and whether none is left. `client_order_ids` may hold blanks."""

    order_ids: tuple[str, ...]
    complete: bool
    reason: str = ""
