"""The door reads what Bybit's documentation shows."""

import json
from decimal import Decimal

import pytest

from services.common.exchange.bybit import account, cash_flows, fills, keys, market, symbols
from services.common.exchange.bybit.pages import read_result
from services.common.exchange.bybit.price_stream import BybitPriceStream
from services.common.exchange.bybit.private_stream import BybitPrivateStream
from services.common.exchange.hints import HintKind
from services.common.exchange.orders import bybit_orders
from services.common.exchange.orders.outcome import OrderStatus
from services.common.exchange.prices import PriceKind
from services.common.trading.cash_flow import CashFlowKind
from services.common.trading.fill import OrderKind
from services.common.trading.side import PositionSide, Side
from tests.contract.exchange.documented import example, text


def test_position() -> None:
    [row] = read_result(example("bybit_position_list"))["list"]
    position = account.parse_position(row)
    assert position is not None
    assert (position.side, position.position_side) == (Side.SHORT, PositionSide.BOTH)
    assert (position.quantity, position.entry_price) == (Decimal(300), Decimal("27464.50441675"))
    assert position.liquidation_price is None
    assert position.leverage == Decimal(10)
    assert position.maintenance_margin == Decimal("0.0000015")


def test_position_in_a_linear_contract() -> None:
    [row] = read_result(example("bybit_position_list_linear"))["list"]
    position = account.parse_position(row)
    assert position is not None
    assert (position.symbol, position.side, position.position_side) == ("XRPUSDT", Side.LONG, PositionSide.BOTH)
    assert (position.quantity, position.entry_price) == (Decimal(100), Decimal("0.3615"))
    assert (position.mark_price, position.unrealized_pnl) == (Decimal("0.3432"), Decimal("-1.83"))
    # Profit of a linear contract is in its quote: price difference times quantity.
    assert position.unrealized_pnl == (position.mark_price - position.entry_price) * position.quantity
    assert position.liquidation_price == Decimal("0.0001")
    assert (position.initial_margin, position.maintenance_margin) == (Decimal("3.634521"), Decimal("0.381021"))


def test_wallet() -> None:
    margin = account.parse_margin(read_result(example("bybit_wallet_balance")))
    assert margin.margin.equity == Decimal("18070.32797922")
    assert margin.margin.wallet_balance == Decimal("18070.43799271")
    # Without a wallet in the settle coin nothing is known of its positions' margin.
    assert (margin.margin.initial_margin, margin.position_margin) == (Decimal("182.60183684"), None)


def test_executions() -> None:
    rows = read_result(example("bybit_execution_list"))["list"]
    [fill] = fills.parse_fills(rows, "USDC", hedged=False)
    assert fill.fill_id == "e0cbe81d-0f18-5866-9415-cf319b5dab3b"
    assert fill.sequence == int(rows[0]["seq"]) > 0
    assert (fill.fee, fill.fee_currency, fill.fee_quote) == (Decimal("0.071409"), "USDC", Decimal("0.071409"))
    assert fill.order_kind is OrderKind.MARKET
    assert fill.client_order_id is None


def test_execution_of_a_close() -> None:
    message = example("bybit_stream_execution")
    [fill] = fills.parse_fills(message["data"], "USDT", hedged=True)
    # It sold half a coin and closed half a coin: the long leg.
    assert fill.position_side is PositionSide.LONG
    assert fill.realized_pnl == Decimal("0.05")
    assert fill.fee == Decimal("26.3725275")


@pytest.mark.parametrize(
    ("name", "client_order_id", "status", "note"),
    [
        ("bybit_open_orders", "test-000005", OrderStatus.OPEN, ""),
        ("bybit_order_history", "YLxaWKMiHU", OrderStatus.CANCELED, "EC_PostOnlyWillTakeLiquidity"),
    ],
)
def test_order(name: str, client_order_id: str, status: OrderStatus, note: str) -> None:
    [row] = read_result(example(name))["list"]
    order = bybit_orders.parse_order(row)
    assert (order.client_order_id, order.status) == (client_order_id, status)
    assert order.position_side is PositionSide.LONG
    assert order.average_price is None
    assert note in order.note


@pytest.mark.parametrize("name", ["bybit_order_create", "bybit_order_cancel"])
def test_acknowledgement(name: str) -> None:
    assert set(read_result(example(name))) == {"orderId", "orderLinkId"}


def test_settings() -> None:
    assert read_result(example("bybit_account_info"))["marginMode"] == "REGULAR_MARGIN"
    assert read_result(example("bybit_set_leverage")) == {}
    assert int(example("bybit_time")["time"]) // 1000 == 1688639403


