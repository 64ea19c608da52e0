"""What a position is worth at one price."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.monitor.domain.position import Position


@dataclass(frozen=True, slots=True)
class Mark:
    """Prices and money in quote currency, without fees and funding; percent of the entry notional."""

    position: Position
    price: Decimal
    at: datetime
    unrealized_pnl: Decimal
    unrealized_pnl_percent: Decimal | None
    stop_loss: Decimal | None
