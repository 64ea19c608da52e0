"""Orders on Binance.

`/fapi/v1/order` answers with the result of a market order; an answer without an order id says nothing about whether
there is one. In one-way mode a close is reduceOnly; in hedge mode the venue refuses that flag and the position side
alone keeps the order from opening anything.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from services.common.exchange.binance.fills import BinanceFills
from services.common.exchange.binance.orders_seen import OrderFacts, order_kind
from services.common.exchange.budget import Lane
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import Row, instant, number, positive_number, rows, text
from services.common.exchange.orders.following import filled_quantity, with_fills
from services.common.exchange.orders.gateway import MarketOrder
from services.common.exchange.orders.outcome import OrderStatus, Swept, VenueOrder
from services.common.trading.money import format_decimal
from services.common.trading.side import OrderSide, PositionSide, Side

NEW_ORDER = Endpoint("fapiPrivate", "POST", "order")
QUERY_ORDER = Endpoint("fapiPrivate", "GET", "order")
CANCEL_ORDER = Endpoint("fapiPrivate", "DELETE", "order")
OPEN_ORDERS = Endpoint("fapiPrivate", "GET", "openOrders", answer=list)
OPEN_ALGO_ORDERS = Endpoint("fapiPrivate", "GET", "openAlgoOrders", answer=list)
CANCEL_ALGO_ORDER = Endpoint("fapiPrivate", "DELETE", "algoOrder")
LEVERAGE = Endpoint("fapiPrivate", "POST", "leverage")
POSITION_MODE = Endpoint("fapiPrivate", "GET", "positionSide/dual", weight=30)

_ENDED = frozenset({"CANCELED", "REJECTED", "EXPIRED", "EXPIRED_IN_MATCH"})


class BinanceOrders:
    """One venue's half of the gateway."""

    def __init__(self) -> None:
        self._fills = BinanceFills()

    async def send(
        self, client: VenueClient, order: MarketOrder, quantity: Decimal, signed_at: datetime | None, *, closes: bool
    ) -> VenueOrder:
        """Send a market order. Raises VenueError; an answer without an order id is a BAD_ANSWER."""
        params: dict[str, Any] = {
            "symbol": order.symbol,
            "side": (order.side.closing if closes else order.side.opening).value.upper(),
            "type": "MARKET",
            "quantity": format_decimal(quantity),
            "newClientOrderId": order.client_order_id,
            "newOrderRespType": "RESULT",
            "positionSide": order.position_side.value.upper(),
        }
        if closes and order.position_side is PositionSide.BOTH:
            params["reduceOnly"] = "true"
        answer = await client.call(NEW_ORDER, params, lane=Lane.ORDERS, signed_at=signed_at)
        return _readable(client, answer)

    async def find(self, client: VenueClient, symbol: str, client_order_id: str, since: datetime) -> VenueOrder | None:
        """The order with this client order id; None where the venue says that there is none. Raises VenueError."""
        try:
            answer = await client.call(
                QUERY_ORDER, {"symbol": symbol, "origClientOrderId": client_order_id}, lane=Lane.ORDERS
            )
        except VenueError as error:
            if error.kind is VenueErrorKind.NOT_FOUND:
                return None
            raise
        order = _readable(client, answer)
        if order.client_order_id != client_order_id:
            raise _another(client)
        # Ids may be used again once an order is filled: an old order is not the one that was asked for.
        return order if order.updated_at >= since else None

    async def refresh(self, client: VenueClient, order: VenueOrder) -> VenueOrder:
        """The order as it is now. Raises VenueError."""
        params = {"symbol": order.symbol, "orderId": order.order_id}
        now = _readable(client, await client.call(QUERY_ORDER, params, lane=Lane.ORDERS))
        if now.order_id != order.order_id:
            raise _another(client)
        return now

    async def read_fills(self, client: VenueClient, order: VenueOrder, quote: str) -> VenueOrder:
        """The order with the fills that are listed so far. Raises VenueError."""
        facts = OrderFacts(order.client_order_id or None, order.kind)
        fills = await self._fills.read_of_order(client, order.symbol, quote, order.order_id, facts, Lane.ORDERS)
        return with_fills(order, fills)

    async def set_leverage(self, client: VenueClient, symbol: str, leverage: int) -> int:
        """Set a symbol's leverage and return what the venue says it is. Raises VenueError."""
        answer = await client.call(LEVERAGE, {"symbol": symbol, "leverage": leverage}, lane=Lane.ORDERS)
        try:
            return int(text(answer, "leverage"))
        except ValueError as error:
            raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, f"the leverage is missing: {error}") from None

    async def read_position_mode(self, client: VenueClient) -> bool:
        """Whether the account is in hedge mode. Raises VenueError."""
        answer = await client.call(POSITION_MODE, lane=Lane.ORDERS)
        value = answer.get("dualSidePosition")
        if not isinstance(value, bool):
            raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, "the position mode is missing")
        return value

    async def sweep(self, client: VenueClient, symbol: str, side: Side, position_side: PositionSide) -> Swept:
        """Cancel what rests and could only reduce this position. Raises VenueError where nothing could be listed."""
        plain = rows(await client.call(OPEN_ORDERS, {"symbol": symbol}, lane=Lane.ORDERS))
        algo = rows(await client.call(OPEN_ALGO_ORDERS, {"symbol": symbol}, lane=Lane.ORDERS))
        canceled: list[str] = []
        failures: list[str] = []
        targets = [(CANCEL_ORDER, "orderId", row) for row in plain]
        targets += [(CANCEL_ALGO_ORDER, "algoId", row) for row in algo]
        for endpoint, id_name, row in targets:
            if not reduces_only(row, side, position_side):
                continue
            order_id = text(row, id_name)
            try:
                await client.call(endpoint, {"symbol": symbol, id_name: order_id}, lane=Lane.ORDERS)
            except VenueError as error:
                if error.kind is not VenueErrorKind.NOT_FOUND:
                    failures.append(str(error))
                continue
            canceled.append(order_id)
        return Swept(tuple(canceled), complete=not failures, reason="; ".join(failures))


