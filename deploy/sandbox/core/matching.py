"""Matching against the current price, triggers, and liquidation.

Invariants: a market order fills at the far side of the spread and walks one tick a level; a resting
limit order fills in full, as maker, at its own price once the other side of the spread reaches it;
a reduce-only order never fills beyond the position; an account whose margin balance does not exceed its
maintenance margin is liquidated whole: open orders first, then positions, then what is missing is cleared.
"""

from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING

from .book import Book, closes_leg
from .margin import MONEY, apply_fill
from .orders import OrderRequest, check_order
from .records import ZERO, Cause, Fill, Order, Position, Side
from .refusals import Fact, Refused

if TYPE_CHECKING:
    from .venue import Venue

LEVEL_NOTIONAL = Decimal(250_000)
MAX_LEVELS = 200
LIQUIDATION_FEE = Decimal("0.0125")


class Matching:
    """The venue's engine; all of its state is the venue's."""

    def __init__(self, venue: "Venue") -> None:
        self._venue = venue

    # What is checked of an order at the door, beyond `orders.check_order`.

    def check_taking(self, order: Order) -> None:
        if order.time_in_force == "GTX" and not order.conditional and self._crosses(order):
            raise Refused(Fact.WOULD_TAKE)

    def check_trigger(self, order: Order) -> None:
        """Set the direction in which a conditional order triggers; refuse one that would do so at once."""
        if order.trigger_price is None:
            return
        quote = self._venue.board.quotes[order.symbol]
        price = quote.mark if order.trigger_by == "MARK" else quote.last
        if price >= order.trigger_price if order.trigger_rises else price <= order.trigger_price:
            raise Refused(Fact.WOULD_TRIGGER, rises=order.trigger_rises)

    # Work.

    def work(self, book: Book, order: Order) -> None:
        depth = self._venue.board.depth(order.symbol)
        best = depth.ask if order.side == "BUY" else depth.bid
        if order.kind != "LIMIT":
            self._take(book, order, best)
            if order.open:
                self._venue.end(book, order, "EXPIRED", "NO_LIQUIDITY")
        elif self._crosses(order):
            self._fill(book, order, best, order.remaining, maker=False)
        elif order.time_in_force in ("IOC", "FOK"):
            self._venue.end(book, order, "EXPIRED", order.time_in_force)

    def follow(self, symbol: str) -> None:
        """Let orders and margins answer to the symbol's price."""
        for account_id in list(self._venue.concerned.get(symbol, ())):
            book = self._venue.books[account_id]
            orders = [order for order in book.open.values() if order.symbol == symbol]
            for order in orders:
                self._follow_order(book, order)
            if any(position.symbol == symbol for position in book.held()):
                self.check_margin(book)
            elif not orders:
                self._venue.concerned[symbol].discard(account_id)

    def deleverage(self, book: Book, position: Position, quantity: Decimal) -> Order:
        """Take part of a position off by auto-deleveraging, at the mark price."""
        return self._force(book, position, quantity, "ADL", self._venue.board.quotes[position.symbol].mark)

    def check_margin(self, book: Book) -> None:
        margin = book.margin()
        held = book.held()
        if not held or margin.equity > margin.maintenance:
            return
        for order in list(book.open.values()):
            self._venue.end(book, order, "EXPIRED", "LIQUIDATION")
        self._venue.tell_account(book, "MARGIN_CALL", held)
        for position in held:
            depth = self._venue.board.depth(position.symbol)
            price = depth.bid if position.amount > 0 else depth.ask
            order = self._force(book, position, abs(position.amount), "LIQUIDATION", price)
            self._clear(book, position, -min(max(book.account.wallet, ZERO), order.quote * LIQUIDATION_FEE))
        if book.account.wallet < 0:
            self._clear(book, held[-1], -book.account.wallet)

    def _force(self, book: Book, position: Position, quantity: Decimal, cause: Cause, price: Decimal) -> Order:
        now_ms = self._venue.now_ms()
        adl = cause == "ADL"
        order = Order(
            id=self._venue.next_id(),
            account_id=book.account.id,
            client_id="adl_autoclose" if adl else f"autoclose-{now_ms}{self._venue.next_number() % 1_000_000:06d}",
            symbol=position.symbol,
            side="SELL" if position.amount > 0 else "BUY",
            leg=position.leg,
            kind="LIMIT",
            quantity=quantity,
            created_ms=now_ms,
            updated_ms=now_ms,
            price=price,
            time_in_force="IOC",
            reduce_only=True,
            cause=cause,
        )
        self._venue.save_order(book, order)
        self._venue.tell_order(book, order, None, "NEW")
        self._fill(book, order, price, quantity, maker=False)
        return order

    def _clear(self, book: Book, position: Position, amount: Decimal) -> None:
        amount = amount.quantize(MONEY)
        if not amount:
            return
        book.account.wallet += amount
        self._venue.add_income(book, "INSURANCE_CLEAR", amount, position.symbol)
        self._venue.save_account(book)
        self._venue.tell_account(book, "INSURANCE_CLEAR", [])

    def _crosses(self, order: Order) -> bool:
        depth = self._venue.board.depth(order.symbol)
        return order.price >= depth.ask if order.side == "BUY" else order.price <= depth.bid

    def _follow_order(self, book: Book, order: Order) -> None:
        if not order.open:
            return
        if order.status == "UNTRIGGERED":
            if self._triggers(order):
                self._trigger(book, order)
        elif order.kind == "LIMIT" and self._crosses(order):
            self._fill(book, order, order.price, order.remaining, maker=True)

    def _triggers(self, order: Order) -> bool:
        quote = self._venue.board.quotes[order.symbol]
        price = quote.mark if order.trigger_by == "MARK" else quote.last
        if order.trigger_price is not None:
            return price >= order.trigger_price if order.trigger_rises else price <= order.trigger_price
        sells = order.side == "SELL"
        if order.extreme is None:
            activation = order.activation_price
            if activation is not None and (price < activation if sells else price > activation):
                return False
            order.extreme = price
        order.extreme = max(order.extreme, price) if sells else min(order.extreme, price)
        self._venue.save_order(self._venue.books[order.account_id], order)
        pullback = order.extreme * (order.callback_rate or ZERO) / 100
        return price <= order.extreme - pullback if sells else price >= order.extreme + pullback

    def _trigger(self, book: Book, order: Order) -> None:
        """Send what a conditional order stands for. Binance makes a new order of it, Bybit keeps the same one."""
        venue = self._venue
        order.triggered_ms = order.updated_ms = venue.now_ms()
        request = OrderRequest(
            symbol=order.symbol, side=order.side, leg=order.leg, quantity=order.quantity, price=order.price,
            kind="LIMIT" if order.kind == "LIMIT" else "MARKET", time_in_force=order.time_in_force,
            reduce_only=order.reduce_only, close_position=order.close_position,
            client_id=order.client_id if venue.name == "binance" else "",
        )  # fmt: skip
        order.status = "TRIGGERED"
        venue.save_order(book, order)
        try:
            if venue.name == "binance":
                venue.tell_order(book, order, None, "TRIGGERED")
                made = venue.accept(book, request)
                order.result_id = made.id
                venue.save_order(book, order)
                venue.work(book, made)
                venue.tell_order(book, order, None, "FINISHED")
                return
            order.quantity = check_order(book, venue.board, request, truncates=True)
        except Refused as refusal:
            order.status, order.reason = "REJECTED", refusal.fact.name
            venue.save_order(book, order)
            venue.tell_order(book, order, None, "REJECTED")
            return
        order.status = "NEW"
        venue.save_order(book, order)
        venue.tell_order(book, order, None, "TRIGGERED")
        venue.work(book, order)

    def _take(self, book: Book, order: Order, best: Decimal) -> None:
        contract = self._venue.board.contracts[order.symbol]
        left = order.remaining
        if order.fill_fraction is not None:
            left = (left * order.fill_fraction / contract.step).quantize(Decimal(1), ROUND_DOWN) * contract.step
        away = contract.tick if order.side == "BUY" else -contract.tick
        for level in range(MAX_LEVELS):
            if left <= 0 or not order.open:
                return
            price = max(contract.tick, best + away * level)
            room = (LEVEL_NOTIONAL / price / contract.step).quantize(Decimal(1), ROUND_DOWN) * contract.step
            quantity = left if level == MAX_LEVELS - 1 else min(left, max(room, contract.step))
            self._fill(book, order, price, quantity, maker=False)
            left -= quantity

    def _fill(self, book: Book, order: Order, price: Decimal, quantity: Decimal, *, maker: bool) -> None:
        venue = self._venue
        reduces = order.reduce_only or closes_leg(order.leg, order.side)
        if reduces:
            quantity = min(quantity, book.closable(order.symbol, order.leg, order.side))
        if not quantity:
            venue.end(book, order, "EXPIRED", "REDUCE_ONLY")
            return
        contract = venue.board.contracts[order.symbol]
        position = book.position(order.symbol, order.leg)
        was_flat, was_long = not position.amount, position.amount > 0
        amount, entry, realised, closed = apply_fill(position.amount, position.entry, order.side, quantity, price)
        now_ms = venue.now_ms()
        fee = (price * quantity * (contract.maker_fee if maker else contract.taker_fee)).quantize(MONEY)
        position.amount, position.entry = amount, entry
        position.realised += realised
        position.fees += fee
        position.updated_ms = now_ms
        if was_flat or (amount and (amount > 0) != was_long):
            position.opened_ms = now_ms
        position.first_ms = position.first_ms or now_ms
        position.sequence = venue.next_number()
        fill = Fill(
            venue.next_id(), book.account.id, order.id, order.symbol, order.side, order.leg, price, quantity,
            fee, realised, closed, maker, now_ms, position.sequence, order.cause,
        )  # fmt: skip
        order.executed += quantity
        order.quote += price * quantity
        order.fees += fee
        order.realised += realised
        order.updated_ms = now_ms
        order.status = "FILLED" if order.executed == order.quantity else "PARTIALLY_FILLED"
        book.account.wallet += realised - fee
        venue.add_income(book, "REALIZED_PNL", realised, order.symbol, fill.id)
        venue.add_income(book, "COMMISSION", -fee, order.symbol, fill.id)
        venue.save_account(book)
        venue.save_position(position)
        venue.save_fill(book, fill)
        venue.save_order(book, order)
        venue.tell_account(book, "ORDER", [position])
        venue.tell_order(book, order, fill, "TRADE" if order.cause == "USER" else "CALCULATED")
        if order.kind == "LIMIT" and order.open and reduces:
            venue.end(book, order, "EXPIRED", "REDUCE_ONLY")
        if order.cause == "USER":
            self._drop_reducers(book, order, "BUY" if order.side == "BUY" else "SELL")

    def _drop_reducers(self, book: Book, order: Order, side: Side) -> None:
        """A resting reduce-only order, or one to close the whole position, does not outlive it."""
        if book.closable(order.symbol, order.leg, side):
            return
        closers = [
            other
            for other in book.open.values()
            if other.close_position and (other.symbol, other.leg, other.side) == (order.symbol, order.leg, side)
        ]
        for other in {one.id: one for one in [*book.reducers(order.symbol, order.leg, side), *closers]}.values():
            if other.id != order.id:
                self._venue.end(book, other, "EXPIRED", "REDUCE_ONLY")
