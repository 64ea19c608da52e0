"""What a venue remembers, as records that are written whole to the state file.

Invariants: money is Decimal; times are integer milliseconds of the Unix epoch, as on the wire;
a record is changed only by the venue that holds it, which then writes it before any answer leaves.
"""

from decimal import Decimal
from typing import Literal

import msgspec

ZERO = Decimal(0)

Side = Literal["BUY", "SELL"]
# A position's leg: BOTH in one-way mode, LONG and SHORT in hedge mode.
Leg = Literal["BOTH", "LONG", "SHORT"]
OrderKind = Literal["MARKET", "LIMIT", "TRAILING_STOP"]
TimeInForce = Literal["GTC", "IOC", "FOK", "GTX"]
Status = Literal["UNTRIGGERED", "NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED", "REJECTED", "TRIGGERED"]
Cause = Literal["USER", "LIQUIDATION", "ADL"]
LEGS: dict[str, Leg] = {"BOTH": "BOTH", "LONG": "LONG", "SHORT": "SHORT"}
SIDES: dict[str, Side] = {"BUY": "BUY", "SELL": "SELL"}
OPEN_STATUSES: frozenset[str] = frozenset({"UNTRIGGERED", "NEW", "PARTIALLY_FILLED"})


class Account(msgspec.Struct):
    """A customer of the venue: `id` is the venue's own user id and never changes."""

    id: str
    alias: str
    wallet: Decimal
    created_ms: int
    hedge: bool = False
    deposited: Decimal = ZERO
    leverages: dict[str, int] = msgspec.field(default_factory=dict)


class Key(msgspec.Struct):
    """An API key; several may open one account."""

    api_key: str
    secret: str
    account_id: str
    created_ms: int
    trading: bool = True
    withdraw: bool = False
    ip_restrict: bool = False


class Position(msgspec.Struct):
    """One leg. `amount` is signed in every mode: a SHORT leg is negative. Kept at zero once closed."""

    account_id: str
    symbol: str
    leg: Leg
    amount: Decimal = ZERO
    entry: Decimal = ZERO
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    opened_ms: int = 0
    first_ms: int = 0
    updated_ms: int = 0
    sequence: int = 0


class Order(msgspec.Struct):
    """An order of any kind. With `trigger_price` it is conditional: UNTRIGGERED until the price crosses."""

    id: str
    account_id: str
    client_id: str
    symbol: str
    side: Side
    leg: Leg
    kind: OrderKind
    quantity: Decimal
    created_ms: int
    updated_ms: int
    price: Decimal = ZERO
    time_in_force: TimeInForce = "GTC"
    reduce_only: bool = False
    close_position: bool = False
    status: Status = "NEW"
    executed: Decimal = ZERO
    quote: Decimal = ZERO
    fees: Decimal = ZERO
    realised: Decimal = ZERO
    cause: Cause = "USER"
    reason: str = ""
    trigger_price: Decimal | None = None
    trigger_by: Literal["LAST", "MARK"] = "LAST"
    trigger_rises: bool = False
    trigger_label: str = ""
    triggered_ms: int = 0
    callback_rate: Decimal | None = None
    activation_price: Decimal | None = None
    extreme: Decimal | None = None
    result_id: str = ""
    fill_fraction: Decimal | None = None

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.executed

    @property
    def average(self) -> Decimal:
        """Volume-weighted price of the fills, zero before the first."""
        return self.quote / self.executed if self.executed else ZERO

    @property
    def open(self) -> bool:
        return self.status in OPEN_STATUSES

    @property
    def conditional(self) -> bool:
        return self.trigger_price is not None or self.callback_rate is not None


class Fill(msgspec.Struct):
    """One trade of an order. `closed` is how much of it reduced the position."""

    id: str
    account_id: str
    order_id: str
    symbol: str
    side: Side
    leg: Leg
    price: Decimal
    quantity: Decimal
    fee: Decimal
    realised: Decimal
    closed: Decimal
    maker: bool
    time_ms: int
    sequence: int
    cause: Cause = "USER"


class Income(msgspec.Struct):
    """A line of the account's ledger; the lines since the first add up to the wallet."""

    id: str
    account_id: str
    kind: Literal["TRANSFER", "REALIZED_PNL", "COMMISSION", "INSURANCE_CLEAR", "FUNDING_FEE"]
    amount: Decimal
    time_ms: int
    symbol: str = ""
    trade_id: str = ""
    # Of a funding payment: the position that it was for (its amount signed), the mark price and the rate.
    leg: Leg = "BOTH"
    held: Decimal = ZERO
    price: Decimal = ZERO
    rate: Decimal = ZERO


class Candle(msgspec.Struct):
    """One minute of a price. `start_ms` is the minute's first millisecond."""

    start_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal

    def take(self, price: Decimal) -> None:
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.close = price


class Quote(msgspec.Struct):
    """A symbol's prices now. Held: it stays until it is released; otherwise it walks."""

    symbol: str
    last: Decimal
    mark: Decimal
    anchor: Decimal
    opening: Decimal
    high: Decimal
    low: Decimal
    time_ms: int
    candle: Candle
    mark_candle: Candle
    held: bool = False
    sequence: int = 0
