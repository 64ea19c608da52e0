"""The door reads what the venues document: response examples of their public documentation, as data.

Each file in `examples` names the page that its example comes from. They are examples, written by the venues for
readers; none was recorded.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.common.exchange.binance import account as binance_account
from services.common.exchange.binance import fills as binance_fills
from services.common.exchange.binance import keys as binance_keys
from services.common.exchange.binance import market as binance_market
from services.common.exchange.binance.orders_seen import OrderFacts, parse_order_facts
from services.common.exchange.binance.price_stream import BinancePriceStream
from services.common.exchange.binance.private_stream import BinancePrivateStream
from services.common.exchange.bybit import account as bybit_account
from services.common.exchange.bybit import fills as bybit_fills
from services.common.exchange.bybit import keys as bybit_keys
from services.common.exchange.bybit.pages import read_result
from services.common.exchange.bybit.price_stream import BybitPriceStream
from services.common.exchange.bybit.private_stream import BybitPrivateStream
from services.common.exchange.classification import Answer, classify_answer
from services.common.exchange.errors import VenueErrorKind
from services.common.exchange.hints import HintKind
from services.common.exchange.orders import binance_orders, bybit_orders
from services.common.exchange.orders.outcome import OrderStatus
from services.common.exchange.prices import PriceKind
from services.common.exchange.private_dialect import StreamEnded
from services.common.trading.fill import OrderKind
from services.common.trading.side import OrderSide, PositionSide, Side, Venue
from tests.factories import NOON

EXAMPLES = Path(__file__).parent / "examples"


def example(name: str) -> Any:
    return json.loads((EXAMPLES / f"{name}.json").read_text(), parse_float=Decimal)["message"]


def text(name: str) -> str:
    return json.dumps(json.loads((EXAMPLES / f"{name}.json").read_text())["message"])


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_each_example_names_its_page(path: Path) -> None:
    page = json.loads(path.read_text())["page"]
    assert page.startswith(("https://developers.binance.com/docs/", "https://bybit-exchange.github.io/docs/"))


def test_binance_position() -> None:
    [row] = example("binance_position_risk_one_way")
    position = binance_account.parse_position(row)
    assert position is not None
    assert (position.symbol, position.side, position.position_side) == ("ADAUSDT", Side.LONG, PositionSide.BOTH)
    assert (position.quantity, position.entry_price) == (Decimal(30), Decimal("0.385"))
    assert position.mark_price == Decimal("0.41047590")
    assert position.liquidation_price is None
    assert position.initial_margin == Decimal("0.61571385")
    assert position.updated_at is not None


def test_binance_margin() -> None:
    margin = binance_account.parse_margin(example("binance_account"))
    assert margin.margin.wallet_balance == Decimal("103.12345678")
    assert margin.position_margin == 0
    assert margin.keys == frozenset()


def test_binance_fill() -> None:
    [row] = example("binance_user_trades")
    fill = binance_fills.parse_fill(row, "USDT", OrderFacts(None, OrderKind.MARKET))
    assert (fill.fill_id, fill.order_id, fill.sequence) == ("698759", "25851813", 698759)
    assert (fill.order_side, fill.position_side) == (OrderSide.SELL, PositionSide.SHORT)
    assert (fill.price, fill.quantity) == (Decimal("7819.01"), Decimal("0.002"))
    assert fill.realized_pnl == Decimal("-0.91539999")


def test_binance_force_order() -> None:
    [row] = example("binance_force_orders")
    assert parse_order_facts(row).kind is OrderKind.LIQUIDATION


def test_binance_order() -> None:
    order = binance_orders.parse_order(example("binance_new_order"))
    assert (order.order_id, order.client_order_id) == ("22542179", "testOrder")
    assert order.status is OrderStatus.OPEN
    assert order.kind is OrderKind.TRAILING_STOP
    assert order.average_price is None


def test_binance_key() -> None:
    report = binance_keys.parse_key(example("binance_api_restrictions"), "1")
    assert (report.can_read, report.can_trade, report.can_withdraw) == (True, False, False)


def test_binance_mark_prices() -> None:
    [price] = BinancePriceStream().read(text("binance_stream_mark_price"), {"BTCUSDT"}, 5)
    assert (price.kind, price.price) == (PriceKind.MARK, Decimal("11185.87786614"))
    assert (price.venue_time_ms, price.received_time_ms) == (1562305380000, 5)


def test_binance_mark_price_by_rest() -> None:
    price = binance_market.parse_price(example("binance_premium_index"), PriceKind.MARK, NOON)
    assert (price.symbol, price.price) == ("BTCUSDT", Decimal("11793.63104562"))
    assert price.venue_time_ms == 1597370495002


def test_binance_mini_tickers() -> None:
    [price] = BinancePriceStream().read(text("binance_stream_mini_ticker"), {"BTCUSDT"}, 5)
    assert (price.kind, price.price) == (PriceKind.LAST, Decimal("0.0025"))


def test_binance_user_stream() -> None:
    stream = BinancePrivateStream()
    assert list(stream.read(text("binance_stream_order_update"))) == [(HintKind.ORDER, "BTCUSDT")]
    assert list(stream.read(text("binance_stream_account_update"))) == [(HintKind.POSITION, "BTCUSDT")]
    with pytest.raises(StreamEnded):
        stream.read(text("binance_stream_listen_key_expired"))


def test_binance_error() -> None:
    answer = Answer(status=400, body=text("binance_error"))
    error = classify_answer(Venue.BINANCE, answer, NOON)
    assert (error.kind, error.code) == (VenueErrorKind.UNKNOWN_SYMBOL, "-1121")


def test_bybit_position() -> None:
    [row] = read_result(example("bybit_position_list"))["list"]
    position = bybit_account.parse_position(row)
    assert position is not None
    assert (position.side, position.position_side) == (Side.SHORT, PositionSide.BOTH)
    assert (position.quantity, position.entry_price) == (Decimal(300), Decimal("27464.50441675"))
    assert position.liquidation_price is None
    assert position.leverage == Decimal(10)
    assert position.maintenance_margin == Decimal("0.0000015")


def test_bybit_wallet() -> None:
    margin = bybit_account.parse_margin({"list": example("bybit_wallet_balance")["data"]})
    assert margin.margin.equity == Decimal("10262.91335023")
    assert margin.margin.initial_margin == 0
    assert margin.position_margin is None
    assert list(BybitPrivateStream().read(text("bybit_wallet_balance"))) == [(HintKind.ACCOUNT, None)]


def test_bybit_executions() -> None:
    rows = read_result(example("bybit_execution_list"))["list"]
    [fill] = bybit_fills.parse_fills(rows, "USDC", hedged=False)
    assert fill.fill_id == "e0cbe81d-0f18-5866-9415-cf319b5dab3b"
    assert fill.sequence == int(rows[0]["seq"]) > 0
    assert (fill.fee, fill.fee_currency, fill.fee_quote) == (Decimal("0.071409"), "USDC", Decimal("0.071409"))
    assert fill.order_kind is OrderKind.MARKET
    assert fill.client_order_id is None


def test_bybit_execution_of_a_close() -> None:
    message = example("bybit_stream_execution")
    [fill] = bybit_fills.parse_fills(message["data"], "USDT", hedged=True)
    # It sold half a coin and closed half a coin: the long leg.
    assert fill.position_side is PositionSide.LONG
    assert fill.realized_pnl == Decimal("0.05")
    assert fill.fee == Decimal("26.3725275")
    assert list(BybitPrivateStream().read(text("bybit_stream_execution"))) == [(HintKind.FILL, "BTCUSDT")]


def test_bybit_order() -> None:
    [row] = read_result(example("bybit_open_orders"))["list"]
    order = bybit_orders.parse_order(row)
    assert (order.client_order_id, order.status) == ("test-000005", OrderStatus.OPEN)
    assert order.position_side is PositionSide.LONG
    assert order.average_price is None
    assert order.note == ""


def test_bybit_key() -> None:
    report = bybit_keys.parse_key(read_result(example("bybit_query_api")))
    assert (report.can_read, report.can_trade, report.can_withdraw) == (True, True, False)
    assert report.ip_restricted is False
    assert report.venue_user_id == "24617703"


def test_bybit_ticker() -> None:
    prices = list(BybitPriceStream().read(text("bybit_stream_ticker_snapshot"), {"BTCUSDT"}, 7))
    assert {price.kind: price.price for price in prices} == {
        PriceKind.MARK: Decimal("17217.33"),
        PriceKind.LAST: Decimal("17216.00"),
    }
    assert {price.venue_time_ms for price in prices} == {1673272861686}
