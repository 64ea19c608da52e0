"""A position as the monitor needs to know it: what would be closed, and by which levels."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.common.trading.extremes import TriggerPrice
from services.common.trading.level import LevelRules
from services.common.trading.side import PositionSide, Side, Venue


@dataclass(frozen=True, slots=True)
class Instrument:
    """What a price is the price of: mark prices and last prices of a symbol are two things."""

    venue: Venue
    symbol: str
    trigger_price: TriggerPrice = TriggerPrice.MARK


@dataclass(frozen=True, slots=True)
class Position:
    """A row of the books at one version. `quantity` in base units: what is open now, or was last.

    `trigger_price`: which price triggers its levels, by the setting of its account.
    """

    position_id: str
    user_id: str
    account_id: str
    venue: Venue
    symbol: str
    position_side: PositionSide
    side: Side
    quantity: Decimal
    levels: LevelRules
    version: int
    is_open: bool
    opened_at: datetime
    entry_price: Decimal | None = None
    trigger_price: TriggerPrice = TriggerPrice.MARK

    @property
    def instrument(self) -> Instrument:
        return Instrument(self.venue, self.symbol, self.trigger_price)

    @property
    def enforced(self) -> bool:
        """Whether any of its levels may fire."""
        return self.is_open and (self.levels.stop_loss.enforced or self.levels.take_profit.enforced)
