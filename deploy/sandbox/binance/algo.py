"""Algo orders: where conditional orders live since December 2025. A new order is made when one triggers."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from deploy.sandbox.core.book import Book
from deploy.sandbox.core.orders import OrderRequest
from deploy.sandbox.core.records import SIDES, ZERO, Order
from deploy.sandbox.wire import Call

from .documents import algo_document
from .errors import BinanceError, missing
from .trading import ALGO_TYPES, TIMES, OrderDesk, read_decimal, read_flag


class AlgoTrading(OrderDesk):
    """Conditional orders of one account."""

    def create(self, call: Call) -> Any:
        if call.text("algoType") != "CONDITIONAL":
            raise missing("algoType")
        label = call.text("type")
        if label not in ALGO_TYPES:
            raise BinanceError(-1116, "Invalid orderType.")
        rises_for_buy, rests = ALGO_TYPES[label]
        side = SIDES.get(call.text("side"))
        if side is None:
            raise BinanceError(-1117, "Invalid side.")
        trailing = label == "TRAILING_STOP_MARKET"
        trigger = None if trailing else read_decimal(call, "triggerPrice")
        if trigger is None and not trailing:
            raise missing("triggerPrice")
        callback = read_decimal(call, "callbackRate") if trailing else None
        if trailing and callback is None:
            raise missing("callbackRate")
        if callback is not None and not Decimal("0.1") <= callback <= 10:
            raise BinanceError(-2007, "Invalid callBack rate")
        close = read_flag(call, "closePosition")
        price = read_decimal(call, "price") if rests else None
        if rests and price is None:
            raise missing("price")
        quantity = read_decimal(call, "quantity")
        if quantity is None and not close:
            raise missing("quantity")
        if quantity and close:
            raise BinanceError(-4137, "Quantity must be zero with closePosition equals true")
        request = OrderRequest(
            symbol=self.symbol(call),
            side=side,
            leg=self.leg(call),
            kind="LIMIT" if rests else "MARKET",
            quantity=quantity or ZERO,
            price=price or ZERO,
            time_in_force=TIMES.get(call.text("timeInForce", "GTC"), "GTC"),
            reduce_only=self.reduce_only(call),
            close_position=close,
            client_id=call.text("clientAlgoId"),
            trigger_price=trigger,
            trigger_by_mark=call.text("workingType") == "MARK_PRICE",
            trigger_rises=(side == "BUY") == rises_for_buy,
            trigger_label=label,
            callback_rate=callback,
            activation_price=read_decimal(call, "activatePrice") or read_decimal(call, "activationPrice"),
        )
        return self._document(call.book, self._venue.accept(call.book, request))

    def query(self, call: Call) -> Any:
        return self._document(call.book, self._find(call, -2013, "Order does not exist."))

    def cancel(self, call: Call) -> Any:
        order = self._find(call, -2011, "Unknown order sent.")
        self._venue.end(call.book, order, "CANCELED")
        return {"algoId": int(order.id), "clientAlgoId": order.client_id, "code": "200", "msg": "success"}

    def cancel_all(self, call: Call) -> Any:
        symbol = self.symbol(call)
        for order in list(call.book.open.values()):
            if order.symbol == symbol and order.conditional:
                self._venue.end(call.book, order, "CANCELED")
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def list_open(self, call: Call) -> Any:
        symbol = self.symbol(call) if call.text("symbol") else None
        orders = [order for order in call.book.open.values() if order.conditional and symbol in (None, order.symbol)]
        return [self._document(call.book, order) for order in orders]

    def list_all(self, call: Call) -> Any:
        symbol = self.symbol(call)
        orders = (order for order in call.book.orders.values() if order.symbol == symbol)
        return [self._document(call.book, order) for order in self.page_orders(call, orders, conditional=True)]

    def _find(self, call: Call, code: int, message: str) -> Order:
        number, client_id = call.text("algoId"), call.text("clientAlgoId")
        if not number and not client_id:
            raise missing("algoId")
        found: Iterable[Order] = [call.book.orders[number]] if number in call.book.orders else ()
        for order in found if number else call.book.orders_of(client_id):
            if order.conditional:
                return order
        raise BinanceError(code, message)

    def _document(self, book: Book, order: Order) -> dict[str, Any]:
        return algo_document(order, self._contracts[order.symbol], book.orders.get(order.result_id))
