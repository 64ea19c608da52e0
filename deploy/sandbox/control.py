"""Control routes under /sandbox: for people, demos and tests. JSON in and out.

A refusal says what was wrong and what to do, with a 4xx status: {"error": "…"}.
"""

import secrets
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal, TypeVar

import msgspec
from aiohttp import web

from .core.book import Book
from .core.orders import OrderRequest
from .core.records import Leg, Position
from .core.refusals import Refused
from .core.symbols import FEES, VENUES, Contract, VenueName
from .core.venue import Venue
from .counters import Requests
from .faults import Fault, Faults
from .replay import ReplayRefused, ReplayStep, read_replay
from .wire import ENCODER, plain
from .wishes import (
    AccountWish,
    AdlWish,
    FundingWish,
    LimitWish,
    PriceWish,
    ReplayWish,
    SymbolWish,
    TradeWish,
    TransferWish,
)

Body = TypeVar("Body")


class NotPossible(Exception):
    """A control request that cannot be done; the message says what to do."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Control:
    """What the routes do. The server commits the state before it sends what they answer."""

    def __init__(self, venues: dict[VenueName, Venue], faults: Faults, requests: Requests) -> None:
        self._venues = venues
        self._faults = faults
        self._requests = requests
        self.set_limit: Callable[[VenueName, int], None] = lambda _name, _limit: None
        self.play: Callable[[list[ReplayStep], float], None] = lambda _steps, _speed: None
        self.expire_listen_key: Callable[[str], None] = lambda _account_id: None
        self.deafen: Callable[[VenueName, str], None] = lambda _name, _api_key: None

    def routes(self) -> list[tuple[str, str, Callable[[web.Request, bytes], Any]]]:
        return [
            ("GET", "/sandbox/healthz", lambda _request, _body: {"status": "ok", "venues": list(self._venues)}),
            ("GET", "/sandbox/requests", lambda _request, _body: self._requests.document()),
            ("POST", "/sandbox/price", lambda _request, body: self.set_price(read(body, PriceWish))),
            ("POST", "/sandbox/trade", lambda _request, body: self.trade(read(body, TradeWish))),
            ("POST", "/sandbox/adl", lambda _request, body: self.deleverage(read(body, AdlWish))),
            ("POST", "/sandbox/funding", lambda _request, body: self.pay_funding(read(body, FundingWish))),
            ("POST", "/sandbox/transfer", lambda _request, body: self.transfer(read(body, TransferWish))),
            ("POST", "/sandbox/accounts", lambda _request, body: self.open_account(read(body, AccountWish))),
            ("GET", "/sandbox/accounts/{exchange}/{key}", lambda request, _body: self.tell_account(request)),
            ("POST", "/sandbox/symbols", lambda _request, body: self.mint_symbol(read(body, SymbolWish))),
            ("GET", "/sandbox/faults", lambda _request, _body: {"faults": list(self._faults.active.values())}),
            ("POST", "/sandbox/faults", lambda _request, body: self.add_fault(read(body, Fault))),
            ("DELETE", "/sandbox/faults", lambda _request, _body: self.remove_faults(None)),
            ("DELETE", "/sandbox/faults/{id}", lambda request, _body: self.remove_faults(request.match_info["id"])),
            ("POST", "/sandbox/replay", lambda _request, body: self.replay(read(body, ReplayWish))),
            ("POST", "/sandbox/limits", lambda _request, body: self.change_limit(read(body, LimitWish))),
        ]

    def set_price(self, wish: PriceWish) -> Any:
        if wish.release == (wish.price is not None):
            raise NotPossible('give either "price" to hold the symbol at, or "release": true to let it walk')
        venues = [venue for venue in self._chosen(wish.exchange) if wish.symbol in venue.board.quotes]
        if not venues:
            raise NotPossible(f"no symbol {wish.symbol} here; POST /sandbox/symbols makes one", 404)
        for venue in venues:
            if wish.price is None:
                venue.board.release(wish.symbol)
                continue
            if wish.price <= 0:
                raise NotPossible('"price" must be positive')
            # As given, not rounded to the tick: whoever holds a price wants that price.
            venue.set_price(wish.symbol, wish.price, wish.mark or wish.price, held=True)
        quotes = {venue.name: venue.board.quotes[wish.symbol] for venue in venues}
        return {
            "symbol": wish.symbol,
            "prices": {
                name: {"last": plain(quote.last), "mark": plain(quote.mark), "held": quote.held}
                for name, quote in quotes.items()
            },
        }

    def trade(self, wish: TradeWish) -> Any:
        venue, book = self._book(wish.exchange, wish.api_key)
        side: Literal["BUY", "SELL"] = "BUY" if wish.side == "buy" else "SELL"
        leg: Leg = wish.position_side or "BOTH"
        if book.account.hedge and wish.position_side is None:
            raise NotPossible('the account is in hedge mode: give "positionSide": "LONG" or "SHORT"')
        before = len(book.fills)
        order = venue.place(
            book,
            OrderRequest(
                symbol=wish.symbol,
                side=side,
                leg=leg,
                quantity=wish.quantity,
                reduce_only=wish.reduce_only,
                client_id=f"hand-{secrets.token_hex(6)}",
            ),
        )
        return {"order": order, "fills": book.fills[before:]}

    def deleverage(self, wish: AdlWish) -> Any:
        venue, book = self._book(wish.exchange, wish.api_key)
        leg: Leg = wish.position_side or "BOTH"
        position = book.positions.get((wish.symbol, leg))
        if position is None or not position.amount:
            raise NotPossible(f"no position in {wish.symbol} ({leg}) to deleverage")
        before = len(book.fills)
        quantity = min(wish.quantity or abs(position.amount), abs(position.amount))
        order = venue.matching.deleverage(book, position, quantity)
        return {"order": order, "fills": book.fills[before:]}

    def pay_funding(self, wish: FundingWish) -> Any:
        venues = [venue for venue in self._chosen(wish.exchange) if wish.symbol in venue.board.quotes]
        if not venues:
            raise NotPossible(f"no symbol {wish.symbol} here; POST /sandbox/symbols makes one", 404)
        if not abs(wish.rate) < 1:
            raise NotPossible('"rate" is a fraction of the notional: "0.0001" is a hundredth of a percent')
        return {
            "symbol": wish.symbol,
            "paid": [one for venue in venues for one in venue.pay_funding(wish.symbol, wish.rate)],
        }

    def transfer(self, wish: TransferWish) -> Any:
        venue, book = self._book(wish.exchange, wish.api_key)
        if not wish.amount:
            raise NotPossible('"amount" is positive into the account and negative out of it')
        return {"transfer": venue.transfer(book, wish.amount), "balance": plain(book.account.wallet)}

    def open_account(self, wish: AccountWish) -> Any:
        if wish.exchange is None:
            raise NotPossible(f'give "exchange": one of {", ".join(VENUES)}')
        venue = self._venues[wish.exchange]
        if wish.api_key and wish.api_key in venue.keys:
            return self._describe(venue, wish.api_key)
        if wish.account_of:
            book = self._book(wish.exchange, wish.account_of)[1]
        else:
            book = venue.open_account(wish.balance, hedge=wish.hedge_mode)
        key = venue.mint_key(
            book,
            trading=wish.permissions.trading,
            withdraw=wish.permissions.withdraw,
            api_key=wish.api_key,
            secret=wish.secret,
        )
        for position in wish.positions:
            if position.leverage is not None:
                venue.set_leverage(book, position.symbol, position.leverage)
            long = position.side == "long"
            leg: Leg = ("LONG" if long else "SHORT") if book.account.hedge else "BOTH"
            request = OrderRequest(
                symbol=position.symbol, side="BUY" if long else "SELL", leg=leg, quantity=position.quantity,
                client_id=f"hand-{secrets.token_hex(6)}",
            )  # fmt: skip
            venue.place(book, request)
        return self._describe(venue, key.api_key)

    def tell_account(self, request: web.Request) -> Any:
        exchange = request.match_info["exchange"]
        if exchange not in self._venues:
            raise NotPossible(f"no exchange {exchange}; there are {', '.join(VENUES)}", 404)
        venue, book = self._book(msgspec.convert(exchange, VenueName), request.match_info["key"])
        margin = book.margin()
        return {
            "exchange": venue.name,
            "userId": book.account.id,
            "hedgeMode": book.account.hedge,
            "deposited": plain(book.account.deposited),
            "balance": plain(margin.wallet),
            "equity": plain(margin.equity),
            "available": plain(margin.available),
            "maintenanceMargin": plain(margin.maintenance),
            "positions": [self._position(venue, book, position) for position in book.held()],
            "openOrders": list(book.open.values()),
            "orders": list(book.orders.values()),
            "fills": book.fills,
            "incomes": book.incomes,
        }

    def mint_symbol(self, wish: SymbolWish) -> Any:
        symbol = wish.symbol or f"T{secrets.token_hex(4).upper()}USDT"
        if not symbol.endswith("USDT") or not symbol.isalnum() or symbol != symbol.upper():
            raise NotPossible('"symbol" is capital letters and digits and ends in USDT, for example TABC1USDT')
        if wish.price <= 0:
            raise NotPossible('"price" must be positive')
        # About six significant digits, as the venues give their symbols.
        tick = wish.tick or Decimal(1).scaleb(wish.price.adjusted() - 5)
        step = wish.step or Decimal(1).scaleb(min(0, -wish.price.adjusted()))
        for venue in self._chosen(wish.exchange):
            if symbol in venue.board.contracts:
                raise NotPossible(f"{symbol} exists on {venue.name}; leave the name out to get a fresh one", 409)
            taker, maker = FEES[venue.name]
            contract = Contract(
                symbol=symbol, base=symbol.removesuffix("USDT"), price=wish.price, tick=tick, step=step,
                max_quantity=step * 10_000_000, max_market_quantity=step * 10_000_000,
                min_notional=wish.min_notional or Decimal(5), max_leverage=wish.max_leverage, template="medium",
                taker_fee=taker, maker_fee=maker, onboarded_ms=venue.now_ms(), minted=True,
            )  # fmt: skip
            venue.mint_symbol(contract)
            venue.board.make_past(symbol, max(0, wish.past_minutes))
        return {
            "symbol": symbol,
            "ccxtSymbol": f"{symbol.removesuffix('USDT')}/USDT:USDT",
            "price": plain(wish.price),
            "tick": plain(tick),
            "step": plain(step),
            "exchanges": [venue.name for venue in self._chosen(wish.exchange)],
        }

    def add_fault(self, fault: Fault) -> Any:
        venues = self._chosen(fault.exchange)
        if fault.kind == "clock_skew":
            for venue in venues:
                venue.skew_ms = fault.milliseconds
        if fault.kind == "listen_key_expired":
            if fault.api_key is None or fault.api_key not in self._venues["binance"].keys:
                raise NotPossible('give "apiKey" of a binance account: its listen key expires now')
            self.expire_listen_key(self._venues["binance"].keys[fault.api_key].account_id)
            return {"done": True}
        if fault.kind == "stream_deaf":
            if fault.exchange is None or fault.api_key is None or fault.api_key not in venues[0].keys:
                raise NotPossible('give "exchange" and "apiKey" of an account: its private streams turn deaf now')
            self.deafen(fault.exchange, fault.api_key)
            return {"done": True}
        books = {identity: book for venue in venues for identity, book in venue.books.items()}
        return self._faults.add(fault, books)

    def remove_faults(self, number: str | None) -> Any:
        if number is not None and not number.isdigit():
            raise NotPossible("a fault's id is a number, as POST /sandbox/faults answered it")
        skews = [fault for fault in self._faults.active.values() if fault.kind == "clock_skew"]
        for fault in skews:
            if number in (None, str(fault.id)):
                for venue in self._chosen(fault.exchange):
                    venue.skew_ms = 0
        return {"removed": self._faults.remove(None if number is None else int(number))}

    def replay(self, wish: ReplayWish) -> Any:
        if wish.speed <= 0:
            raise NotPossible('"speed" must be positive: 60 plays a minute in a second')
        try:
            steps = read_replay(wish.csv, self.symbols())
        except ReplayRefused as error:
            raise NotPossible(str(error)) from error
        self.play(steps, wish.speed)
        return {"steps": len(steps), "seconds": steps[-1].seconds / wish.speed}

    def symbols(self) -> dict[VenueName, set[str]]:
        """What each venue lists."""
        return {name: set(venue.board.contracts) for name, venue in self._venues.items()}

    def change_limit(self, wish: LimitWish) -> Any:
        self.set_limit(wish.exchange, wish.limit)
        return {"exchange": wish.exchange, "limit": wish.limit}

    def _chosen(self, exchange: VenueName | None) -> list[Venue]:
        return [self._venues[exchange]] if exchange else list(self._venues.values())

    def _book(self, exchange: VenueName, api_key: str) -> tuple[Venue, Book]:
        venue = self._venues[exchange]
        if api_key not in venue.keys:
            raise NotPossible(f"{exchange} knows no such API key; POST /sandbox/accounts mints one", 404)
        return venue, venue.book_of(api_key)

    def _describe(self, venue: Venue, api_key: str) -> dict[str, Any]:
        key, book = venue.keys[api_key], venue.book_of(api_key)
        return {
            "exchange": venue.name,
            "apiKey": key.api_key,
            "secret": key.secret,
            "userId": book.account.id,
            "hedgeMode": book.account.hedge,
            "permissions": {"trading": key.trading, "withdraw": key.withdraw},
            "balance": plain(book.account.wallet),
            "positions": [self._position(venue, book, position) for position in book.held()],
        }

    def _position(self, venue: Venue, book: Book, position: Position) -> dict[str, Any]:
        liquidation = book.liquidation_price(position)
        return {
            "symbol": position.symbol,
            "positionSide": position.leg,
            "side": "long" if position.amount > 0 else "short",
            "quantity": plain(abs(position.amount)),
            "entryPrice": plain(position.entry),
            "markPrice": plain(venue.board.quotes[position.symbol].mark),
            "unrealizedPnl": plain(book.unrealised(position)),
            "leverage": book.leverage(position.symbol),
            "liquidationPrice": None if liquidation is None else plain(liquidation),
            "openedAt": position.opened_ms,
        }


def read(body: bytes, wish: type[Body]) -> Body:
    """The body as the wish that the route takes. Raises NotPossible, naming the field."""
    try:
        return msgspec.json.decode(body or b"{}", type=wish)
    except msgspec.DecodeError as error:
        raise NotPossible(f"the body is not what this route takes: {error}") from error


def answer(handler: Callable[[web.Request, bytes], Any], request: web.Request, body: bytes) -> tuple[int, bytes]:
    """Run a control handler: HTTP status and JSON."""
    try:
        return 200, ENCODER.encode(handler(request, body))
    except NotPossible as error:
        return error.status, ENCODER.encode({"error": str(error)})
    except Refused as refusal:
        detail = ", ".join(f"{name} {value}" for name, value in refusal.detail.items())
        words = refusal.fact.name.lower().replace("_", " ")
        return 400, ENCODER.encode({"error": f"the venue refuses: {words}" + (f" ({detail})" if detail else "")})
