"""What the reconciler decides upon: the open rows of the books, and beside them what the venue said.

The rows are as they were before the venue was asked, so whatever changed since carries a newer version.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from services.common.trading.fill import Fill, Settlement
from services.common.trading.reading import AccountReading, PositionKey
from services.common.trading.side import PositionSide, Side, Venue


@dataclass(frozen=True, slots=True)
class ObservableAccount:
    """An account whose key the venue confirmed."""

    account_id: str
    user_id: str
    exchange: Venue


@dataclass(frozen=True, slots=True)
class BookedPosition:
    """An open row of the books; the books hold one for each key at most.

    Quantity in base units, prices in quote currency. `settlement` says when the quantity was true. `fills` are those of
    its symbol since then that are not in the books, brought along for a row that the reading does not confirm;
    `fills_complete` is False where they could not be read in full.
    """

    position_id: str
    symbol: str
    position_side: PositionSide
    side: Side
    quantity: Decimal
    entry_price: Decimal
    leverage: Decimal | None
    settlement: Settlement
    version: int
    fills: tuple[Fill, ...] = ()
    fills_complete: bool = True

    @property
    def key(self) -> PositionKey:
        return PositionKey(self.symbol, self.position_side)

    @property
    def own_fills(self) -> tuple[Fill, ...]:
        """The fills of this row's own slot: those of the other hedge leg are not its business."""
        return tuple(
            fill for fill in self.fills if fill.symbol == self.symbol and fill.position_side is self.position_side
        )


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at one account.

    `initial_margin` is the account's, from an endpoint of its own, in quote currency; None where it was not read.
    `openings` are the fills that led from nothing to positions that the books do not know. `estimated` are closed rows
    that wait for their fills, as far as they were asked for.
    """

    account: ObservableAccount
    booked: tuple[BookedPosition, ...]
    reading: AccountReading
    initial_margin: Decimal | None = None
    openings: Mapping[PositionKey, tuple[Fill, ...]] = field(default_factory=dict)
    estimated: tuple[BookedPosition, ...] = ()
