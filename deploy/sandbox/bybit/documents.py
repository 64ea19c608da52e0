"""Bybit's JSON documents made from the core's records. Field names and forms are Bybit's."""

from decimal import Decimal
from typing import Any

from deploy.sandbox.core.book import Book
from deploy.sandbox.core.prices import PriceBoard
from deploy.sandbox.core.records import ZERO, Fill, Income, Order, Position
from deploy.sandbox.core.symbols import Contract
from deploy.sandbox.wire import fixed, on_grid, plain

SIDES = {"BUY": "Buy", "SELL": "Sell"}
LEGS = {"BOTH": 0, "LONG": 1, "SHORT": 2}
STATUSES = {
    "UNTRIGGERED": "Untriggered", "NEW": "New", "PARTIALLY_FILLED": "PartiallyFilled", "FILLED": "Filled",
    "CANCELED": "Cancelled", "EXPIRED": "Cancelled", "REJECTED": "Rejected", "TRIGGERED": "Triggered",
}  # fmt: skip
TIMES = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK", "GTX": "PostOnly"}
CREATE_TYPES = {"USER": "CreateByUser", "LIQUIDATION": "CreateByLiq", "ADL": "CreateByAdl_PassThrough"}
EXEC_TYPES = {"USER": "Trade", "LIQUIDATION": "BustTrade", "ADL": "AdlTrade"}
PROTECTION = Decimal("0.05")
# What a break-even price reckons for the closing fee at least.
LEAST_CLOSING_FEE = Decimal("0.00055")


def position_document(book: Book, position: Position, board: PriceBoard) -> dict[str, Any]:
    """A row of position/list, and the position topic's data. A flat one-way row has side ""."""
    contract, quote = board.contracts[position.symbol], board.quotes[position.symbol]
    size = abs(position.amount)
    liquidation = book.liquidation_price(position) if size else None
    brackets = contract.brackets
    stops = {
        order.trigger_label: order
        for order in book.open.values()
        if order.close_position and (order.symbol, order.leg) == (position.symbol, position.leg)
    }
    side = "Buy" if position.amount > 0 else "Sell"
    maintenance = plain(book.maintenance(position))
    initial = plain(book.initial(position).quantize(Decimal("0.00000001")))
    realised = current_realised(book, position)
    return {
        "category": "linear",
        "positionIdx": LEGS[position.leg],
        "riskId": 1,
        "riskLimitValue": plain(brackets[-1].cap),
        "symbol": position.symbol,
        "side": side if size else "",
        "size": plain(size),
        "avgPrice": plain(position.entry),
        "entryPrice": plain(position.entry),
        "positionValue": plain((size * position.entry).quantize(Decimal("0.00000001"))) if size else "",
        "tradeMode": 0,
        "positionStatus": "Normal",
        "autoAddMargin": 0,
        "adlRankIndicator": 2 if size else 0,
        "leverage": str(book.leverage(position.symbol)),
        "positionBalance": "0",
        "markPrice": plain(quote.mark),
        "liqPrice": plain(liquidation) if liquidation is not None else "",
        "bustPrice": "",
        "breakEvenPrice": plain(break_even_price(position, realised, contract)) if size else "",
        "positionMM": maintenance,
        "positionMMByMp": maintenance,
        "positionIM": initial,
        "positionIMByMp": initial,
        "tpslMode": "Full",
        "takeProfit": _trigger(stops.get("TakeProfit")),
        "stopLoss": _trigger(stops.get("StopLoss")),
        "trailingStop": "0",
        "unrealisedPnl": plain(book.unrealised(position)),
        "curRealisedPnl": plain(realised),
        # Fees are in it; Binance's accumulated profit is before them.
        "cumRealisedPnl": plain(position.realised - position.fees),
        "seq": position.sequence,
        "isReduceOnly": False,
        "mmrSysUpdatedTime": "",
        "leverageSysUpdatedTime": "",
        "sessionAvgPrice": "",
        # As at the venue: the first time ever that the symbol was held, not when this position was opened.
        "createdTime": str(position.first_ms),
        "updatedTime": str(position.updated_ms),
        "openTime": position.opened_ms if size else 0,
    }


def break_even_price(position: Position, realised: Decimal, contract: Contract) -> Decimal:
    """The price at which closing all of it, as taker, makes nothing, by the formula of the venue's page.

    `realised`: P&L of the position so far, fees included.
    """
    fee = max(contract.taker_fee, LEAST_CLOSING_FEE)
    price = (position.entry * position.amount - realised) / (position.amount - abs(position.amount) * fee)
    return price.quantize(Decimal("0.00000001"))


