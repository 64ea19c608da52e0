"""Orders on Bybit.

`/v5/order/create` acknowledges only: what became of the order is asked for afterwards, among recent orders first and
in the history then, always by an id (the venue takes a missing one for "all"). A market order's `price` is the
venue's protection price; its fill is `avgPrice`.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from services.common.exchange.budget import Lane
from services.common.exchange.bybit import account as bybit_account
from services.common.exchange.bybit.fills import execution_kind, read_fills_of_order
from services.common.exchange.bybit.pages import read_pages, read_result
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import Row, instant, number, positive_number, rows, text
from services.common.exchange.orders.following import filled_quantity, with_fills
from services.common.exchange.orders.gateway import MarketOrder
from services.common.exchange.orders.outcome import OrderStatus, Swept, VenueOrder
from services.common.trading.money import format_decimal
from services.common.trading.side import OrderSide, PositionSide, Side

CREATE = Endpoint("private", "POST", "v5/order/create")
REALTIME = Endpoint("private", "GET", "v5/order/realtime")
SET_LEVERAGE = Endpoint("private", "POST", "v5/position/set-leverage")
CANCEL = Endpoint("private", "POST", "v5/order/cancel")

_INDEXES = {PositionSide.BOTH: 0, PositionSide.LONG: 1, PositionSide.SHORT: 2}
_SLOTS = {str(index): slot for slot, index in _INDEXES.items()}
_ENDED = frozenset({"Cancelled", "PartiallyFilledCanceled", "Rejected", "Deactivated"})


class BybitOrders:
    """One venue's half of the gateway."""

    async def send(
        self, client: VenueClient, order: MarketOrder, quantity: Decimal, signed_at: datetime | None, *, closes: bool
    ) -> str:
        """Send a market order and return the id that the venue acknowledged. Raises VenueError."""
        params: dict[str, Any] = {
            "category": "linear",
            "symbol": order.symbol,
            "side": (order.side.closing if closes else order.side.opening).value.capitalize(),
            "orderType": "Market",
            "qty": format_decimal(quantity),
            "timeInForce": "IOC",
            "positionIdx": _INDEXES[order.position_side],
            "orderLinkId": order.client_order_id,
            "reduceOnly": closes,
        }
        answer = await client.call(CREATE, params, lane=Lane.ORDERS, signed_at=signed_at)
        try:
            return text(read_result(answer), "orderId")
        except ValueError as error:
            raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, f"no acknowledgement: {error}") from None

    async def find(self, client: VenueClient, symbol: str, client_order_id: str, since: datetime) -> VenueOrder | None:
        """The newest order with this client order id since an instant; None where there is none. Raises VenueError."""
        return await self._newest(client, {"symbol": symbol, "orderLinkId": client_order_id}, since)

    async def find_acknowledged(self, client: VenueClient, symbol: str, order_id: str) -> VenueOrder | None:
        """The order with the venue's own id; None while it is not listed yet. Raises VenueError."""
        return await self._newest(client, {"symbol": symbol, "orderId": order_id}, None)

    async def read_fills(self, client: VenueClient, order: VenueOrder, quote: str) -> VenueOrder:
        """The order with the fills that are listed so far. Raises VenueError."""
        hedged = order.position_side is not PositionSide.BOTH
        fills = await read_fills_of_order(client, order.symbol, quote, order.order_id, Lane.ORDERS, hedged=hedged)
        return with_fills(order, fills)

    async def set_leverage(self, client: VenueClient, symbol: str, leverage: int) -> int:
        """Set a symbol's leverage, for both sides. Raises VenueError."""
        both = {"buyLeverage": str(leverage), "sellLeverage": str(leverage)}
        await client.call(SET_LEVERAGE, {"category": "linear", "symbol": symbol, **both}, lane=Lane.ORDERS)
        return leverage

    async def read_position_mode(self, client: VenueClient, symbol: str) -> bool:
        """Whether a symbol is in hedge mode. Raises VenueError."""
        return await bybit_account.read_hedge_mode(client, symbol, Lane.ORDERS)

    async def sweep(self, client: VenueClient, symbol: str, side: Side, position_side: PositionSide) -> Swept:
        """Cancel what rests and could only reduce this position. Raises VenueError where nothing could be listed."""
        params = {"category": "linear", "symbol": symbol, "openOnly": 0, "limit": 50}
        pages = await read_pages(client, REALTIME, params, lane=Lane.ORDERS)
        if pages.failure is not None:
            raise pages.failure
        canceled: list[str] = []
        failures: list[str] = []
        for row in pages.rows:
            if not reduces_only(row, side, position_side):
                continue
            order_id = text(row, "orderId")
            try:
                cancel = {"category": "linear", "symbol": symbol, "orderId": order_id}
                await client.call(CANCEL, cancel, lane=Lane.ORDERS)
            except VenueError as error:
                if error.kind is not VenueErrorKind.NOT_FOUND:
                    failures.append(str(error))
                continue
            canceled.append(order_id)
        return Swept(tuple(canceled), complete=not failures, reason="; ".join(failures))

    async def _newest(self, client: VenueClient, by_id: dict[str, Any], since: datetime | None) -> VenueOrder | None:
        for endpoint in (REALTIME, bybit_account.ORDER_HISTORY):
            answer = await client.call(endpoint, {"category": "linear", **by_id}, lane=Lane.ORDERS)
            try:
                found = [parse_order(row) for row in rows(read_result(answer), "list")]
            except ValueError as error:
                message = f"the order cannot be read: {error}"
                raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, message) from None
            asked = set(by_id.values())
            if any(not asked & {order.order_id, order.client_order_id} for order in found):
                raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, "the answer is about another order")
            recent = [order for order in found if since is None or order.updated_at >= since]
            if recent:
                return max(recent, key=lambda order: order.updated_at)
        return None


