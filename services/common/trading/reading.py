"""What a venue said about an account, and how far that can be trusted.

An error is never an empty list: only a COMPLETE reading says that a position is absent.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from services.common.trading.side import PositionSide, Side


class ReadingStatus(StrEnum):
    COMPLETE = "complete"
    PARTIAL = "partial"
    FAILED = "failed"
    SUSPICIOUS = "suspicious"


class MarginMode(StrEnum):
    CROSS = "cross"
    ISOLATED = "isolated"


@dataclass(frozen=True, slots=True)
class PositionKey:
    """What identifies an open position within one account, so that hedge legs never collapse."""

    symbol: str
    position_side: PositionSide


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """One open position as its venue states it. Prices and money in quote currency, quantity positive in base units.

    None means that the venue did not say; a liquidation price of zero is one that it did not say. `updated_at` is when
    the position last changed, by the venue's clock: fills up to then are in `quantity`, later ones are not.
    """

    symbol: str
    position_side: PositionSide
    side: Side
    quantity: Decimal
    entry_price: Decimal
    mark_price: Decimal
    unrealized_pnl: Decimal
    notional: Decimal
    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None
    liquidation_price: Decimal | None = None
    initial_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
    updated_at: datetime | None = None

    @property
    def key(self) -> PositionKey:
        return PositionKey(self.symbol, self.position_side)


@dataclass(frozen=True, slots=True)
class AccountMargin:
    """The account's totals from an endpoint that is independent of its list of positions, in quote currency."""

    wallet_balance: Decimal
    equity: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal


@dataclass(frozen=True, slots=True)
class AccountReading:
    """The open positions of one account. `asked_at` and `taken_at` bound the moment at which it was true."""

    status: ReadingStatus
    asked_at: datetime
    taken_at: datetime
    positions: tuple[VenuePosition, ...] = ()
    margin: AccountMargin | None = None
    reason: str = ""

    @property
    def complete(self) -> bool:
        return self.status is ReadingStatus.COMPLETE
