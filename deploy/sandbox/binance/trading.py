"""Orders: new, query, cancel, lists, and the trades that came of them."""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from deploy.sandbox.core.orders import OrderRequest
from deploy.sandbox.core.records import LEGS, SIDES, ZERO, Order, TimeInForce
from deploy.sandbox.core.venue import Venue
from deploy.sandbox.wire import Call

from .documents import order_document, trade_document
from .errors import BinanceError, missing, not_played

WEEK_MS = 7 * 86_400_000
TIMES: dict[str, TimeInForce] = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK", "GTX": "GTX"}

# The algo endpoint's order types: whether it triggers as the price rises for a BUY, and whether it rests.
ALGO_TYPES = {
    "STOP": (True, True), "STOP_MARKET": (True, False), "TAKE_PROFIT": (False, True),
    "TAKE_PROFIT_MARKET": (False, False), "TRAILING_STOP_MARKET": (True, False),
}  # fmt: skip


def read_decimal(call: Call, name: str) -> Decimal | None:
    text = call.text(name)
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise BinanceError(-1100, f"Illegal characters found in parameter '{name}'.") from None
    if not value.is_finite():
        raise BinanceError(-1100, f"Illegal characters found in parameter '{name}'.")
    return value


def read_int(call: Call, name: str, default: int) -> int:
    text = call.text(name)
    if not text:
        return default
    if not text.lstrip("-").isdigit():
        raise BinanceError(-1130, f"Data sent for parameter '{name}' is not valid.")
    return int(text)


def read_flag(call: Call, name: str) -> bool:
    text = call.text(name, "false").lower()
    if text not in ("true", "false"):
        raise BinanceError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    return text == "true"


