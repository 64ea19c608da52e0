"""Binance's JSON documents made from the core's records. Field names and forms are Binance's."""

from decimal import Decimal
from typing import Any

from deploy.sandbox.core.book import Book
from deploy.sandbox.core.prices import PriceBoard
from deploy.sandbox.core.records import ZERO, Fill, Income, Order, Position
from deploy.sandbox.core.symbols import Contract
from deploy.sandbox.wire import fixed, on_grid, plain

FOREVER_MS = 4133404800000
ORDER_TYPES = ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"]
# The core's word for an order, in Binance's; a conditional order is named by its label.
STATUSES = {"TRIGGERED": "FILLED", "UNTRIGGERED": "NEW"}
ALGO_STATUSES = {"UNTRIGGERED": "NEW", "TRIGGERED": "FINISHED"}


def decimals(grid: Decimal) -> int:
    exponent = grid.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def contract_document(contract: Contract, price: Decimal) -> dict[str, Any]:
    """A row of exchangeInfo."""
    band = Decimal("0.05") if contract.template == "large" else Decimal("0.1")
    return {
        "symbol": contract.symbol,
        "pair": contract.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": FOREVER_MS,
        "onboardDate": contract.onboarded_ms,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": contract.base,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": decimals(contract.tick),
        "quantityPrecision": decimals(contract.step),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"] if contract.base == "BTC" else ["Layer-1"],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10000,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": plain(contract.tick),
                "maxPrice": plain(contract.round_price(price * 100)),
                "tickSize": f"{contract.tick:f}",
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": plain(contract.min_quantity),
                "maxQty": plain(contract.max_quantity),
                "stepSize": plain(contract.step),
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": plain(contract.min_quantity),
                "maxQty": plain(contract.max_market_quantity),
                "stepSize": plain(contract.step),
            },
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
            {"filterType": "MIN_NOTIONAL", "notional": plain(contract.min_notional)},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": fixed(1 + band, 4),
                "multiplierDown": fixed(1 - band, 4),
                "multiplierDecimal": "4",
            },
            {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
        ],
        "orderTypes": ORDER_TYPES,
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "permissionSets": ["GRID", "COPY"],
    }


def order_document(order: Order, contract: Contract) -> dict[str, Any]:
    """An order as POST, GET and the lists give it."""
    kind = "LIMIT" if order.kind == "LIMIT" else "MARKET"
    return {
        "orderId": int(order.id),
        "symbol": order.symbol,
        "status": STATUSES.get(order.status, order.status),
        "clientOrderId": order.client_id,
        "price": on_grid(order.price, contract.tick),
        "avgPrice": fixed(order.average, max(2, decimals(contract.tick) + 4)),
        "origQty": on_grid(order.quantity, contract.step),
        "executedQty": on_grid(order.executed, contract.step),
        "cumQty": on_grid(order.executed, contract.step),
        "cumQuote": fixed(order.quote, 5),
        "timeInForce": order.time_in_force,
        "type": kind,
        # The venue's own orders (liquidation, ADL) do not carry the flag.
        "reduceOnly": order.reduce_only and order.cause == "USER",
        "closePosition": order.close_position,
        "side": order.side,
        "positionSide": order.leg,
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": kind,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0,
        "time": order.created_ms,
        "updateTime": order.updated_ms,
    }


