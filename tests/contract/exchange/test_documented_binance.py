"""The door reads what Binance's documentation shows."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from services.common.exchange.binance import account, cash_flows, fills, keys, market, symbols
from services.common.exchange.binance.orders_seen import OrderFacts, parse_order_facts
from services.common.exchange.binance.price_stream import BinancePriceStream
from services.common.exchange.binance.private_stream import BinancePrivateStream
from services.common.exchange.classification import Answer, classify_answer
from services.common.exchange.errors import VenueErrorKind
from services.common.exchange.fields import from_milliseconds
from services.common.exchange.hints import HintKind
from services.common.exchange.orders import binance_orders
from services.common.exchange.orders.outcome import OrderStatus
from services.common.exchange.prices import PriceKind
from services.common.exchange.private_dialect import StreamEnded
from services.common.trading.cash_flow import CashFlow, CashFlowKind
from services.common.trading.fill import OrderKind
from services.common.trading.reading import MarginMode
from services.common.trading.side import OrderSide, PositionSide, Side, Venue
from tests.contract.exchange.documented import example, text
from tests.factories import NOON


def test_position_in_one_way_mode() -> None:
    [row] = example("binance_position_risk_one_way")
    position = account.parse_position(row)
    assert position is not None
    assert (position.symbol, position.side, position.position_side) == ("ADAUSDT", Side.LONG, PositionSide.BOTH)
    assert (position.quantity, position.entry_price) == (Decimal(30), Decimal("0.385"))
    assert position.mark_price == Decimal("0.41047590")
    assert position.liquidation_price is None
    assert position.initial_margin == Decimal("0.61571385")
    assert position.updated_at is not None


def test_position_legs_in_hedge_mode() -> None:
    long, short = (account.parse_position(row) for row in example("binance_position_risk_hedge"))
    assert long is not None
    assert short is not None
    assert (long.side, long.position_side, long.liquidation_price) == (Side.LONG, PositionSide.LONG, None)
    assert (short.side, short.position_side, short.quantity) == (Side.SHORT, PositionSide.SHORT, Decimal(1))
    assert short.liquidation_price == Decimal("2260.56757210")
    assert short.notional == Decimal("49.72023376")


@pytest.mark.parametrize(
    ("name", "wallet"), [("binance_account", "103.12345678"), ("binance_account_multi_assets", "126.72469206")]
)
def test_margin(name: str, wallet: str) -> None:
    margin = account.parse_margin(example(name))
    assert margin.margin.wallet_balance == Decimal(wallet)
    assert margin.position_margin == 0
    assert margin.keys is not None


def test_leverage_is_told_by_margin_where_the_setting_is_old() -> None:
    positions = [account.parse_position(row) for row in example("binance_position_risk_hedge")]
    assert [account.leverage_of(one, Decimal(5)) for one in positions if one is not None] == [20, 20]
    first = positions[0]
    assert first is not None
    assert account.leverage_of(replace(first, initial_margin=None), Decimal(5)) == 5
    assert account.leverage_of(replace(first, initial_margin=first.notional * 3), Decimal(5)) == 5


def test_leverage_and_margin_mode() -> None:
    [row] = example("binance_symbol_config")
    config = account.parse_symbol_config(row)
    assert (config.leverage, config.margin_mode) == (Decimal(21), MarginMode.CROSS)


def test_fill() -> None:
    [row] = example("binance_user_trades")
    fill = fills.parse_fill(row, "USDT", OrderFacts(None, OrderKind.MARKET))
    assert (fill.fill_id, fill.order_id, fill.sequence) == ("698759", "25851813", 698759)
    assert (fill.order_side, fill.position_side) == (OrderSide.SELL, PositionSide.SHORT)
    assert (fill.price, fill.quantity) == (Decimal("7819.01"), Decimal("0.002"))
    assert (fill.fee, fill.fee_quote) == (Decimal("0.07819010"), Decimal("0.07819010"))
    assert fill.realized_pnl == Decimal("-0.91539999")


def test_liquidation_and_deleveraging_among_forced_orders() -> None:
    kinds = [parse_order_facts(row).kind for row in example("binance_force_orders")]
    assert kinds == [OrderKind.LIQUIDATION, OrderKind.ADL]


@pytest.mark.parametrize(
    ("name", "client_order_id", "kind", "status"),
    [
        ("binance_new_order", "testOrder", OrderKind.LIMIT, OrderStatus.OPEN),
        ("binance_query_order", "abc", OrderKind.TRAILING_STOP, OrderStatus.OPEN),
        ("binance_cancel_order", "myOrder1", OrderKind.TRAILING_STOP, OrderStatus.CANCELED),
    ],
)
def test_order(name: str, client_order_id: str, kind: OrderKind, status: OrderStatus) -> None:
    order = binance_orders.parse_order(example(name))
    assert (order.client_order_id, order.kind, order.status) == (client_order_id, kind, status)
    assert order.average_price is None


def test_listed_orders() -> None:
    [row] = example("binance_all_orders")
    assert parse_order_facts(row) == OrderFacts("abc", OrderKind.TRAILING_STOP)
    [resting] = example("binance_open_orders")
    # The closing side of a hedge's short leg can do nothing else.
    assert binance_orders.reduces_only(resting, Side.SHORT, PositionSide.SHORT)
    assert not binance_orders.reduces_only(resting, Side.LONG, PositionSide.LONG)


def test_conditional_orders() -> None:
    [done] = example("binance_all_algo_orders")
    assert (done["orderType"], done["actualOrderId"], done["createTime"]) == ("TAKE_PROFIT", "", 1750485492076)
    [resting] = example("binance_open_algo_orders")
    assert not binance_orders.reduces_only(resting, Side.LONG, PositionSide.BOTH)
    assert binance_orders.reduces_only({**resting, "reduceOnly": True}, Side.LONG, PositionSide.BOTH)


def test_settings_and_acknowledgements() -> None:
    assert example("binance_position_mode")["dualSidePosition"] is True
    assert example("binance_leverage")["leverage"] == 21
    assert example("binance_cancel_algo_order")["algoId"] == 2146760
    assert example("binance_listen_key")["listenKey"]
    assert example("binance_listen_key_renewed")["listenKey"]
    assert example("binance_time")["serverTime"] == 1767225600000


def test_ledger() -> None:
    transfer, commission = example("binance_income")
    at = from_milliseconds(1570608000000)
    assert cash_flows.parse_cash_flow(transfer) == CashFlow(
        CashFlowKind.TRANSFER, Decimal("-0.37500000"), "USDT", None, at, "TRANSFER:9689322392"
    )
    with pytest.raises(ValueError, match="COMMISSION"):
        cash_flows.parse_cash_flow(commission)


def test_key() -> None:
    report = keys.parse_key(example("binance_api_restrictions"), str(example("binance_spot_account")["uid"]))
    assert (report.can_read, report.can_trade, report.can_withdraw) == (True, False, False)
    assert (report.ip_restricted, report.venue_user_id) == (False, "354937868")


def test_symbol() -> None:
    [row] = example("binance_exchange_info")["symbols"]
    info = symbols.parse_symbol(row)
    assert (info.symbol, info.quote, info.trading) == ("BLZUSDT", "USDT", True)
    assert (info.tick_size, info.quantity_step, info.min_notional) == (Decimal("0.0001"), Decimal(1), Decimal("5.0"))
    assert info.max_market_quantity == Decimal(590119)


def test_candles() -> None:
    [bar] = example("binance_klines")
    candle = market.parse_candle(bar, with_volume=True)
    assert (candle.open, candle.close, candle.volume) == (
        Decimal("0.01634790"), Decimal("0.01577100"), Decimal("148976.11427815"),
    )  # fmt: skip
    [marks] = example("binance_mark_price_klines")
    mark = market.parse_candle(marks, with_volume=False)
    assert (mark.high, mark.volume) == (Decimal("9654.56401333"), None)
    assert mark.opened_at - candle.opened_at > timedelta(days=1000)


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("binance_premium_index", PriceKind.MARK, (Decimal("11793.63104562"), 1597370495002)),
        ("binance_ticker_price", PriceKind.LAST, (Decimal("6000.01"), 1589437530011)),
    ],
)
def test_price_by_request(name: str, kind: PriceKind, expected: tuple[Decimal, int]) -> None:
    price = market.parse_price(example(name), kind, NOON)
    assert (price.price, price.venue_time_ms) == expected


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("binance_stream_mark_price", PriceKind.MARK, "11185.87786614"),
        ("binance_stream_mini_ticker", PriceKind.LAST, "0.0025"),
    ],
)
def test_price_by_stream(name: str, kind: PriceKind, expected: str) -> None:
    [price] = BinancePriceStream().read(text(name), {"BTCUSDT"}, 5)
    assert (price.kind, price.price, price.received_time_ms) == (kind, Decimal(expected), 5)


@pytest.mark.parametrize(
    ("name", "kind", "symbol"),
    [
        ("order_update", HintKind.ORDER, "BTCUSDT"),
        ("account_update", HintKind.POSITION, "BTCUSDT"),
        ("algo_update", HintKind.ORDER, "BNBUSDT"),
        ("trade_lite", HintKind.FILL, "BTCUSDT"),
        ("margin_call", HintKind.POSITION, "ETHUSDT"),
        ("leverage_update", HintKind.ACCOUNT, "BTCUSDT"),
    ],
)
def test_user_stream(name: str, kind: HintKind, symbol: str) -> None:
    assert set(BinancePrivateStream().read(text(f"binance_stream_{name}"))) == {(kind, symbol)}


def test_an_expired_listen_key_ends_the_stream() -> None:
    with pytest.raises(StreamEnded):
        BinancePrivateStream().read(text("binance_stream_listen_key_expired"))


def test_error() -> None:
    answer = Answer(status=400, body=text("binance_error"))
    error = classify_answer(Venue.BINANCE, answer, NOON)
    assert (error.kind, error.code) == (VenueErrorKind.UNKNOWN_SYMBOL, "-1121")
