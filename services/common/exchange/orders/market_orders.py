"""The trading half of the door: market orders, followed to their end.

A request that may have taken effect is never called rejected, and nothing here sends an order twice. What the caller
asked for is compared with what the venue filled, never with what it acknowledged.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from services.common.exchange.budget import Lane
from services.common.exchange.client import VenueClient
from services.common.exchange.credentials import Credentials
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.orders.binance_orders import BinanceOrders
from services.common.exchange.orders.bybit_orders import BybitOrders
from services.common.exchange.orders.following import ended, orderable_quantity, refusal, unlisted
from services.common.exchange.orders.gateway import MarketOrder
from services.common.exchange.orders.outcome import (
    Found,
    LeverageOutcome,
    LeverageSet,
    NotFound,
    OrderLookup,
    OrderOutcome,
    OrderStatus,
    Rejected,
    RejectionReason,
    Swept,
    Unresolved,
    VenueOrder,
)
from services.common.exchange.symbols import SymbolInfo, likely_quote
from services.common.exchange.venues import Venues
from services.common.trading.side import PositionSide, Side, Venue

_FOLLOW_DELAYS_SECONDS = (0.0, 0.1, 0.2, 0.4, 0.8, 1.0, 1.5)
_FILLS_DELAYS_SECONDS = (0.0, 0.1, 0.3, 0.6)
_CLOCK_DIFFERENCE = timedelta(seconds=5)
"""An order is looked for from a little before it was sent: venue and process do not share a clock."""


class VenueOrders:
    """Implements OrderGateway."""

    def __init__(self, venues: Venues) -> None:
        self._venues = venues
        self._binance = BinanceOrders()
        self._bybit = BybitOrders()

    async def close_position(
        self, venue: Venue, credentials: Credentials, order: MarketOrder, signed_at: datetime | None = None
    ) -> OrderOutcome:
        """Reduce a position at market; never raises for a venue's error."""
        return await self._place(venue, credentials, order, signed_at, closes=True)

    async def open_position(
        self, venue: Venue, credentials: Credentials, order: MarketOrder, signed_at: datetime | None = None
    ) -> OrderOutcome:
        """Open or increase a position at market; never raises for a venue's error."""
        return await self._place(venue, credentials, order, signed_at, closes=False)

    async def find_order(
        self, venue: Venue, credentials: Credentials, symbol: str, client_order_id: str, since: datetime
    ) -> OrderLookup:
        """Look an order up by its client order id; never raises for a venue's error."""
        client = self._venues.order_client(venue, credentials)
        try:
            order = await self._find(client, symbol, client_order_id, since)
        except VenueError as error:
            return Unresolved(str(error))
        if order is None:
            return NotFound()
        return Found(await self._with_fills(client, order, await self._quote(venue, symbol)))

    async def cancel_reduce_only(
        self, venue: Venue, credentials: Credentials, symbol: str, side: Side, position_side: PositionSide
    ) -> Swept:
        """Cancel what rests and could only reduce this position; never raises for a venue's error."""
        client = self._venues.order_client(venue, credentials)
        try:
            if venue is Venue.BINANCE:
                return await self._binance.sweep(client, symbol, side, position_side)
            return await self._bybit.sweep(client, symbol, side, position_side)
        except (VenueError, ValueError) as error:
            return Swept((), complete=False, reason=str(error))

    async def set_leverage(self, venue: Venue, credentials: Credentials, symbol: str, leverage: int) -> LeverageOutcome:
        """Set a symbol's leverage; never raises for a venue's error."""
        client = self._venues.order_client(venue, credentials)
        try:
            if venue is Venue.BINANCE:
                return LeverageSet(await self._binance.set_leverage(client, symbol, leverage))
            return LeverageSet(await self._bybit.set_leverage(client, symbol, leverage))
        except VenueError as error:
            return LeverageSet(leverage) if error.kind is VenueErrorKind.UNCHANGED else refusal(error)

    async def read_position_mode(self, venue: Venue, credentials: Credentials, symbol: str) -> bool:
        """Whether the account is in hedge mode for this symbol. Raises VenueError."""
        client = self._venues.order_client(venue, credentials)
        if venue is Venue.BINANCE:
            return await self._binance.read_position_mode(client)
        return await self._bybit.read_position_mode(client, symbol)

    async def _place(
        self, venue: Venue, credentials: Credentials, order: MarketOrder, signed_at: datetime | None, *, closes: bool
    ) -> OrderOutcome:
        client = self._venues.order_client(venue, credentials)
        try:
            info = await self._venues.symbol(venue, order.symbol, Lane.ORDERS)
        except VenueError as error:
            if not closes or error.kind is VenueErrorKind.BANNED:
                # Nothing was sent yet, so even a timeout is a certain no.
                return _certain(refusal(error))
            # A close must not wait for a list of symbols: its quantity is the venue's own.
            info = unlisted(order)
        quantity = orderable_quantity(info, order.quantity)
        if isinstance(quantity, Rejected):
            return quantity
        sent_at = self._venues.now() - _CLOCK_DIFFERENCE
        try:
            if venue is Venue.BINANCE:
                placed = await self._binance.send(client, order, quantity, signed_at, closes=closes)
                final = await self._follow(placed, lambda: self._binance.refresh(client, placed))
            else:
                order_id = await self._bybit.send(client, order, quantity, signed_at, closes=closes)
                final = await self._follow(
                    order_id, lambda: self._bybit.find_acknowledged(client, order.symbol, order_id)
                )
        except VenueError as error:
            if error.kind is not VenueErrorKind.DUPLICATE_ID:
                return refusal(error)
            return await self._outcome_of_duplicate(client, order, info, sent_at, error)
        if isinstance(final, Unresolved):
            return final
        return ended(await self._with_fills(client, final, info.quote), order.quantity, info.quantity_step)

    async def _outcome_of_duplicate(
        self, client: VenueClient, order: MarketOrder, info: SymbolInfo, sent_at: datetime, error: VenueError
    ) -> OrderOutcome:
        """An order with this id is there already, so an earlier sending took effect: the outcome is that order's."""
        earliest = sent_at - timedelta(days=1)
        try:
            found = await self._find(client, order.symbol, order.client_order_id, earliest)
        except VenueError as failure:
            return Unresolved(f"{error}; then {failure}")
        if found is None:
            return Unresolved(f"{error}; but no such order is listed")
        return ended(await self._with_fills(client, found, info.quote), order.quantity, info.quantity_step)

    async def _find(self, client: VenueClient, symbol: str, client_order_id: str, since: datetime) -> VenueOrder | None:
        if client.venue is Venue.BINANCE:
            return await self._binance.find(client, symbol, client_order_id, since)
        return await self._bybit.find(client, symbol, client_order_id, since)

    async def _quote(self, venue: Venue, symbol: str) -> str:
        """An order is looked up also while the list of symbols cannot be had, or holds its symbol no more."""
        try:
            return (await self._venues.symbol(venue, symbol, Lane.ORDERS)).quote
        except VenueError:
            return likely_quote(symbol)

    async def _follow(
        self, start: VenueOrder | str, ask: Callable[[], Awaitable[VenueOrder | None]]
    ) -> VenueOrder | Unresolved:
        """Ask after a placed order until it has ended."""
        if isinstance(start, VenueOrder) and start.status is not OrderStatus.OPEN:
            return start
        order_id = start.order_id if isinstance(start, VenueOrder) else start
        why = "the order was acknowledged and is not listed"
        for delay in _FOLLOW_DELAYS_SECONDS:
            await asyncio.sleep(delay)
            try:
                order = await ask()
            except VenueError as error:
                why = f"the order was acknowledged; {error}"
                continue
            if order is not None and order.status is not OrderStatus.OPEN:
                return order
            if order is not None:
                why = "the order was acknowledged and is still working"
        return Unresolved(why, order_id)

    async def _with_fills(self, client: VenueClient, order: VenueOrder, quote: str) -> VenueOrder:
        """The order with its fills, as far as the venue lists them within a second."""
        if order.filled_quantity == 0:
            return order
        reader = self._binance if client.venue is Venue.BINANCE else self._bybit
        for delay in _FILLS_DELAYS_SECONDS:
            await asyncio.sleep(delay)
            try:
                order = await reader.read_fills(client, order, quote)
            except VenueError:
                continue
            if order.fills_complete:
                break
        return order


def _certain(outcome: Rejected | Unresolved) -> Rejected:
    if isinstance(outcome, Rejected):
        return outcome
    return Rejected(RejectionReason.UNREACHABLE, outcome.why)