def algo_document(order: Order, contract: Contract, result: Order | None) -> dict[str, Any]:
    """A conditional order as the algo endpoints give it; `result` is the order that it became.

    It has no target and no stop of its own attached: `tp…` and `sl…` say none.
    """
    none = on_grid(ZERO, contract.tick)
    return {
        "algoId": int(order.id),
        "clientAlgoId": order.client_id,
        "algoType": "CONDITIONAL",
        "orderType": order.trigger_label,
        "symbol": order.symbol,
        "side": order.side,
        "positionSide": order.leg,
        "timeInForce": algo_time_in_force(order),
        "quantity": on_grid(order.quantity, contract.step),
        "algoStatus": ALGO_STATUSES.get(order.status, order.status),
        "actualOrderId": order.result_id,
        "actualPrice": fixed(result.average, 5) if result else "0.00000",
        "triggerPrice": on_grid(order.trigger_price or ZERO, contract.tick),
        "price": on_grid(order.price, contract.tick),
        "icebergQuantity": None,
        "tpTriggerPrice": none,
        "tpPrice": none,
        "slTriggerPrice": none,
        "slPrice": none,
        "tpOrderType": "",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": "MARK_PRICE" if order.trigger_by == "MARK" else "CONTRACT_PRICE",
        "priceMatch": "NONE",
        "closePosition": order.close_position,
        "priceProtect": False,
        "reduceOnly": order.reduce_only,
        "createTime": order.created_ms,
        "updateTime": order.updated_ms,
        "triggerTime": order.triggered_ms,
        "activatePrice": plain(order.activation_price) if order.activation_price is not None else "",
        "callbackRate": plain(order.callback_rate) if order.callback_rate is not None else "",
        "goodTillDate": 0,
        "failReason": order.reason,
    }


def algo_time_in_force(order: Order) -> str:
    """An order that closes the whole position is good till the position is gone."""
    return "GTE_GTC" if order.close_position else order.time_in_force


def trade_document(fill: Fill, contract: Contract) -> dict[str, Any]:
    """A row of userTrades."""
    return {
        "symbol": fill.symbol,
        "id": int(fill.id),
        "orderId": int(fill.order_id),
        "side": fill.side,
        "price": on_grid(fill.price, contract.tick),
        "qty": on_grid(fill.quantity, contract.step),
        "realizedPnl": fixed(fill.realised, 8),
        "quoteQty": fixed(fill.price * fill.quantity, 8),
        "commission": fixed(fill.fee, 8),
        "commissionAsset": "USDT",
        "time": fill.time_ms,
        "positionSide": fill.leg,
        "buyer": fill.side == "BUY",
        "maker": fill.maker,
    }


def position_document(book: Book, position: Position, board: PriceBoard) -> dict[str, Any]:
    """A row of v3/positionRisk: no leverage and no margin mode, as at the venue."""
    contract, quote = board.contracts[position.symbol], board.quotes[position.symbol]
    taker = contract.taker_fee if position.amount > 0 else -contract.taker_fee
    liquidation = book.liquidation_price(position)
    orders = [order for order in book.open.values() if order.symbol == position.symbol and order.kind == "LIMIT"]
    working = [order for order in orders if order.leg == position.leg and order.status != "UNTRIGGERED"]
    initial = fixed(book.initial(position), 8)
    return {
        "symbol": position.symbol,
        "positionSide": position.leg,
        "positionAmt": on_grid(position.amount, contract.step),
        "entryPrice": plain(position.entry),
        "breakEvenPrice": plain((position.entry * (1 + taker)).quantize(Decimal("0.000000001"))),
        "markPrice": fixed(quote.mark, 8),
        "unRealizedProfit": fixed(book.unrealised(position), 8),
        "liquidationPrice": plain(liquidation) if liquidation is not None else "0",
        "isolatedMargin": "0",
        "notional": fixed(book.notional(position), 8),
        "marginAsset": "USDT",
        "isolatedWallet": "0",
        "initialMargin": initial,
        "maintMargin": fixed(book.maintenance(position), 8),
        "positionInitialMargin": initial,
        "openOrderInitialMargin": fixed(book.order_initial(position.symbol), 8),
        "adl": 2,
        "bidNotional": fixed(sum((o.remaining * o.price for o in working if o.side == "BUY"), ZERO), 8),
        "askNotional": fixed(sum((o.remaining * o.price for o in working if o.side == "SELL"), ZERO), 8),
        "updateTime": position.updated_ms,
    }


def income_document(income: Income) -> dict[str, Any]:
    """A row of income."""
    return {
        "symbol": income.symbol,
        "incomeType": income.kind,
        "income": fixed(income.amount, 8),
        "asset": "USDT",
        "time": income.time_ms,
        "info": income.kind if income.kind in ("TRANSFER", "FUNDING_FEE") else income.trade_id,
        "tranId": int(income.id),
        "tradeId": "" if income.kind == "FUNDING_FEE" else income.trade_id,
    }
