"""Symbol information: each row for itself."""

from decimal import Decimal
from typing import Any

import pytest

from services.common.exchange.binance.symbols import parse_symbol as parse_binance_symbol
from services.common.exchange.bybit.symbols import parse_symbol
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.orders.following import orderable_quantity, unlisted
from services.common.exchange.orders.gateway import MarketOrder
from services.common.exchange.orders.outcome import Rejected
from services.common.exchange.symbols import read_symbols
from services.common.trading.side import PositionSide, Side, Venue

ROW: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "baseCoin": "BTC",
    "quoteCoin": "USDT",
    "status": "Trading",
    "priceFilter": {"tickSize": "0.10"},
    "lotSizeFilter": {"qtyStep": "0.001", "minOrderQty": "0.001", "maxMktOrderQty": "100", "minNotionalValue": "5"},
}


def test_a_symbol_that_cannot_be_read_costs_no_other() -> None:
    found = read_symbols(Venue.BYBIT, [{**ROW, "symbol": "NEWUSDT", "priceFilter": {}}, ROW], parse_symbol)
    assert list(found) == ["BTCUSDT"]


@pytest.mark.parametrize("step", ["0", "-1", "NaN", None])
def test_a_step_of_nothing_is_no_symbol_to_trade(step: str | None) -> None:
    # Rounding to it divided by zero, in the middle of a close.
    lot = {**ROW["lotSizeFilter"], "qtyStep": step}
    with pytest.raises(ValueError, match=r"."):
        parse_symbol({**ROW, "lotSizeFilter": lot})
    filters = [
        {"filterType": "LOT_SIZE", "stepSize": step, "minQty": "1"},
        {"filterType": "PRICE_FILTER", "tickSize": "1"},
    ]
    row = {"symbol": "X", "baseAsset": "X", "quoteAsset": "USDT", "status": "TRADING", "filters": filters}
    with pytest.raises(ValueError, match=r"."):
        parse_binance_symbol(row)


def test_a_symbol_whose_positions_are_not_read_is_not_offered() -> None:
    # The list of positions is asked for in USDT: what is settled in USDC could be opened and never be seen again.
    usdc = {**ROW, "symbol": "BTCPERP", "quoteCoin": "USDC", "settleCoin": "USDC"}
    assert list(read_symbols(Venue.BYBIT, [usdc, {**ROW, "settleCoin": "USDT"}], parse_symbol)) == ["BTCUSDT"]


def test_a_list_of_nothing_readable_is_a_bad_answer() -> None:
    with pytest.raises(VenueError) as raised:
        read_symbols(Venue.BYBIT, [{}], parse_symbol)
    assert raised.value.kind is VenueErrorKind.BAD_ANSWER


@pytest.mark.parametrize(("asked", "sent"), [("0.0129", "0.012"), ("250", "100"), ("0.001", "0.001")])
def test_a_quantity_is_cut_to_whole_steps_and_to_the_markets_most(asked: str, sent: str) -> None:
    assert orderable_quantity(parse_symbol(ROW), Decimal(asked)) == Decimal(sent)


def test_less_than_the_least_is_refused() -> None:
    assert isinstance(orderable_quantity(parse_symbol(ROW), Decimal("0.0009")), Rejected)


@pytest.mark.parametrize("quantity", ["0.123", "7", "1E+3", "1500.00"])
def test_a_symbol_that_cannot_be_asked_about_leaves_the_quantity_as_it_is(quantity: str) -> None:
    order = MarketOrder("XUSDT", Side.LONG, PositionSide.BOTH, Decimal(quantity), "tdm")
    assert orderable_quantity(unlisted(order), order.quantity) == Decimal(quantity)


@pytest.mark.parametrize(
    ("asked", "sent"), [("100.5", "99.5"), ("101", "100"), ("100.999", "99.999"), ("100", "100"), ("200.4", "100")]
)
def test_what_is_more_than_one_order_leaves_no_rest_that_no_order_takes(asked: str, sent: str) -> None:
    # A rest below the least could never be closed.
    lot = {**ROW["lotSizeFilter"], "minOrderQty": "1"}
    assert orderable_quantity(parse_symbol({**ROW, "lotSizeFilter": lot}), Decimal(asked)) == Decimal(sent)