def reduces_only(row: Row, side: Side, position_side: PositionSide) -> bool:
    """Whether a resting order can do nothing but reduce a position of this side in this slot."""
    if _status(str(row.get("orderStatus")), Decimal(0)) is not OrderStatus.OPEN:
        return False
    if str(row.get("side", "")).lower() != side.closing.value:
        return False
    if _SLOTS.get(str(row.get("positionIdx"))) is not position_side:
        return False
    flagged = row.get("reduceOnly") is True or row.get("closeOnTrigger") is True
    return position_side is not PositionSide.BOTH or flagged


def parse_order(row: Row) -> VenueOrder:
    """One order. Raises ValueError."""
    slot = _SLOTS.get(text(row, "positionIdx"))
    if slot is None:
        raise ValueError(f"slot {row.get('positionIdx')!r} is not known")
    filled = filled_quantity(row, "cumExecQty", whole=row.get("orderStatus") == "Filled")
    reason = str(row.get("rejectReason") or "")
    return VenueOrder(
        order_id=text(row, "orderId"),
        client_order_id=str(row.get("orderLinkId") or ""),
        symbol=text(row, "symbol"),
        position_side=slot,
        order_side=OrderSide(text(row, "side").lower()),
        kind=execution_kind(row),
        status=_status(text(row, "orderStatus"), filled),
        reduce_only=row.get("reduceOnly") is True,
        quantity=number(row, "qty"),
        filled_quantity=filled,
        average_price=positive_number(row, "avgPrice"),
        updated_at=instant(row, "updatedTime"),
        note="" if reason == "EC_NoError" else reason,
    )


def _status(name: str, filled: Decimal) -> OrderStatus:
    if name == "Filled":
        return OrderStatus.FILLED
    if name in _ENDED:
        return OrderStatus.PARTIALLY_FILLED if filled > 0 else OrderStatus.CANCELED
    return OrderStatus.OPEN
