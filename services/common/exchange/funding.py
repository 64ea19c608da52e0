"""What holding a position costs at the next settlement, by each venue's own word."""

from decimal import Decimal

from services.common.exchange.binance.market import PREMIUM_INDEX
from services.common.exchange.budget import Lane
from services.common.exchange.bybit.market import TICKERS
from services.common.exchange.bybit.pages import read_result
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import rows, text
from services.common.exchange.venues import Venues
from services.common.trading.money import parse_decimal
from services.common.trading.side import Venue


class FundingReader:
    """Asks for funding rates; needs no key."""

    def __init__(self, venues: Venues) -> None:
        self._venues = venues

    async def read_funding(self, venue: Venue, symbol: str) -> Decimal:
        """The rate of the next settlement: a fraction of the notional, which longs pay to shorts. Raises VenueError."""
        client = self._venues.public(venue)
        try:
            if venue is Venue.BINANCE:
                answer = await client.call(PREMIUM_INDEX, {"symbol": symbol}, lane=Lane.LIVE)
                [row] = rows([answer])
                return parse_decimal(text(row, "lastFundingRate"))
            answer = await client.call(TICKERS, {"category": "linear", "symbol": symbol}, lane=Lane.LIVE)
            [row] = rows(read_result(answer), "list")
            return parse_decimal(text(row, "fundingRate"))
        except ValueError as error:
            raise VenueError(venue, VenueErrorKind.BAD_ANSWER, f"a funding rate cannot be read: {error}") from None
