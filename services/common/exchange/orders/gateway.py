"""Placing and finding orders: the Protocol that a service declares against, and what it hands over."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from services.common.exchange.credentials import Credentials
from services.common.exchange.orders.outcome import LeverageOutcome, OrderLookup, OrderOutcome, Swept
from services.common.trading.side import PositionSide, Side, Venue


@dataclass(frozen=True, slots=True)
class MarketOrder:
    """A market order on a position of this side. `quantity` in base units; `client_order_id` at most 36 characters.

    `position_side` is the position's slot: BOTH in one-way mode, LONG or SHORT in hedge mode, where it must agree with
    `side`.
    """

    symbol: str
    side: Side
    position_side: PositionSide
    quantity: Decimal
    client_order_id: str

    def __post_init__(self) -> None:
        if self.quantity <= 0:
            raise ValueError("an order needs a positive quantity")
        if not 0 < len(self.client_order_id) <= 36:
            raise ValueError("a client order id has 1 to 36 characters")
        if self.position_side is not PositionSide.BOTH and self.position_side.value != self.side.value:
            raise ValueError(f"position side {self.position_side} does not hold a {self.side} position")


class OrderGateway(Protocol):
    """Places orders at venues. No method raises for a venue's error; cancellation of the caller leaves the order's
    fate to `find_order`."""

    async def close_position(
        self, venue: Venue, credentials: Credentials, order: MarketOrder, signed_at: datetime | None = None
    ) -> OrderOutcome:
        """Reduce a position at market. Never increases or turns it.

        The order is signed as of `signed_at` (default: the moment of sending), so a sender that stalled between its
        claim and this call is refused by the venue's receive window.
        """
        ...

    async def open_position(
        self, venue: Venue, credentials: Credentials, order: MarketOrder, signed_at: datetime | None = None
    ) -> OrderOutcome:
        """Open or increase a position at market, signed as of `signed_at`."""
        ...

    async def find_order(
        self, venue: Venue, credentials: Credentials, symbol: str, client_order_id: str, since: datetime
    ) -> OrderLookup:
        """Look an order up by its client order id, among those created since `since` (a little before it was sent)."""
        ...

    async def cancel_reduce_only(
        self, venue: Venue, credentials: Credentials, symbol: str, side: Side, position_side: PositionSide
    ) -> Swept:
        """Cancel the resting orders, conditional ones too, that could only reduce a position of this side."""
        ...

    async def set_leverage(self, venue: Venue, credentials: Credentials, symbol: str, leverage: int) -> LeverageOutcome:
        """Set a symbol's leverage (both sides of it in hedge mode). Asking for what is so already is no refusal, so
        an unresolved answer may be followed by asking again."""
        ...

    async def read_position_mode(self, venue: Venue, credentials: Credentials, symbol: str) -> bool:
        """Whether the account is in hedge mode for this symbol. Raises VenueError."""
        ...