class OrderDesk:
    """What the order endpoints share: reading a request's symbol, leg, flags, window and page."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._contracts = venue.board.contracts

    def leg(self, call: Call) -> Any:
        leg = LEGS.get(call.text("positionSide", "BOTH"))
        if leg is None:
            raise BinanceError(-4060, "Invalid position side.")
        return leg

    def reduce_only(self, call: Call) -> bool:
        if "reduceOnly" in call.params and call.book.account.hedge:
            raise BinanceError(-1106, "Parameter 'reduceonly' sent when not required.")
        return read_flag(call, "reduceOnly")

    def symbol(self, call: Call) -> str:
        symbol = call.text("symbol")
        if not symbol:
            raise missing("symbol")
        if symbol not in self._contracts:
            raise BinanceError(-1121, "Invalid symbol.")
        return symbol

    def window(self, call: Call) -> tuple[int, int]:
        """The asked time window: at most seven days, and the last seven if nothing was asked."""
        now_ms = self._venue.now_ms()
        start, end = read_int(call, "startTime", -1), read_int(call, "endTime", -1)
        if start < 0 and end < 0:
            return now_ms - WEEK_MS, now_ms
        if start < 0:
            return end - WEEK_MS, end
        if end < 0:
            return start, start + WEEK_MS
        if end < start:
            raise BinanceError(-4165, "Invalid time interval.")
        if end - start > WEEK_MS:
            raise BinanceError(-4165, "Maximum time interval is 7 days.")
        return start, end

    def page_orders(self, call: Call, orders: Iterable[Order], *, conditional: bool) -> list[Order]:
        limit = min(read_int(call, "limit", 500), 1000)
        chosen = [order for order in orders if order.conditional == conditional]
        if call.text("orderId"):
            return [order for order in chosen if int(order.id) >= read_int(call, "orderId", 0)][:limit]
        start, end = self.window(call)
        within = [order for order in chosen if start <= order.created_ms <= end]
        return within[:limit] if call.text("startTime") else within[-limit:]


class Trading(OrderDesk):
    """Orders and trades of one account."""

    def create(self, call: Call) -> Any:
        order = self._venue.place(call.book, self._read_order(call))
        return self._document(order)

    def test(self, call: Call) -> Any:
        self._read_order(call)
        return {}

    def query(self, call: Call) -> Any:
        return self._document(self._find(call, -2013, "Order does not exist."))

    def cancel(self, call: Call) -> Any:
        order = self._find(call, -2011, "Unknown order sent.")
        return self._document(self._venue.end(call.book, order, "CANCELED"))

    def cancel_all(self, call: Call) -> Any:
        symbol = self.symbol(call)
        for order in list(call.book.open.values()):
            if order.symbol == symbol and not order.conditional:
                self._venue.end(call.book, order, "CANCELED")
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def query_open(self, call: Call) -> Any:
        order = self._find(call, -2013, "Order does not exist.")
        if not order.open:
            raise BinanceError(-2013, "Order does not exist.")
        return self._document(order)

    def list_open(self, call: Call) -> Any:
        symbol = self.symbol(call) if call.text("symbol") else None
        orders = [order for order in call.book.open.values() if symbol in (None, order.symbol)]
        return [self._document(order) for order in orders if not order.conditional]

    def list_all(self, call: Call) -> Any:
        symbol = self.symbol(call) if call.text("symbol") else None
        orders = (order for order in call.book.orders.values() if symbol in (None, order.symbol))
        return [self._document(order) for order in self.page_orders(call, orders, conditional=False)]

    def list_trades(self, call: Call) -> Any:
        symbol = self.symbol(call)
        limit = min(read_int(call, "limit", 500), 1000)
        fills = [fill for fill in call.book.fills if fill.symbol == symbol]
        if call.text("orderId"):
            fills = [fill for fill in fills if fill.order_id == call.text("orderId")]
        if call.text("fromId"):
            if call.text("startTime") or call.text("endTime"):
                raise BinanceError(-1106, "Parameter 'fromId' sent when not required.")
            chosen = [fill for fill in fills if int(fill.id) >= read_int(call, "fromId", 0)][:limit]
        else:
            start, end = self.window(call)
            within = [fill for fill in fills if start <= fill.time_ms <= end]
            chosen = within[:limit] if call.text("startTime") else within[-limit:]
        return [trade_document(fill, self._contracts[fill.symbol]) for fill in chosen]

    def list_forced(self, call: Call) -> Any:
        kind = call.text("autoCloseType")
        symbol, limit = call.text("symbol"), min(read_int(call, "limit", 50), 100)
        start, end = self.window(call)
        orders = [
            order
            for order in call.book.orders.values()
            if order.cause != "USER" and kind in ("", order.cause) and symbol in ("", order.symbol)
            if start <= order.created_ms <= end
        ]
        return [self._document(order) for order in orders[-limit:]]

    # Reading requests.

    def _read_order(self, call: Call) -> OrderRequest:
        symbol = self.symbol(call)
        side = SIDES.get(call.text("side"))
        if side is None:
            raise BinanceError(-1117, "Invalid side.") if call.text("side") else missing("side")
        kind = call.text("type")
        if kind in ALGO_TYPES:
            raise BinanceError(
                -4120,
                "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
            )
        if kind not in ("MARKET", "LIMIT"):
            raise BinanceError(-1116, "Invalid orderType.") if kind else missing("type")
        quantity = read_decimal(call, "quantity")
        if quantity is None:
            raise missing("quantity")
        price = read_decimal(call, "price")
        if kind == "LIMIT":
            if price is None:
                raise missing("price")
            if call.text("timeInForce") not in TIMES:
                raise (
                    BinanceError(-1115, "Invalid timeInForce.") if call.text("timeInForce") else missing("timeInForce")
                )
        elif price is not None:
            raise BinanceError(-1106, "Parameter 'price' sent when not required.")
        client_id = call.text("newClientOrderId")
        if len(client_id) > 36:
            raise BinanceError(-4015, "Client order id length should be less than 36 chars")
        return OrderRequest(
            symbol=symbol,
            side=side,
            leg=self.leg(call),
            kind="LIMIT" if kind == "LIMIT" else "MARKET",
            quantity=quantity,
            price=price or ZERO,
            time_in_force=TIMES.get(call.text("timeInForce"), "GTC"),
            reduce_only=self.reduce_only(call),
            client_id=client_id,
            fill_fraction=call.fill_fraction,
        )

    def _find(self, call: Call, code: int, message: str) -> Order:
        symbol, number, client_id = self.symbol(call), call.text("orderId"), call.text("origClientOrderId")
        if not number and not client_id:
            raise BinanceError(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
        found: Iterable[Order] = [call.book.orders[number]] if number in call.book.orders else ()
        for order in found if number else call.book.orders_of(client_id):
            if order.symbol == symbol and not order.conditional:
                return order
        raise BinanceError(code, message)

    def _document(self, order: Order) -> dict[str, Any]:
        return order_document(order, self._contracts[order.symbol])

    def batch(self, call: Call) -> Any:
        raise not_played("batch orders")