def current_realised(book: Book, position: Position) -> Decimal:
    """Realised P&L of the position since it was opened, fees included."""
    total = ZERO
    for fill in reversed(book.fills):
        if fill.time_ms < position.opened_ms:
            break
        if (fill.symbol, fill.leg) == (position.symbol, position.leg):
            total += fill.realised - fill.fee
    return total


def order_document(order: Order, contract: Contract) -> dict[str, Any]:
    """A row of order/realtime and order/history, and the order topic's data."""
    status = STATUSES[order.status]
    untriggered_end = order.conditional and not order.triggered_ms and order.status in ("CANCELED", "EXPIRED")
    remaining = order.remaining if order.open else ZERO
    protection = 1 + PROTECTION if order.side == "BUY" else 1 - PROTECTION
    price = order.price if order.kind == "LIMIT" else order.average * protection
    cancel = "UNKNOWN"
    if order.status in ("CANCELED", "EXPIRED"):
        cancel = {"LIQUIDATION": "CancelByPrepareLiq", "REDUCE_ONLY": "CancelByReduceOnly"}.get(
            order.reason, "CancelByUser" if order.status == "CANCELED" else "CancelByNoImmediateQtyToFill"
        )
    reject = "EC_NoError"
    if order.status in ("CANCELED", "EXPIRED"):
        reject = "EC_PerCancelRequest" if order.status == "CANCELED" else "EC_NoImmediateQtyToFill"
    return {
        "category": "linear",
        "orderId": order.id,
        "orderLinkId": order.client_id if order.cause == "USER" else "",
        "parentOrderLinkId": "",
        "blockTradeId": "",
        "symbol": order.symbol,
        "price": on_grid(price, contract.tick),
        "qty": on_grid(order.quantity, contract.step),
        "side": SIDES[order.side],
        "isLeverage": "",
        "positionIdx": LEGS[order.leg],
        "orderStatus": "Deactivated" if untriggered_end else status,
        "createType": _create_type(order),
        "cancelType": cancel,
        "rejectReason": reject if order.status != "REJECTED" else "EC_Others",
        "avgPrice": plain(order.average.quantize(Decimal("0.00000001"))) if order.executed else "",
        "leavesQty": on_grid(remaining, contract.step),
        "leavesValue": plain(remaining * order.price),
        "cumExecQty": on_grid(order.executed, contract.step),
        "cumExecValue": plain(order.quote),
        "cumExecFee": plain(order.fees),
        "cumFeeDetail": {"USDT": plain(order.fees)} if order.executed else {},
        "closedPnl": plain(order.realised - order.fees) if order.realised else "0",
        "timeInForce": TIMES[order.time_in_force] if order.kind == "LIMIT" else "IOC",
        "orderType": "Limit" if order.kind == "LIMIT" else "Market",
        "stopOrderType": (order.trigger_label or "Stop") if order.conditional else "",
        "orderIv": "",
        "triggerPrice": on_grid(order.trigger_price, contract.tick) if order.trigger_price is not None else "",
        "takeProfit": "",
        "stopLoss": "",
        "tpslMode": "Full" if order.close_position else "",
        "tpLimitPrice": "",
        "slLimitPrice": "",
        "tpTriggerBy": "",
        "slTriggerBy": "",
        "triggerDirection": (1 if order.trigger_rises else 2) if order.conditional else 0,
        "triggerBy": ("MarkPrice" if order.trigger_by == "MARK" else "LastPrice") if order.conditional else "",
        "lastPriceOnCreated": "",
        "reduceOnly": order.reduce_only,
        "closeOnTrigger": order.close_position,
        "placeType": "",
        "slippageToleranceType": "UNKNOWN",
        "slippageTolerance": "",
        "feeCurrency": "",
        "extraFees": "",
        "rpiTakerAccess": False,
        "rpiMatchedQty": "0",
        "smpType": "None",
        "smpGroup": 0,
        "smpOrderId": "",
        "createdTime": str(order.created_ms),
        "updatedTime": str(order.updated_ms),
    }


