"""One account as the venue holds it in memory: positions, orders, fills, ledger, margin.

Invariants: the ledger's lines add up to the wallet; an open order is in `open`, each order in `orders`;
`newest` names the latest order of a client id (an id may be used again once its order is closed).
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from .margin import largest_notional, liquidation_price, maintenance, unrealised
from .prices import PriceBoard
from .records import ZERO, Account, Fill, Income, Leg, Order, Position, Side


class Margin(NamedTuple):
    """An account's margin in quote currency. Available may not be negative."""

    wallet: Decimal
    unrealised: Decimal
    position_initial: Decimal
    order_initial: Decimal
    maintenance: Decimal

    @property
    def equity(self) -> Decimal:
        return self.wallet + self.unrealised

    @property
    def available(self) -> Decimal:
        return max(ZERO, self.equity - self.position_initial - self.order_initial)


class Book:
    """An account and all that belongs to it."""

    def __init__(self, account: Account, board: PriceBoard, default_leverage: int) -> None:
        self.account = account
        self.positions: dict[tuple[str, Leg], Position] = {}
        self.orders: dict[str, Order] = {}
        self.open: dict[str, Order] = {}
        self.newest: dict[str, str] = {}
        self.fills: list[Fill] = []
        self.incomes: list[Income] = []
        self._board = board
        self._default_leverage = default_leverage

    def remember(self, order: Order) -> None:
        if order.client_id and order.id not in self.orders:
            self.newest[order.client_id] = order.id
        self.orders[order.id] = order
        if order.open:
            self.open[order.id] = order

    def settle(self, order: Order) -> None:
        """Take an order that is no longer open off the open orders."""
        if not order.open:
            self.open.pop(order.id, None)

    def position(self, symbol: str, leg: Leg) -> Position:
        key = (symbol, leg)
        if key not in self.positions:
            self.positions[key] = Position(self.account.id, symbol, leg)
        return self.positions[key]

    def held(self) -> list[Position]:
        """Positions that are not flat."""
        return [position for position in self.positions.values() if position.amount]

    def leverage(self, symbol: str) -> int:
        largest = self._board.contracts[symbol].max_leverage
        return self.account.leverages.get(symbol, min(self._default_leverage, largest))

    def closable(self, symbol: str, leg: Leg, side: Side) -> Decimal:
        """How much an order of that side can take off the leg, resting orders aside."""
        position = self.positions.get((symbol, leg))
        if position is None:
            return ZERO
        return max(ZERO, position.amount if side == "SELL" else -position.amount)

    def reducers(self, symbol: str, leg: Leg, side: Side) -> list[Order]:
        """Resting orders that may only reduce that leg from that side."""
        return [
            order
            for order in self.open.values()
            if (order.symbol, order.leg, order.side) == (symbol, leg, side) and order.status != "UNTRIGGERED"
            if order.reduce_only or closes_leg(leg, side)
        ]

    def notional(self, position: Position) -> Decimal:
        """Signed notional at the mark price."""
        return position.amount * self._board.quotes[position.symbol].mark

    def unrealised(self, position: Position) -> Decimal:
        return unrealised(position.amount, position.entry, self._board.quotes[position.symbol].mark)

    def maintenance(self, position: Position) -> Decimal:
        return maintenance(self._board.contracts[position.symbol].brackets, abs(self.notional(position)))

    def initial(self, position: Position) -> Decimal:
        return abs(self.notional(position)) / self.leverage(position.symbol)

    def order_initial(self, symbol: str | None = None) -> Decimal:
        """Initial margin of resting orders that may open or add to a position."""
        total = ZERO
        for order in self.open.values():
            opens = not (order.reduce_only or order.close_position or closes_leg(order.leg, order.side))
            if opens and order.status != "UNTRIGGERED" and symbol in (None, order.symbol):
                price = order.price or self._board.quotes[order.symbol].last
                total += order.remaining * price / self.leverage(order.symbol)
        return total

    def margin(self) -> Margin:
        held = self.held()
        return Margin(
            wallet=self.account.wallet,
            unrealised=sum((self.unrealised(position) for position in held), ZERO),
            position_initial=sum((self.initial(position) for position in held), ZERO),
            order_initial=self.order_initial(),
            maintenance=sum((self.maintenance(position) for position in held), ZERO),
        )

    def liquidation_price(self, position: Position) -> Decimal | None:
        """The mark price that liquidates the position's symbol, on its tick grid; None if there is none."""
        contract = self._board.contracts[position.symbol]
        others = [other for other in self.held() if other.symbol != position.symbol]
        legs = [other for other in self.held() if other.symbol == position.symbol]
        price = liquidation_price(
            self.account.wallet,
            sum((self.maintenance(other) for other in others), ZERO),
            sum((self.unrealised(other) for other in others), ZERO),
            [(leg.amount, leg.entry) for leg in legs],
            contract.brackets,
            self._board.quotes[position.symbol].mark,
        )
        return None if price is None else price.quantize(contract.tick)

    def largest_notional(self, symbol: str) -> Decimal:
        return largest_notional(self._board.contracts[symbol].brackets, self.leverage(symbol))

    def orders_of(self, client_id: str) -> Iterator[Order]:
        """Orders that carried the client id, newest first."""
        return (order for order in reversed(self.orders.values()) if order.client_id == client_id)


def closes_leg(leg: Leg, side: Side) -> bool:
    """Whether an order of a hedge leg can only close it, by its side alone."""
    return (leg, side) in (("LONG", "SELL"), ("SHORT", "BUY"))
