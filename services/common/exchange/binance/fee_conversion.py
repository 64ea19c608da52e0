"""Fees that Binance took in another currency (BNB), converted at the price of the minute of the fill."""

from collections import OrderedDict
from dataclasses import replace
from decimal import Decimal

from services.common.exchange.binance.market import KLINES
from services.common.exchange.budget import Lane
from services.common.exchange.client import VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import to_milliseconds
from services.common.trading.fill import Fill
from services.common.trading.money import parse_decimal, to_books

_MINUTE_MS = 60_000
_KEPT = 1000


class FeeConverter:
    """Remembers the prices it has asked for, by currency and minute."""

    def __init__(self) -> None:
        self._prices: OrderedDict[tuple[str, int], Decimal] = OrderedDict()

    async def convert(self, client: VenueClient, fill: Fill, quote: str, lane: Lane) -> Fill:
        """The fill with its fee in quote currency, or as it was where the venue has no price of one in the other.

        Raises VenueError where it did not answer: asked again later, it will.
        """
        if fill.fee_quote is not None:
            return fill
        minute = to_milliseconds(fill.executed_at) // _MINUTE_MS * _MINUTE_MS
        symbol = f"{fill.fee_currency}{quote}"
        price = self._prices.get((symbol, minute))
        if price is None:
            try:
                bars = await client.call(
                    KLINES, {"symbol": symbol, "interval": "1m", "startTime": minute, "limit": 1}, lane=lane
                )
                price = parse_decimal(str(bars[0][4]))
            except VenueError as error:
                if error.kind is VenueErrorKind.UNKNOWN_SYMBOL:
                    return fill
                raise
            except (ValueError, IndexError, TypeError):
                return fill
            self._prices[symbol, minute] = price
            while len(self._prices) > _KEPT:
                self._prices.popitem(last=False)
        return replace(fill, fee_quote=to_books(fill.fee * price))
