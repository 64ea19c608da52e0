"""What opening needs of the rest of the world."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.exchange.credentials import Credentials
from services.common.exchange.leverage import SymbolLeverage
from services.common.exchange.orders.gateway import MarketOrder
from services.common.exchange.orders.outcome import LeverageOutcome, OrderLookup, OrderOutcome
from services.common.exchange.prices import Price, PriceKind
from services.common.exchange.symbols import SymbolInfo
from services.common.trading.extremes import TriggerPrice
from services.common.trading.reading import AccountReading
from services.common.trading.side import Venue
from services.monitor.carrying.work import Rows
from services.monitor.domain.opening import Opening, OpeningState
from services.monitor.domain.position import Position


class Openings(Rows[Opening], Protocol):
    """The table of openings. Every write of a claimed one raises LeaseLost where its claim does not hold any more."""

    async def begin(self, opening: Opening) -> Opening:
        """Write a new opening; the one that is there already for its request id or its execution.

        Raises SlotTaken where another opening of that slot is not over.
        """
        ...

    async def save(self, before: Opening, after: Opening) -> None:
        """Replace one state by the next. Raises OpeningMoved where the row is not as `before` has it."""
        ...

    async def requested(self, user_id: str, request_id: str) -> Opening | None:
        """The opening that a request led to, if it was made before."""
        ...

    async def cancel(self, intent_id: UUID, reason: str, now: datetime) -> bool:
        """End an opening whose order was not sent yet; False where it was, or is over."""
        ...

    async def reopen(self, intent_id: UUID, now: datetime) -> bool:
        """Take an opening that had never arrived for SENT again: its order is at the venue after all."""
        ...


class OpeningOrders(Protocol):
    """The part of the door to the venues that opens. No method but `read_position_mode` raises for a venue's error."""

    async def open_position(
        self, venue: Venue, credentials: Credentials, order: MarketOrder, signed_at: datetime | None = None
    ) -> OrderOutcome: ...

    async def find_order(
        self, venue: Venue, credentials: Credentials, symbol: str, client_order_id: str, since: datetime
    ) -> OrderLookup: ...

    async def set_leverage(
        self, venue: Venue, credentials: Credentials, symbol: str, leverage: int
    ) -> LeverageOutcome: ...

    async def read_position_mode(self, venue: Venue, credentials: Credentials, symbol: str) -> bool:
        """Whether the account is in hedge mode. Raises VenueError."""
        ...


class MarketReader(Protocol):
    """What is asked before a position is opened. All but `read_account` raise VenueError."""

    async def read_account(self, venue: Venue, credentials: Credentials) -> AccountReading: ...

    async def read_symbol(self, venue: Venue, symbol: str) -> SymbolInfo: ...

    async def read_price(self, venue: Venue, symbol: str, kind: PriceKind) -> Price: ...

    async def read_leverage(self, venue: Venue, credentials: Credentials, symbol: str) -> SymbolLeverage: ...


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What the books know of an account."""

    account_id: str
    venue: Venue
    trading_enabled: bool
    trigger_price: TriggerPrice


class OpeningBooks(Protocol):
    """The positions service, as far as opening needs it. Raises ServiceUnavailable."""

    async def find_account(self, user_id: str, account_id: str) -> AccountFacts:
        """Raises AccountNotFound, for another user's as well."""
        ...

    async def list_open(self, user_id: str, account: AccountFacts, symbol: str) -> tuple[Position, ...]:
        """The account's open positions of a symbol, as booked."""
        ...

    async def record_opening(self, opening: Opening) -> Position:
        """Book what an order opened; the same opening again changes nothing."""
        ...


class OpeningGate(Protocol):
    """The switch that stops opening."""

    async def check(self, user_id: str) -> None:
        """Raises OpeningPaused where nothing may be opened for this user now."""
        ...


class OpenGate:
    """The gate of a monitor that has no switch to stop opening: it never stops any."""

    async def check(self, user_id: str) -> None:
        """Let everybody through."""


Witness = Callable[[AsyncConnection, OpeningState | None, Opening], Awaitable[None]]
"""Told of each state of an opening, and of the one before (None: it has just begun), in the transaction that makes it
so."""
