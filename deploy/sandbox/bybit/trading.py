"""Orders: create (acknowledged, then worked), cancel, lists, executions, closed P&L, trading stops.

Invariant: order/create answers before the order is worked; its fills come some milliseconds later.
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from deploy.sandbox.core.orders import OrderRequest
from deploy.sandbox.core.records import ZERO, Fill, Income, Leg, Order, Side, TimeInForce
from deploy.sandbox.core.refusals import Fact, Refused
from deploy.sandbox.core.venue import Venue
from deploy.sandbox.wire import Call

from .documents import EXEC_TYPES, closed_document, execution_document, funding_document, order_document
from .errors import BybitError, empty_list, invalid, not_played, require_category

WEEK_MS = 7 * 86_400_000
WORK_SECONDS = 0.005
SIDES: dict[str, Side] = {"Buy": "BUY", "Sell": "SELL"}
TIMES: dict[str, TimeInForce] = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK", "PostOnly": "GTX"}
LEGS: dict[str, Leg] = {"0": "BOTH", "1": "LONG", "2": "SHORT"}
Soon = Callable[[float, Callable[[], object]], None]
Row = TypeVar("Row")


def read_decimal(call: Call, name: str) -> Decimal | None:
    text = call.text(name)
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise invalid(name) from None
    if not value.is_finite():
        raise invalid(name)
    return value


def read_int(call: Call, name: str, default: int) -> int:
    text = call.text(name)
    if not text:
        return default
    if not text.isdigit():
        raise invalid(name)
    return int(text)


def read_window(call: Call, now_ms: int, *, unasked_ms: int) -> tuple[int, int]:
    """The asked time window: at most seven days; where an end of it was not asked for, as long as `unasked_ms`."""
    start, end = read_int(call, "startTime", -1), read_int(call, "endTime", -1)
    if start < 0 and end < 0:
        return now_ms - unasked_ms, now_ms
    start = end - unasked_ms if start < 0 else start
    end = start + unasked_ms if end < 0 else end
    if start > end:
        raise BybitError(10001, "params error: startTime should be less than endTime")
    if end - start > WEEK_MS:
        raise BybitError(10001, "The time range between startTime and endTime cannot exceed 7 days")
    return start, end


def page(call: Call, rows: Sequence[Row], default: int, largest: int) -> tuple[list[Row], str]:
    """One page of rows by limit and cursor, and the next cursor (empty at the end)."""
    limit = max(1, min(read_int(call, "limit", default), largest))
    start = read_int(call, "cursor", 0)
    return list(rows[start : start + limit]), str(start + limit) if start + limit < len(rows) else ""


class Trading:
    """Everything under orders and executions of one account."""

    def __init__(self, venue: Venue, soon: Soon) -> None:
        self._venue = venue
        self._contracts = venue.board.contracts
        self._soon = soon

    def create(self, call: Call) -> Any:
        book = call.book
        order = self._venue.accept(book, self._read_order(call))
        self._soon(WORK_SECONDS, lambda: self._venue.work(book, order))
        return {"orderId": order.id, "orderLinkId": order.client_id}

    def cancel(self, call: Call) -> Any:
        self._require_linear(call)
        found = [order for order in self._named(call, call.book.open.values()) if order.symbol == call.text("symbol")]
        if not found:
            raise Refused(Fact.ORDER_UNKNOWN)
        self._venue.end(call.book, found[0], "CANCELED")
        return {"orderId": found[0].id, "orderLinkId": found[0].client_id}

    def cancel_all(self, call: Call) -> Any:
        self._require_linear(call)
        stops = call.text("orderFilter")
        ended = []
        for order in self._filtered(call, list(call.book.open.values())):
            if stops == "Order" and order.conditional:
                continue
            if stops in ("StopOrder", "tpslOrder") and not order.conditional:
                continue
            self._venue.end(call.book, order, "CANCELED")
            ended.append({"orderId": order.id, "orderLinkId": order.client_id})
        return {"list": ended, "success": "1"}

    def list_open(self, call: Call) -> Any:
        """Open orders; with an order id or link id closed ones too, as the venue's notes say."""
        if not require_category(call.text("category")):
            return empty_list(call.text("category"))
        if not any(call.text(name) for name in ("symbol", "baseCoin", "settleCoin")):
            raise BybitError(10001, "params error: symbol, baseCoin or settleCoin is required")
        if call.text("orderId") or call.text("orderLinkId"):
            orders = list(self._named(call, call.book.orders.values()))
        elif call.text("openOnly") == "1":
            orders = [order for order in call.book.orders.values() if not order.open][-500:]
        else:
            orders = list(call.book.open.values())
        rows, cursor = page(call, self._newest(call, orders), 20, 50)
        return {"category": "linear", "list": self._documents(rows), "nextPageCursor": cursor}

    def list_closed(self, call: Call) -> Any:
        if not require_category(call.text("category")):
            return empty_list(call.text("category"))
        orders = [order for order in call.book.orders.values() if not order.open]
        if call.text("orderId") or call.text("orderLinkId"):
            orders = list(self._named(call, orders))
        else:
            start, end = self._window(call)
            orders = [order for order in orders if start <= order.created_ms <= end]
        rows, cursor = page(call, self._newest(call, orders), 20, 50)
        return {"category": "linear", "list": self._documents(rows), "nextPageCursor": cursor}

    def list_executions(self, call: Call) -> Any:
        if not require_category(call.text("category")):
            return empty_list(call.text("category"))
        start, end = self._window(call)
        kind, symbol = call.text("execType"), call.text("symbol")
        named = {order.id for order in self._named(call, call.book.orders.values())}
        by_order = bool(call.text("orderId") or call.text("orderLinkId"))
        executions: list[Fill | Income] = [
            fill
            for fill in call.book.fills
            if symbol in ("", fill.symbol) and kind in ("", EXEC_TYPES[fill.cause])
            if start <= fill.time_ms <= end and (not by_order or fill.order_id in named)
        ]
        if kind in ("", "Funding") and not by_order:
            executions += [
                income
                for income in call.book.incomes
                if income.kind == "FUNDING_FEE" and symbol in ("", income.symbol) and start <= income.time_ms <= end
            ]
        # Of two in one millisecond, the later one comes first.
        executions.reverse()
        rows, cursor = page(call, sorted(executions, key=lambda one: one.time_ms, reverse=True), 50, 100)
        documents = [self._execution(call, one) for one in rows]
        return {"category": "linear", "list": documents, "nextPageCursor": cursor}

    def _execution(self, call: Call, execution: Fill | Income) -> dict[str, Any]:
        contract = self._contracts[execution.symbol]
        if isinstance(execution, Income):
            return funding_document(execution, contract)
        return execution_document(execution, call.book.orders[execution.order_id], contract)

    def list_closed_pnl(self, call: Call) -> Any:
        if not require_category(call.text("category")):
            return empty_list(call.text("category"))
        start, end = self._window(call)
        symbol = call.text("symbol")
        by_order: dict[str, list[Fill]] = {}
        for fill in call.book.fills:
            if symbol in ("", fill.symbol) and start <= fill.time_ms <= end:
                by_order.setdefault(fill.order_id, []).append(fill)
        closing = [
            (call.book.orders[order_id], fills)
            for order_id, fills in by_order.items()
            if any(fill.closed for fill in fills)
        ]
        closing.reverse()
        rows, cursor = page(call, closing, 50, 100)
        documents = [closed_document(order, fills, call.book, self._contracts[order.symbol]) for order, fills in rows]
        return {"category": "linear", "list": documents, "nextPageCursor": cursor}

    def set_trading_stop(self, call: Call) -> Any:
        """Stop-loss and take-profit of a whole position; "0" takes one away."""
        self._require_linear(call)
        symbol, book = self._symbol(call), call.book
        leg = LEGS.get(call.text("positionIdx", "0"))
        position = book.positions.get((symbol, leg)) if leg else None
        if position is None or not position.amount:
            raise BybitError(10001, "can not set tp/sl/ts for zero position")
        if call.text("trailingStop", "0") != "0":
            raise not_played("trailing stops of positions")
        long = position.amount > 0
        for label, name, by in (("StopLoss", "stopLoss", "slTriggerBy"), ("TakeProfit", "takeProfit", "tpTriggerBy")):
            price = read_decimal(call, name)
            if price is None:
                continue
            wanted = OrderRequest(
                symbol=symbol, side="SELL" if long else "BUY", leg=position.leg, close_position=True,
                trigger_price=price, trigger_by_mark=call.text(by) == "MarkPrice",
                trigger_rises=long == (label == "TakeProfit"), trigger_label=label,
            )  # fmt: skip
            held = [order for order in book.open.values() if order.trigger_label == label and order.close_position]
            # The new one first: a refusal leaves the old one in place.
            if price:
                self._venue.accept(book, wanted)
            for order in held:
                if (order.symbol, order.leg) == (symbol, position.leg):
                    self._venue.end(book, order, "CANCELED")
        return {}

    # Reading requests.

    def _read_order(self, call: Call) -> OrderRequest:
        self._require_linear(call)
        side, kind = SIDES.get(call.text("side")), call.text("orderType")
        if side is None:
            raise invalid("side")
        if kind not in ("Market", "Limit"):
            raise invalid("orderType")
        for name in ("takeProfit", "stopLoss"):
            if call.text(name, "0") not in ("0", ""):
                raise not_played(f"{name} given with an order; use /v5/position/trading-stop")
        leg = LEGS.get(call.text("positionIdx", "0"))
        if leg is None:
            raise invalid("positionIdx")
        price = read_decimal(call, "price") if kind == "Limit" else None
        if kind == "Limit" and price is None:
            raise invalid("price")
        trigger, direction = read_decimal(call, "triggerPrice"), call.text("triggerDirection")
        if trigger is not None and direction not in ("1", "2"):
            raise invalid("triggerDirection")
        time_in_force = TIMES.get(call.text("timeInForce", "GTC"))
        if time_in_force is None:
            raise invalid("timeInForce")
        link_id = call.text("orderLinkId")
        if len(link_id) > 36:
            raise BybitError(10001, "params error: OrderLinkId invalid")
        return OrderRequest(
            symbol=self._symbol(call),
            side=side,
            leg=leg,
            kind="LIMIT" if kind == "Limit" else "MARKET",
            quantity=read_decimal(call, "qty") or ZERO,
            price=price or ZERO,
            time_in_force=time_in_force if kind == "Limit" else "GTC",
            reduce_only=call.text("reduceOnly") == "true" or call.text("closeOnTrigger") == "true",
            client_id=link_id,
            trigger_price=trigger,
            trigger_by_mark=call.text("triggerBy") == "MarkPrice",
            trigger_rises=direction == "1",
            fill_fraction=call.fill_fraction,
        )

    def _symbol(self, call: Call) -> str:
        symbol = call.text("symbol")
        if symbol not in self._contracts:
            raise Refused(Fact.SYMBOL_UNKNOWN, symbol=symbol)
        return symbol

    def _require_linear(self, call: Call) -> None:
        if call.text("category") != "linear":
            raise invalid("category")

    def _named(self, call: Call, orders: Iterable[Order]) -> Iterable[Order]:
        number, link_id = call.text("orderId"), call.text("orderLinkId")
        return (order for order in orders if number in ("", order.id) and link_id in ("", order.client_id))

    def _filtered(self, call: Call, orders: Iterable[Order]) -> list[Order]:
        symbol, base = call.text("symbol"), call.text("baseCoin")
        return [
            order
            for order in orders
            if symbol in ("", order.symbol) and base in ("", self._contracts[order.symbol].base)
        ]

    def _newest(self, call: Call, orders: list[Order]) -> list[Order]:
        stops = call.text("orderFilter")
        chosen = [order for order in self._filtered(call, orders) if stops != "StopOrder" or order.conditional]
        # Of two in one millisecond, the later one comes first.
        chosen.reverse()
        return sorted(chosen, key=lambda order: order.created_ms, reverse=True)

    def _documents(self, orders: list[Order]) -> list[dict[str, Any]]:
        return [order_document(order, self._contracts[order.symbol]) for order in orders]

    def _window(self, call: Call) -> tuple[int, int]:
        return read_window(call, self._venue.now_ms(), unasked_ms=WEEK_MS)
