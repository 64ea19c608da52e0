"""Accepting orders: what a venue checks before an order exists, in the order in which it checks.

Pure but for reading the book: raises Refused, or returns the quantity that will be worked.
"""

from decimal import Decimal

import msgspec

from .book import Book, closes_leg
from .prices import PriceBoard
from .records import ZERO, Cause, Leg, OrderKind, Side, TimeInForce
from .refusals import Fact, Refused
from .symbols import Contract

MAX_OPEN_ORDERS = 200
MAX_CONDITIONAL_ORDERS = 10 * 20


class OrderRequest(msgspec.Struct, kw_only=True):
    """An order as asked for, in the core's words. Quantity in base, prices in quote currency."""

    symbol: str
    side: Side
    leg: Leg = "BOTH"
    kind: OrderKind = "MARKET"
    quantity: Decimal = ZERO
    price: Decimal = ZERO
    time_in_force: TimeInForce = "GTC"
    reduce_only: bool = False
    close_position: bool = False
    client_id: str = ""
    cause: Cause = "USER"
    trigger_price: Decimal | None = None
    trigger_by_mark: bool = False
    trigger_rises: bool | None = None
    trigger_label: str = ""
    callback_rate: Decimal | None = None
    activation_price: Decimal | None = None
    fill_fraction: Decimal | None = None

    @property
    def conditional(self) -> bool:
        return self.trigger_price is not None or self.callback_rate is not None

    @property
    def reduces(self) -> bool:
        """Whether it may only take off a position."""
        return self.reduce_only or self.close_position or closes_leg(self.leg, self.side)


def check_order(book: Book, board: PriceBoard, request: OrderRequest, *, truncates: bool) -> Decimal:
    """The quantity to work. `truncates`: too large a reduce-only order is cut to what is left, not refused."""
    contract = board.contracts.get(request.symbol)
    if contract is None:
        raise Refused(Fact.SYMBOL_UNKNOWN, symbol=request.symbol)
    if (request.leg == "BOTH") == book.account.hedge:
        raise Refused(Fact.LEG_MISMATCH)
    if not request.close_position:
        check_quantity(contract, request)
    check_price(contract, board, request)
    check_client_id(book, request)
    conditional = sum(order.status == "UNTRIGGERED" for order in book.open.values())
    if (conditional >= MAX_CONDITIONAL_ORDERS) if request.conditional else (len(book.open) >= MAX_OPEN_ORDERS):
        raise Refused(Fact.TOO_MANY_ORDERS)
    if request.conditional:
        # Position and margin are looked at when it triggers, as the venues do.
        return request.quantity
    if request.reduces:
        return check_reduction(book, request, truncates=truncates)
    check_notional(contract, board, request)
    check_margin(book, board, request)
    return request.quantity


def check_quantity(contract: Contract, request: OrderRequest) -> None:
    quantity = request.quantity
    if quantity <= 0:
        raise Refused(Fact.QUANTITY_NOT_POSITIVE)
    if quantity % contract.step:
        raise Refused(Fact.QUANTITY_OFF_STEP, step=contract.step)
    if quantity < contract.min_quantity:
        raise Refused(Fact.QUANTITY_TOO_SMALL, limit=contract.min_quantity)
    limit = contract.max_market_quantity if request.kind == "MARKET" else contract.max_quantity
    if quantity > limit:
        raise Refused(Fact.QUANTITY_TOO_LARGE, limit=limit)


def check_price(contract: Contract, board: PriceBoard, request: OrderRequest) -> None:
    for price in (request.price if request.kind == "LIMIT" else None, request.trigger_price, request.activation_price):
        if price is None:
            continue
        if price <= 0:
            raise Refused(Fact.PRICE_NOT_POSITIVE)
        if price % contract.tick:
            raise Refused(Fact.PRICE_OFF_TICK, tick=contract.tick)
    if request.kind != "LIMIT" or request.conditional:
        return
    mark = board.quotes[contract.symbol].mark
    band = Decimal("0.05") if contract.template == "large" else Decimal("0.1")
    limit = (mark * (1 + band if request.side == "BUY" else 1 - band)).quantize(contract.tick)
    if request.price > limit if request.side == "BUY" else request.price < limit:
        raise Refused(Fact.PRICE_TOO_FAR, limit=limit, side=request.side)


def check_client_id(book: Book, request: OrderRequest) -> None:
    """Client ids are unique among open orders only: a filled order's id may be used again."""
    order_id = book.newest.get(request.client_id) if request.client_id else None
    if order_id in book.open and book.open[order_id].conditional == request.conditional:
        raise Refused(Fact.CLIENT_ID_DUPLICATE)


def check_reduction(book: Book, request: OrderRequest, *, truncates: bool) -> Decimal:
    symbol, leg, side = request.symbol, request.leg, request.side
    closable = book.closable(symbol, leg, side)
    if not closable:
        held = book.positions.get((symbol, leg))
        raise Refused(Fact.REDUCE_ONLY_WRONG_SIDE if held is not None and held.amount else Fact.REDUCE_ONLY_NO_POSITION)
    if request.close_position:
        return closable
    resting = sum((order.remaining for order in book.reducers(symbol, leg, side)), ZERO)
    left = closable - resting
    if request.quantity <= left:
        return request.quantity
    if truncates and left > 0:
        return left
    raise Refused(Fact.REDUCE_ONLY_COVERED if resting else Fact.REDUCE_ONLY_TOO_LARGE)


def check_notional(contract: Contract, board: PriceBoard, request: OrderRequest) -> None:
    price = request.price if request.kind == "LIMIT" else board.quotes[contract.symbol].mark
    if request.quantity * price < contract.min_notional:
        raise Refused(Fact.NOTIONAL_TOO_SMALL, limit=contract.min_notional)


def check_margin(book: Book, board: PriceBoard, request: OrderRequest) -> None:
    contract, leverage = board.contracts[request.symbol], book.leverage(request.symbol)
    depth = board.depth(request.symbol)
    price = request.price if request.kind == "LIMIT" else (depth.ask if request.side == "BUY" else depth.bid)
    increase = max(ZERO, request.quantity - book.closable(request.symbol, request.leg, request.side))
    if not increase:
        return
    same_side = book.closable(request.symbol, request.leg, "SELL" if request.side == "BUY" else "BUY")
    if (same_side + increase) * price > book.largest_notional(request.symbol):
        raise Refused(Fact.POSITION_TOO_LARGE, leverage=leverage)
    if increase * price / leverage + request.quantity * price * contract.taker_fee > book.margin().available:
        raise Refused(Fact.MARGIN_INSUFFICIENT)
