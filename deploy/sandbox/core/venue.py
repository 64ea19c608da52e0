"""One venue: its accounts and keys, and every change to them.

Invariants: each change is put to the state before the call that made it returns (the caller commits
before it answers); listeners hear of a change after it happened; calls do not await, so a change is whole.
"""

import secrets
import string
import time
import uuid
from collections.abc import Iterable
from decimal import Decimal
from typing import Protocol

import msgspec

from deploy.sandbox.state import State

from .book import Book
from .margin import MONEY
from .matching import Matching
from .orders import OrderRequest, check_order
from .prices import PriceBoard
from .records import Account, Fill, Income, Key, Order, Position, Quote, Status
from .refusals import Fact, Refused
from .symbols import Contract, VenueName, list_contracts

DEFAULT_LEVERAGE: dict[VenueName, int] = {"binance": 20, "bybit": 10}
KEY_ALPHABET = string.ascii_letters + string.digits

PAST_MINUTES = 360
"""How long the contracts that are there from the start have been traded."""


class Listener(Protocol):
    """Hears of what happened at the venue, to tell those who stream it."""

    def on_price(self, quote: Quote) -> None: ...

    def on_order(self, book: Book, order: Order, fill: Fill | None, execution: str) -> None: ...

    def on_account(self, book: Book, reason: str, positions: list[Position]) -> None: ...

    def on_cash(self, book: Book, income: Income) -> None: ...

    def on_leverage(self, book: Book, symbol: str) -> None: ...


class Sequence(msgspec.Struct):
    """The venue's counters. They start at the time of birth, so that two sandboxes share no id."""

    next: int


