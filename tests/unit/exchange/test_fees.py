"""A fee that Binance took in another currency is converted at the price of its minute, asked for once."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from services.common.exchange.binance.fee_conversion import FeeConverter
from services.common.exchange.binance.fills import USER_TRADES, BinanceFills
from services.common.exchange.binance.orders_seen import OrderFacts
from services.common.exchange.budget import Budget, BudgetLimits, Lane
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.trading.fill import OrderKind
from services.common.trading.side import Venue
from tests.factories import at, make_fill


class Klines(VenueClient):
    """Answers with one candle, or fails. It stands for the wire alone."""

    def __init__(self, close: str | None, failure: VenueErrorKind = VenueErrorKind.TIMEOUT) -> None:
        super().__init__(None, Budget(Venue.BINANCE, BudgetLimits(60, 100)))
        self._close = close
        self._failure = failure
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
            raise VenueError(Venue.BINANCE, self._failure, "no price")
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


async def test_a_price_that_there_is_not_leaves_the_fee_unconverted() -> None:
    fill = make_fill(fee=Decimal("0.01"), fee_currency="BNB", fee_quote=None)
    client = Klines(None, VenueErrorKind.UNKNOWN_SYMBOL)
    assert (await FeeConverter().convert(client, fill, "USDT", Lane.LIVE)).fee_quote is None


async def test_a_price_that_was_not_told_is_no_word_on_the_fee() -> None:
    """Booked without, the profit of its trade would never be known: it is asked for again."""
    fill = make_fill(fee=Decimal("0.01"), fee_currency="BNB", fee_quote=None)
    with pytest.raises(VenueError):
        await FeeConverter().convert(Klines(None), fill, "USDT", Lane.LIVE)


async def test_a_fee_has_the_decimals_of_the_books() -> None:
    fill = make_fill(fee=Decimal("0.0000000123"), fee_currency="BNB", fee_quote=None)
    converted = await FeeConverter().convert(Klines("620.0123456789"), fill, "USDT", Lane.LIVE)
    assert converted.fee_quote == Decimal("0.000007626151851850")


TRADE = {
    "id": "1",
    "orderId": "10",
    "symbol": "BTCUSDT",
    "positionSide": "BOTH",
    "side": "SELL",
    "price": "66000",
    "qty": "1",
    "commission": "0.01",
    "commissionAsset": "BNB",
    "realizedPnl": "5",
    "time": "1767614400000",
}


async def test_who_sent_an_order_hears_of_its_fills_whatever_becomes_of_the_fee() -> None:
    class OneTrade(Klines):
        async def call(self, endpoint: Endpoint, params: Mapping[str, Any] | None = None, **options: Any) -> Any:
            return [TRADE] if endpoint is USER_TRADES else await super().call(endpoint, params, **options)

    facts = OrderFacts("tdm-1", OrderKind.MARKET)
    [fill] = await BinanceFills().read_of_order(OneTrade(None), "BTCUSDT", "USDT", "10", facts, Lane.ORDERS)
    assert (fill.fill_id, fill.fee, fill.fee_quote) == ("1", Decimal("0.01"), None)