def execution_document(fill: Fill, order: Order, contract: Contract) -> dict[str, Any]:
    """A row of execution/list, and the execution topic's data."""
    return {
        "category": "linear",
        "symbol": fill.symbol,
        "orderId": fill.order_id,
        "orderLinkId": order.client_id if order.cause == "USER" else "",
        "side": SIDES[fill.side],
        "orderPrice": order_document(order, contract)["price"],
        "orderQty": on_grid(order.quantity, contract.step),
        "leavesQty": on_grid(order.remaining if order.open else ZERO, contract.step),
        "createType": _create_type(order),
        "orderType": "Limit" if order.kind == "LIMIT" else "Market",
        "stopOrderType": (order.trigger_label or "Stop") if order.conditional else "UNKNOWN",
        "execFee": plain(fill.fee),
        "execId": fill.id,
        "execPrice": on_grid(fill.price, contract.tick),
        "execQty": on_grid(fill.quantity, contract.step),
        "execType": EXEC_TYPES[fill.cause],
        "execValue": plain(fill.price * fill.quantity),
        "execTime": str(fill.time_ms),
        "feeCurrency": "",
        "isMaker": fill.maker,
        "feeRate": plain(contract.maker_fee if fill.maker else contract.taker_fee),
        "tradeIv": "",
        "markIv": "",
        "markPrice": on_grid(fill.price, contract.tick),
        "indexPrice": "",
        "underlyingPrice": "",
        "blockTradeId": "",
        "closedSize": on_grid(fill.closed, contract.step) if fill.closed else "",
        "seq": fill.sequence,
        "execPnl": plain(fill.realised) if fill.closed else "0",
        "extraFees": "",
        "isLeverage": "0",
        "marketUnit": "",
    }


def funding_document(income: Income, contract: Contract) -> dict[str, Any]:
    """A row of execution/list for a funding payment: its fee is positive where the account paid."""
    size = abs(income.held)
    return {
        "category": "linear",
        "symbol": income.symbol,
        "orderId": f"{income.time_ms // 1000}-8-{income.account_id}-1-{LEGS[income.leg]}",
        "orderLinkId": "",
        "side": "Buy" if income.held > 0 else "Sell",
        "orderPrice": "0",
        "orderQty": "0",
        "leavesQty": "0",
        "createType": "",
        "orderType": "UNKNOWN",
        "stopOrderType": "UNKNOWN",
        "execFee": plain(-income.amount),
        "execId": income.trade_id,
        "execPrice": on_grid(income.price, contract.tick),
        "execQty": on_grid(size, contract.step),
        "execType": "Funding",
        "execValue": plain(income.price * size),
        "execTime": str(income.time_ms),
        "feeCurrency": "",
        "isMaker": False,
        "feeRate": plain(income.rate if income.held > 0 else -income.rate),
        "tradeIv": "",
        "markIv": "",
        "markPrice": on_grid(income.price, contract.tick),
        "indexPrice": "",
        "underlyingPrice": "",
        "blockTradeId": "",
        "closedSize": "",
        "seq": int(income.id),
        "execPnl": "0",
        "extraFees": "",
        "isLeverage": "0",
        "marketUnit": "",
    }


def ledger_document(income: Income, fill: Fill | None, balance: Decimal) -> dict[str, Any]:
    """A row of transaction-log. The venue has one row a trade: its commission's, with the profit in it."""
    funding = income.kind == "FUNDING_FEE"
    side = fill.side if fill else ("BUY" if income.held > 0 else "SELL")
    cash = fill.realised if fill else ZERO if funding else income.amount
    transfer = "TRANSFER_IN" if income.amount > 0 else "TRANSFER_OUT"
    kinds = {"TRANSFER": transfer, "INSURANCE_CLEAR": "LIQUIDATION", "FUNDING_FEE": "SETTLEMENT"}
    return {
        "id": income.id,
        "symbol": income.symbol,
        "category": "" if income.kind == "TRANSFER" else "linear",
        "side": SIDES[side] if fill or funding else "None",
        "transactionTime": str(income.time_ms),
        "type": kinds.get(income.kind, "TRADE"),
        "qty": plain(fill.quantity) if fill else plain(abs(income.held)),
        "size": plain(income.held),
        "currency": "USDT",
        "tradePrice": plain(fill.price) if fill else plain(income.price),
        "funding": plain(income.amount) if funding else "",
        "fee": plain(fill.fee) if fill else "0",
        "cashFlow": plain(cash),
        "change": plain(income.amount + (fill.realised if fill else ZERO)),
        "cashBalance": plain(balance),
        "feeRate": plain(income.rate if income.held > 0 else -income.rate) if funding else "0",
        "bonusChange": "",
        "transSubType": "",
        "extraFees": "",
        "tradeId": income.trade_id,
        "orderId": fill.order_id if fill else "",
        "orderLinkId": "",
    }


