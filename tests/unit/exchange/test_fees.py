"""A fee that Binance took in another currency is converted at the price of its minute, asked for once."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.common.exchange.binance.fee_conversion import FeeConverter
from services.common.exchange.budget import Budget, BudgetLimits, Lane
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.trading.side import Venue
from tests.factories import at, make_fill


class Klines(VenueClient):
    """Answers with one candle, or fails. It stands for the wire alone."""

    def __init__(self, close: str | None) -> None:
        super().__init__(None, Budget(Venue.BINANCE, BudgetLimits(60, 100)))
        self._close = close
        self.asked: list[Mapping[str, Any]] = []

    async def call(
        self,
        endpoint: Endpoint,
        params: Mapping[str, Any] | None = None,
        *,
        lane: Lane,
        weight: int | None = None,
        signed_at: datetime | None = None,
    ) -> Any:
        self.asked.append(params or {})
        if self._close is None:
            raise VenueError(Venue.BINANCE, VenueErrorKind.TIMEOUT, "no answer")
        return [[0, "1", "1", "1", self._close, "1"]]


async def test_a_fee_in_bnb_is_converted_once_a_minute() -> None:
    client, converter = Klines("600"), FeeConverter()
    for seconds in (1, 2):
        fill = make_fill(fee=Decimal("0.01"), fee_currency="BNB", fee_quote=None, executed_at=at(seconds))
        converted = await converter.convert(client, fill, "USDT", Lane.LIVE)
        assert converted.fee_quote == Decimal(6)
        assert converted.fee == Decimal("0.01")
    [asked] = client.asked
    assert asked["symbol"] == "BNBUSDT"


async def test_a_fee_in_quote_currency_costs_no_request() -> None:
    client = Klines("600")
    fill = make_fill()
    assert await FeeConverter().convert(client, fill, "USDT", Lane.LIVE) == fill
    assert client.asked == []


async def test_a_price_that_cannot_be_had_leaves_the_fee_unconverted() -> None:
    fill = make_fill(fee=Decimal("0.01"), fee_currency="BNB", fee_quote=None)
    assert (await FeeConverter().convert(Klines(None), fill, "USDT", Lane.LIVE)).fee_quote is None
