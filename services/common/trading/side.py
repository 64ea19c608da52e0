"""Who trades where and in which direction."""

from enum import StrEnum


class Venue(StrEnum):
    """An exchange, as Tandem names it."""

    BINANCE = "binance"
    BYBIT = "bybit"


class OrderSide(StrEnum):
    """The direction of one order or fill."""

    BUY = "buy"
    SELL = "sell"


class Side(StrEnum):
    """The direction of a position's exposure."""

    LONG = "long"
    SHORT = "short"

    @property
    def sign(self) -> int:
        """+1 for long, -1 for short: the factor between a price move and profit."""
        return 1 if self is Side.LONG else -1

    @property
    def opposite(self) -> "Side":
        return Side.SHORT if self is Side.LONG else Side.LONG

    @property
    def opening(self) -> OrderSide:
        """The order side that increases the position."""
        return OrderSide.BUY if self is Side.LONG else OrderSide.SELL

    @property
    def closing(self) -> OrderSide:
        """The order side that reduces the position."""
        return OrderSide.SELL if self is Side.LONG else OrderSide.BUY


class PositionSide(StrEnum):
    """The venue's slot for a position: BOTH in one-way mode, LONG and SHORT are the two legs of hedge mode."""

    BOTH = "both"
    LONG = "long"
    SHORT = "short"