def test_transaction_log() -> None:
    funding, trade = read_result(example("bybit_transaction_log"))["list"][:2]
    flow = cash_flows.parse_cash_flow(funding)
    assert (flow.kind, flow.amount, flow.symbol) == (CashFlowKind.FUNDING, Decimal("-0.003676"), "XRPUSDT")
    assert flow.amount == Decimal(funding["change"])
    # The page gives both rows one id: an id alone is not unique.
    assert funding["id"] == trade["id"]
    assert funding["tradeId"] in flow.flow_id
    with pytest.raises(ValueError, match="TRADE"):
        cash_flows.parse_cash_flow(trade)


def test_key() -> None:
    # A key that may only read and is bound to addresses, whatever its permissions say.
    result = read_result(example("bybit_query_api"))
    report = keys.parse_key(result)
    assert (report.can_read, report.can_trade, report.can_withdraw) == (True, False, False)
    assert report.ip_restricted is True
    assert report.venue_user_id == "1448939"
    # The page's parameters: 0 of `readOnly` is read and write; `ips` lists what is bound; `Withdraw` is of `Wallet`.
    trading = keys.parse_key({**result, "readOnly": 0, "ips": ["*"]})
    assert (trading.can_read, trading.can_trade, trading.ip_restricted) == (True, True, False)
    permissions = {**result["permissions"], "Wallet": ["AccountTransfer", "Withdraw"]}
    assert keys.parse_key({**result, "readOnly": 0, "permissions": permissions}).can_withdraw is True


def test_symbol() -> None:
    [row] = read_result(example("bybit_instruments"))["list"]
    info = symbols.parse_symbol(row)
    assert (info.symbol, info.base, info.quote, info.trading) == ("BTCUSDT", "BTC", "USDT", True)
    assert (info.tick_size, info.quantity_step) == (Decimal("0.10"), Decimal("0.001"))
    assert (info.max_market_quantity, info.min_notional) == (Decimal("500.000"), Decimal(5))


def test_candles() -> None:
    newest = read_result(example("bybit_klines"))["list"][0]
    candle = market.parse_candle(newest, with_volume=True)
    assert (candle.open, candle.close, candle.volume) == (Decimal(17071), Decimal("17055.5"), Decimal(268611))
    [mark] = read_result(example("bybit_mark_price_klines"))["list"]
    assert market.parse_candle(mark, with_volume=False).low == Decimal("17121.5")


def test_ticker_by_request() -> None:
    [row] = read_result(example("bybit_tickers"))["list"]
    assert (row["markPrice"], row["lastPrice"]) == ("114898.43", "120635.50")


def test_ticker_by_stream_and_what_a_delta_leaves_out() -> None:
    stream = BybitPriceStream()
    prices = list(stream.read(text("bybit_stream_ticker_snapshot"), {"BTCUSDT"}, 7))
    assert {price.kind: price.price for price in prices} == {
        PriceKind.MARK: Decimal("17217.33"),
        PriceKind.LAST: Decimal("17216.00"),
    }
    assert {price.venue_time_ms for price in prices} == {1673272861686}
    # The page describes a delta in words: what has not changed is left out.
    data = {"symbol": "BTCUSDT", "lastPrice": "17220.00"}
    delta = json.dumps({"topic": "tickers.BTCUSDT", "type": "delta", "data": data, "ts": 1673272861786})
    after = {price.kind: price for price in stream.read(delta, {"BTCUSDT"}, 8)}
    assert (after[PriceKind.LAST].price, after[PriceKind.MARK].price) == (Decimal(17220), Decimal("17217.33"))
    assert {price.venue_time_ms for price in after.values()} == {1673272861786}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("position", (HintKind.POSITION, "BTCUSDT")),
        ("position_held", (HintKind.POSITION, "XRPUSDT")),
        ("order", (HintKind.ORDER, "ETH-30DEC22-1400-C")),
        ("execution", (HintKind.FILL, "BTCUSDT")),
        ("wallet", (HintKind.ACCOUNT, None)),
    ],
)
def test_private_stream(name: str, hint: tuple[HintKind, str | None]) -> None:
    assert list(BybitPrivateStream().read(text(f"bybit_stream_{name}"))) == [hint]


def test_login_is_followed_by_the_subscription() -> None:
    stream = BybitPrivateStream()
    assert list(stream.read(text("bybit_stream_login"))) == []
    [request] = stream.replies()
    assert json.loads(request)["args"] == ["position", "order", "execution", "wallet"]
    assert list(stream.read(text("bybit_stream_subscribed"))) == [(HintKind.RESYNC, None)]