def closed_document(order: Order, fills: list[Fill], book: Book, contract: Contract) -> dict[str, Any]:
    """A row of closed-pnl: one closing order. The opening fee is what a taker paid for the closed quantity."""
    closing = [fill for fill in fills if fill.closed]
    closed = sum((fill.closed for fill in closing), ZERO)
    exit_value = sum((fill.price * fill.closed for fill in closing), ZERO)
    realised = sum((fill.realised for fill in closing), ZERO)
    # A SELL closes a long: what it made is exit less entry; a BUY the other way round.
    entry_value = exit_value - realised if order.side == "SELL" else exit_value + realised
    open_fee = (entry_value * contract.taker_fee).quantize(Decimal("0.00000001"))
    close_fee = sum((fill.fee for fill in closing), ZERO)
    return {
        "symbol": order.symbol,
        "orderId": order.id,
        "side": SIDES[order.side],
        "qty": on_grid(order.quantity, contract.step),
        "orderPrice": order_document(order, contract)["price"],
        "orderType": "Limit" if order.kind == "LIMIT" else "Market",
        "execType": EXEC_TYPES[order.cause],
        "closedSize": on_grid(closed, contract.step),
        "cumEntryValue": plain(entry_value),
        "avgEntryPrice": plain((entry_value / closed).quantize(Decimal("0.00000001"))),
        "cumExitValue": plain(exit_value),
        "avgExitPrice": plain((exit_value / closed).quantize(Decimal("0.00000001"))),
        "closedPnl": plain(realised - open_fee - close_fee),
        "openFee": plain(open_fee),
        "closeFee": plain(close_fee),
        "fillCount": str(len(closing)),
        "leverage": str(book.leverage(order.symbol)),
        "createdTime": str(order.created_ms),
        "updatedTime": str(order.updated_ms),
    }


def wallet_document(book: Book) -> dict[str, Any]:
    """A row of wallet-balance, and the wallet topic's data. USDT is taken to be worth one dollar."""
    margin = book.margin()
    equity, maintenance = margin.equity, margin.maintenance
    initial = margin.position_initial + margin.order_initial

    def rate(part: Decimal) -> str:
        return fixed(part / equity, 4) if equity > 0 else "0"

    realised = sum((position.realised - position.fees for position in book.positions.values()), ZERO)
    return {
        "accountType": "UNIFIED",
        "accountLTV": "0",
        "accountIMRate": rate(initial),
        "accountMMRate": rate(maintenance),
        "totalEquity": plain(equity),
        "totalWalletBalance": plain(margin.wallet),
        "totalMarginBalance": plain(equity),
        "totalAvailableBalance": fixed(margin.available, 8),
        "totalPerpUPL": plain(margin.unrealised),
        "totalInitialMargin": fixed(initial, 8),
        "totalMaintenanceMargin": plain(maintenance),
        "accountIMRateByMp": rate(initial),
        "accountMMRateByMp": rate(maintenance),
        "totalInitialMarginByMp": fixed(initial, 8),
        "totalMaintenanceMarginByMp": plain(maintenance),
        "coin": [
            {
                "coin": "USDT",
                "equity": plain(equity),
                "usdValue": plain(equity),
                "walletBalance": plain(margin.wallet),
                "availableToWithdraw": "",
                "availableToBorrow": "",
                "borrowAmount": "0",
                "accruedInterest": "0",
                "totalOrderIM": fixed(margin.order_initial, 8),
                "totalPositionIM": fixed(margin.position_initial, 8),
                "totalPositionMM": plain(maintenance),
                "unrealisedPnl": plain(margin.unrealised),
                "cumRealisedPnl": plain(realised),
                "bonus": "0",
                "locked": "0",
                "spotHedgingQty": "0",
                "spotBorrow": "0",
                "marginCollateral": True,
                "collateralSwitch": True,
                "colRes": "0",
            }
        ],
    }


def _trigger(order: Order | None) -> str:
    return plain(order.trigger_price) if order is not None and order.trigger_price is not None else ""


def _create_type(order: Order) -> str:
    if order.close_position and order.trigger_label in ("StopLoss", "TakeProfit"):
        return f"CreateBy{order.trigger_label}"
    return CREATE_TYPES[order.cause]
