"""The price that triggers an account's levels, asked of its venue outside of any stream.

Mark and last price never stand in for each other.
"""

from decimal import Decimal
from typing import Protocol

from services.common.exchange.errors import VenueError
from services.common.exchange.prices import Price, PriceKind
from services.common.trading.extremes import TriggerPrice
from services.common.trading.side import Venue
from services.positions.domain.errors import PriceUnavailable


class AsksPrice(Protocol):
    """Asks a venue for a price."""

    async def read_price(self, venue: Venue, symbol: str, kind: PriceKind = PriceKind.MARK) -> Price:
        """The price now. Raises VenueError."""
        ...


class TriggerPrices:
    """Reads prices by their source."""

    def __init__(self, reader: AsksPrice) -> None:
        self._reader = reader

    async def read(self, venue: Venue, symbol: str, source: TriggerPrice) -> Decimal:
        """The price now, in quote currency. Raises PriceUnavailable."""
        try:
            price = await self._reader.read_price(venue, symbol, PriceKind(source.value))
        except VenueError:
            raise PriceUnavailable(exchange=venue.value.capitalize(), symbol=symbol) from None
        if price.price <= 0:
            raise PriceUnavailable(exchange=venue.value.capitalize(), symbol=symbol)
        return price.price