def reduces_only(row: Row, side: Side, position_side: PositionSide) -> bool:
    """Whether a resting order can do nothing but reduce a position of this side in this slot."""
    if str(row.get("side", "")).lower() != side.closing.value:
        return False
    if str(row.get("positionSide", "BOTH")).lower() != position_side.value:
        return False
    # The closing side of a hedge leg can do nothing else.
    flagged = any(str(row.get(name)).lower() == "true" for name in ("reduceOnly", "closePosition"))
    return position_side is not PositionSide.BOTH or flagged


def parse_order(row: Row) -> VenueOrder:
    """One order. Raises ValueError."""
    filled = filled_quantity(row, "executedQty", whole=row.get("status") == "FILLED")
    client_order_id = str(row.get("clientOrderId") or "")
    return VenueOrder(
        order_id=text(row, "orderId"),
        client_order_id=client_order_id,
        symbol=text(row, "symbol"),
        position_side=PositionSide(text(row, "positionSide").lower()),
        order_side=OrderSide(text(row, "side").lower()),
        kind=order_kind(row, client_order_id),
        status=_status(text(row, "status"), filled),
        reduce_only=str(row.get("reduceOnly")).lower() == "true",
        quantity=number(row, "origQty"),
        filled_quantity=filled,
        average_price=positive_number(row, "avgPrice"),
        updated_at=instant(row, "updateTime"),
    )


def _status(name: str, filled: Decimal) -> OrderStatus:
    if name == "FILLED":
        return OrderStatus.FILLED
    if name in _ENDED:
        return OrderStatus.PARTIALLY_FILLED if filled > 0 else OrderStatus.CANCELED
    return OrderStatus.OPEN


def _readable(client: VenueClient, answer: Row) -> VenueOrder:
    try:
        return parse_order(answer)
    except ValueError as error:
        raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, f"the order cannot be read: {error}") from None


def _another(client: VenueClient) -> VenueError:
    return VenueError(client.venue, VenueErrorKind.BAD_ANSWER, "the answer is about another order")
