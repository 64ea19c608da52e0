"""What the control routes take: one record a route. Numbers of money are JSON strings or numbers."""

from decimal import Decimal
from typing import Literal

import msgspec

from deploy.sandbox.core.records import Leg
from deploy.sandbox.core.symbols import VenueName


class Wish(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A control request's body. Unknown fields are refused: a misspelt one would do nothing, silently."""


class PriceWish(Wish):
    symbol: str
    price: Decimal | None = None
    mark: Decimal | None = None
    release: bool = False
    exchange: VenueName | None = None


class TradeWish(Wish):
    exchange: VenueName
    api_key: str
    symbol: str
    side: Literal["buy", "sell"]
    quantity: Decimal
    reduce_only: bool = False
    position_side: Leg | None = None


class PermissionsWish(Wish):
    trading: bool = True
    withdraw: bool = False


class PositionWish(Wish):
    symbol: str
    side: Literal["long", "short"]
    quantity: Decimal
    leverage: int | None = None


class AccountWish(Wish):
    exchange: VenueName | None = None
    balance: Decimal = Decimal(100_000)
    hedge_mode: bool = False
    permissions: PermissionsWish = msgspec.field(default_factory=PermissionsWish)
    api_key: str = ""
    secret: str = ""
    account_of: str = ""
    positions: list[PositionWish] = []


class SymbolWish(Wish):
    price: Decimal
    exchange: VenueName | None = None
    symbol: str = ""
    tick: Decimal | None = None
    step: Decimal | None = None
    min_notional: Decimal | None = None
    max_leverage: int = 75
    # For how long it has been traded already; 0 is a symbol just listed.
    past_minutes: int = 0


class AdlWish(Wish):
    exchange: VenueName
    api_key: str
    symbol: str
    quantity: Decimal | None = None
    position_side: Leg | None = None


class FundingWish(Wish):
    symbol: str
    # Longs pay the rate on their notional at the mark price; a negative rate is paid by shorts.
    rate: Decimal
    exchange: VenueName | None = None


class TransferWish(Wish):
    exchange: VenueName
    api_key: str
    # Positive into the account, negative out of it.
    amount: Decimal


class LimitWish(Wish):
    exchange: VenueName
    limit: int


class ReplayWish(Wish):
    csv: str
    speed: float = 1.0