class Venue:
    """Accounts, orders and prices of one venue. Times are its own clock's, `now_ms`."""

    def __init__(self, name: VenueName, state: State, seed: int) -> None:
        self.name = name
        self.skew_ms = 0
        self.listeners: list[Listener] = []
        self.books: dict[str, Book] = {}
        # Accounts that have, or had, something in a symbol: whom its price may concern.
        self.concerned: dict[str, set[str]] = {}
        self.keys: dict[str, Key] = {}
        self._state = state
        stored = state.load(f"{name}.sequence", Sequence)
        self._sequence = stored[0] if stored else Sequence(int(time.time()) * 1_000_000)
        self.board = PriceBoard(name, state, seed)
        self.matching = Matching(self)
        minted = state.load(f"{name}.contract", Contract)
        for contract in [*list_contracts(name), *minted]:
            self.board.list_symbol(contract, self.now_ms(), held=contract.minted)
        self.board.restore_candles()
        for contract in list_contracts(name):
            self.board.make_past(contract.symbol, PAST_MINUTES)
        self._restore()

    def now_ms(self) -> int:
        """The venue's clock, in epoch milliseconds."""
        return time.time_ns() // 1_000_000 + self.skew_ms

    def next_number(self) -> int:
        self._sequence.next += 1
        self._state.put(f"{self.name}.sequence", "", self._sequence)
        return self._sequence.next

    def next_id(self) -> str:
        """An order's or a fill's id in this venue's form."""
        number = self.next_number()
        return str(number) if self.name == "binance" else str(uuid.uuid4())

    # Accounts.

    def open_account(self, balance: Decimal, *, hedge: bool) -> Book:
        identity = str(100_000_000 + secrets.randbelow(900_000_000))
        account = Account(identity, secrets.token_hex(4), balance, self.now_ms(), hedge, balance)
        book = Book(account, self.board, DEFAULT_LEVERAGE[self.name])
        self.books[identity] = book
        self.save_account(book)
        self.add_income(book, "TRANSFER", balance)
        return book

    def mint_key(self, book: Book, *, trading: bool, withdraw: bool, api_key: str = "", secret: str = "") -> Key:
        sizes = (64, 64) if self.name == "binance" else (18, 36)
        made = ["".join(secrets.choice(KEY_ALPHABET) for _ in range(size)) for size in sizes]
        key = Key(api_key or made[0], secret or made[1], book.account.id, self.now_ms(), trading, withdraw)
        self.keys[key.api_key] = key
        self._state.put(f"{self.name}.key", key.api_key, key)
        return key

    def book_of(self, api_key: str) -> Book:
        """Raises KeyError for a key that the venue does not know."""
        return self.books[self.keys[api_key].account_id]

    def save_account(self, book: Book) -> None:
        self._state.put(f"{self.name}.account", book.account.id, book.account)

    def save_position(self, position: Position) -> None:
        self.concerned.setdefault(position.symbol, set()).add(position.account_id)
        self._state.put(f"{self.name}.position", f"{position.account_id}/{position.symbol}/{position.leg}", position)

    def save_order(self, book: Book, order: Order) -> None:
        book.remember(order)
        book.settle(order)
        self.concerned.setdefault(order.symbol, set()).add(order.account_id)
        self._state.put(f"{self.name}.order", order.id, order)

    def save_fill(self, book: Book, fill: Fill) -> None:
        book.fills.append(fill)
        self._state.put(f"{self.name}.fill", fill.id, fill)

    def add_income(
        self, book: Book, kind: str, amount: Decimal, symbol: str = "", trade_id: str = "", **funding: object
    ) -> None:
        if not amount:
            return
        number = str(self.next_number())
        income = msgspec.convert(
            {
                "id": number, "account_id": book.account.id, "kind": kind, "amount": amount,
                "time_ms": self.now_ms(), "symbol": symbol, "trade_id": trade_id, **funding,
            },
            Income,
        )  # fmt: skip
        book.incomes.append(income)
        self._state.put(f"{self.name}.income", number, income)

    # Cash that no trade moved.

    def pay_funding(self, symbol: str, rate: Decimal) -> list[Income]:
        """Settle funding for all who hold the symbol: at a positive rate longs pay and shorts receive."""
        mark = self.board.quotes[symbol].mark
        paid = []
        for account_id in list(self.concerned.get(symbol, ())):
            book = self.books[account_id]
            for position in [one for one in book.held() if one.symbol == symbol]:
                amount = (-position.amount * mark * rate).quantize(MONEY)
                if not amount:
                    continue
                book.account.wallet += amount
                position.fees -= amount
                self.add_income(
                    book, "FUNDING_FEE", amount, symbol, str(uuid.uuid4()),
                    leg=position.leg, held=position.amount, price=mark, rate=rate,
                )  # fmt: skip
                paid.append(self._tell_cash(book))
                self.save_position(position)
            self.matching.check_margin(book)
        return paid

    def transfer(self, book: Book, amount: Decimal) -> Income:
        """Move money in (positive) or out. Raises Refused where more would leave than is available."""
        if amount < 0 and -amount > min(book.margin().available, book.account.wallet):
            raise Refused(Fact.TRANSFER_TOO_LARGE, amount=amount)
        book.account.wallet += amount
        book.account.deposited += amount
        self.add_income(book, "TRANSFER", amount)
        return self._tell_cash(book)

    def _tell_cash(self, book: Book) -> Income:
        self.save_account(book)
        for listener in self.listeners:
            listener.on_cash(book, book.incomes[-1])
        return book.incomes[-1]

    def set_leverage(self, book: Book, symbol: str, leverage: int) -> None:
        """Raises Refused where the venue would not let this account have it."""
        contract = self.board.contracts.get(symbol)
        if contract is None:
            raise Refused(Fact.SYMBOL_UNKNOWN, symbol=symbol)
        if not 1 <= leverage <= contract.max_leverage:
            raise Refused(Fact.LEVERAGE_INVALID, leverage=leverage)
        if symbol in book.account.leverages and book.leverage(symbol) == leverage:
            raise Refused(Fact.LEVERAGE_SAME)
        before = book.account.leverages.get(symbol)
        book.account.leverages[symbol] = leverage
        held = sum(abs(book.notional(position)) for position in book.held() if position.symbol == symbol)
        if held > book.largest_notional(symbol):
            if before is None:
                del book.account.leverages[symbol]
            else:
                book.account.leverages[symbol] = before
            raise Refused(Fact.POSITION_TOO_LARGE, leverage=leverage)
        self.save_account(book)
        for listener in self.listeners:
            listener.on_leverage(book, symbol)

    def set_hedge(self, book: Book, *, hedge: bool) -> None:
        """Raises Refused while the account has positions or open orders, or the mode already."""
        if book.account.hedge == hedge:
            raise Refused(Fact.MODE_SAME)
        if book.held():
            raise Refused(Fact.MODE_HAS_POSITIONS)
        if book.open:
            raise Refused(Fact.MODE_HAS_ORDERS)
        book.account.hedge = hedge
        self.save_account(book)

    # Orders.

    def accept(self, book: Book, request: OrderRequest) -> Order:
        """Check the order and take it in; it is worked by `work`. Raises Refused."""
        quantity = check_order(book, self.board, request, truncates=self.name == "bybit")
        now_ms = self.now_ms()
        order = Order(
            id=self.next_id(),
            account_id=book.account.id,
            client_id=request.client_id,
            symbol=request.symbol,
            side=request.side,
            leg=request.leg,
            kind=request.kind,
            quantity=quantity,
            created_ms=now_ms,
            updated_ms=now_ms,
            price=request.price if request.kind == "LIMIT" else Decimal(0),
            time_in_force=request.time_in_force,
            reduce_only=request.reduce_only or request.close_position,
            close_position=request.close_position,
            status="UNTRIGGERED" if request.conditional else "NEW",
            cause=request.cause,
            trigger_price=request.trigger_price,
            trigger_by="MARK" if request.trigger_by_mark else "LAST",
            trigger_rises=bool(request.trigger_rises),
            trigger_label=request.trigger_label,
            callback_rate=request.callback_rate,
            activation_price=request.activation_price,
            fill_fraction=request.fill_fraction,
        )
        self.matching.check_trigger(order)
        self.matching.check_taking(order)
        self.save_order(book, order)
        self.tell_order(book, order, None, "NEW")
        return order

    def work(self, book: Book, order: Order) -> Order:
        """Fill what can be filled now; the rest rests, or expires."""
        if order.status == "NEW":
            self.matching.work(book, order)
        return order

    def place(self, book: Book, request: OrderRequest) -> Order:
        """Accept and work in one go. Raises Refused."""
        return self.work(book, self.accept(book, request))

    def end(self, book: Book, order: Order, status: Status, reason: str = "") -> Order:
        """Cancel, expire or reject an open order. Raises Refused if it is not open."""
        if not order.open:
            raise Refused(Fact.ORDER_NOT_OPEN)
        order.status, order.reason, order.updated_ms = status, reason, self.now_ms()
        self.save_order(book, order)
        self.tell_order(book, order, None, status)
        return order

    # Prices.

    def set_price(self, symbol: str, last: Decimal, mark: Decimal, *, held: bool | None = None) -> None:
        """Move a price by hand: everybody hears of it at once, then orders and margins answer to it."""
        self.tell_price(self.board.set_price(symbol, last, mark, self.now_ms(), held=held))
        self.matching.follow(symbol)

    def tick(self) -> None:
        """One second of the market."""
        for symbol in list(self.board.quotes):
            moved = self.board.walk(symbol, self.now_ms())
            if moved:
                self.matching.follow(symbol)

    def mint_symbol(self, contract: Contract) -> None:
        """List a contract of its own price, held until it is released."""
        self._state.put(f"{self.name}.contract", contract.symbol, contract)
        self.board.list_symbol(contract, self.now_ms(), held=True)

    # What listeners hear.

    def tell_price(self, quote: Quote) -> None:
        for listener in self.listeners:
            listener.on_price(quote)

    def tell_order(self, book: Book, order: Order, fill: Fill | None, execution: str) -> None:
        for listener in self.listeners:
            listener.on_order(book, order, fill, execution)

    def tell_account(self, book: Book, reason: str, positions: list[Position]) -> None:
        for listener in self.listeners:
            listener.on_account(book, reason, positions)

    def _restore(self) -> None:
        for account in self._state.load(f"{self.name}.account", Account):
            self.books[account.id] = Book(account, self.board, DEFAULT_LEVERAGE[self.name])
        self.keys = {key.api_key: key for key in self._state.load(f"{self.name}.key", Key)}
        for position in self._state.load(f"{self.name}.position", Position):
            self.books[position.account_id].positions[position.symbol, position.leg] = position
            self.concerned.setdefault(position.symbol, set()).add(position.account_id)
        for order in _by_time(self._state.load(f"{self.name}.order", Order)):
            self.books[order.account_id].remember(order)
            self.concerned.setdefault(order.symbol, set()).add(order.account_id)
        for fill in sorted(self._state.load(f"{self.name}.fill", Fill), key=lambda fill: fill.sequence):
            self.books[fill.account_id].fills.append(fill)
        for income in sorted(self._state.load(f"{self.name}.income", Income), key=lambda income: int(income.id)):
            self.books[income.account_id].incomes.append(income)
        for book in self.books.values():
            for order in list(book.open.values()):
                # Taken in, and the process ended before it was worked.
                self.work(book, order)


def _by_time(orders: Iterable[Order]) -> list[Order]:
    return sorted(orders, key=lambda order: order.created_ms)
