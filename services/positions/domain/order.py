"""An order of Tandem's that has no fills to show: it is working, or it ended without any."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from services.common.trading.side import OrderSide, PositionSide, Side, Venue


class OrderStatus(StrEnum):
    """`FILLED` orders are shown by their fills alone. Only a pending one changes."""

    PENDING = "pending"
    FILLED = "filled"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class SentOrder:
    """One that the monitor told of; `position_id` is None for an order that is to open. `quantity` in base units."""

    intent_id: str
    user_id: str
    account_id: str
    position_id: str | None
    venue: Venue
    symbol: str
    position_side: PositionSide
    side: Side
    client_order_id: str
    order_id: str
    order_side: OrderSide
    quantity: Decimal
    status: OrderStatus
    reason: str
    changed_at: datetime

    @property
    def happened_at(self) -> datetime:
        return self.changed_at

    @property
    def transaction_id(self) -> str:
        return f"{ORDER_PREFIX}{self.intent_id}"


ORDER_PREFIX = "order."
