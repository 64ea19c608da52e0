"""What one process shares at each venue: session, TLS context, rate budget, symbol information, and the clients.

Every credential has a client of its own (and another one for orders, whose receive window is short). Clients are kept
while they are in use and forgotten the longest unused first; they own nothing that would have to be closed.
"""

import asyncio
import ssl
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp
import certifi

from services.common.exchange.binance.symbols import load_symbols as load_binance_symbols
from services.common.exchange.budget import DEFAULT_LIMITS, Budget, BudgetLimits, Lane, Meter, OnBan
from services.common.exchange.bybit.symbols import load_symbols as load_bybit_symbols
from services.common.exchange.client import VenueClient
from services.common.exchange.credentials import Credentials
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.pace import Pace
from services.common.exchange.redirect import RedirectingSession, is_loopback
from services.common.exchange.symbols import SymbolInfo
from services.common.trading.side import Venue

SYMBOLS_KEPT_SECONDS = 3600.0
_SYMBOLS_RETRY_SECONDS = 30.0
_ORDERS_PATIENCE_SECONDS = 1.0
_MISS_KEPT_SECONDS = 10.0
_MISSES_KEPT = 1000
_CONNECTIONS_AT_ONCE = 60
_READ_RECEIVE_WINDOW_SECONDS = 5
_ORDER_RECEIVE_WINDOW_SECONDS = 2
"""A venue refuses an order that reaches it later than this after it was signed."""

_LOADERS = {Venue.BINANCE: load_binance_symbols, Venue.BYBIT: load_bybit_symbols}


@dataclass(frozen=True, slots=True)
class ExchangeSettings:
    """How to reach the venues. `shares`: this process's part of each venue's limit, above 0 and up to 1.

    `address_limits`: weight a minute (Binance) and requests a second (Bybit) over all processes behind one address.
    """

    mode: Literal["live", "sandbox"] = "live"
    sandbox_url: str | None = None
    shares: Mapping[Venue, float] = field(default_factory=dict)
    address_limits: Mapping[Venue, int] = field(default_factory=dict)
    read_timeout_seconds: float = 8.0
    order_timeout_seconds: float = 5.0
    clients_kept: int = 4096

    def __post_init__(self) -> None:
        host = urlsplit(self.sandbox_url or "").hostname
        if self.mode == "sandbox" and not is_loopback(host):
            raise ValueError("the sandbox mode needs a sandbox URL on loopback")
        if self.mode == "live" and self.sandbox_url is not None:
            raise ValueError("a sandbox URL is refused outside of the sandbox mode")


class Venues:
    """The shared parts of every venue, for the readers and gateways of one process."""

    def __init__(
        self, settings: ExchangeSettings, now: Callable[[], datetime], clients: Mapping[Venue, VenueClient]
    ) -> None:
        self.now = now
        self._settings = settings
        self._public = clients
        self._clients: OrderedDict[tuple[Venue, Credentials, bool], VenueClient] = OrderedDict()
        self._symbols: dict[Venue, tuple[float, dict[str, SymbolInfo]]] = {}
        self._missed: dict[tuple[Venue, str], float] = {}
        self._paces = {venue: Pace(_CONNECTIONS_AT_ONCE, per_second=1.0) for venue in Venue}
        self._locks = {venue: asyncio.Lock() for venue in Venue}

    def budget(self, venue: Venue) -> Budget:
        """The venue's rate budget, with the ban if there is one."""
        return self._public[venue].budget

    def public(self, venue: Venue) -> VenueClient:
        """The client for what needs no key."""
        return self._public[venue]

    def connection_pace(self, venue: Venue) -> Pace:
        """How fast private streams may be opened: venues limit new connections too."""
        return self._paces[venue]

    def client(self, venue: Venue, credentials: Credentials) -> VenueClient:
        """The credential's client for reading."""
        return self._client(venue, credentials, for_orders=False)

    def order_client(self, venue: Venue, credentials: Credentials) -> VenueClient:
        """The credential's client for orders: a short receive window and a short timeout."""
        return self._client(venue, credentials, for_orders=True)

    def forget(self, venue: Venue, credentials: Credentials) -> None:
        """Drop the clients of a credential that is not used any more."""
        for for_orders in (False, True):
            self._clients.pop((venue, credentials, for_orders), None)

    async def symbols(self, venue: Venue, lane: Lane = Lane.LIVE) -> Mapping[str, SymbolInfo]:
        """All linear symbols of a venue, an hour old at most where it answers. Raises VenueError if none are known."""
        known = self._symbols.get(venue)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        if lane is Lane.ORDERS and self._locks[venue].locked():
            # Whoever holds it may be in no hurry, and wait for the budget of another lane: no order waits for that.
            return known[1] if known is not None else await _LOADERS[venue](self._public[venue], lane)
        async with self._locks[venue]:
            known = self._symbols.get(venue)
            if known is not None and time.monotonic() < known[0]:
                return known[1]
            patience = _ORDERS_PATIENCE_SECONDS if lane is Lane.ORDERS and known is not None else None
            try:
                async with asyncio.timeout(patience):
                    loaded = await _LOADERS[venue](self._public[venue], lane)
            except (VenueError, TimeoutError):
                if known is None:
                    raise
                # Yesterday's filters are better than none; ask again soon.
                self._symbols[venue] = (time.monotonic() + _SYMBOLS_RETRY_SECONDS, known[1])
                return known[1]
            self._symbols[venue] = (time.monotonic() + SYMBOLS_KEPT_SECONDS, loaded)
            return loaded

    async def symbol(self, venue: Venue, symbol: str, lane: Lane = Lane.LIVE) -> SymbolInfo:
        """One symbol. Raises VenueError (UNKNOWN_SYMBOL)."""
        info = (await self.symbols(venue, lane)).get(symbol)
        if info is None and self._may_look_again(venue, symbol):
            # It may have been listed within the hour.
            self._symbols[venue] = (0.0, self._symbols[venue][1])
            info = (await self.symbols(venue, lane)).get(symbol)
        if info is None:
            raise VenueError(venue, VenueErrorKind.UNKNOWN_SYMBOL, f"no linear symbol {symbol!r}")
        return info

    def _client(self, venue: Venue, credentials: Credentials, *, for_orders: bool) -> VenueClient:
        key = (venue, credentials, for_orders)
        client = self._clients.get(key)
        if client is not None:
            self._clients.move_to_end(key)
            return client
        client = self._public[venue].for_credentials(
            credentials,
            receive_window_seconds=_ORDER_RECEIVE_WINDOW_SECONDS if for_orders else _READ_RECEIVE_WINDOW_SECONDS,
            timeout_seconds=self._settings.order_timeout_seconds if for_orders else self._settings.read_timeout_seconds,
        )
        self._clients[key] = client
        while len(self._clients) > self._settings.clients_kept:
            self._clients.popitem(last=False)
        return client

    def _may_look_again(self, venue: Venue, symbol: str) -> bool:
        now = time.monotonic()
        missed_at = self._missed.get((venue, symbol), float("-inf"))
        if now - missed_at < _MISS_KEPT_SECONDS:
            return False
        if len(self._missed) >= _MISSES_KEPT:
            self._missed.clear()
        self._missed[venue, symbol] = now
        return True


@asynccontextmanager
async def open_venues(
    settings: ExchangeSettings,
    *,
    now: Callable[[], datetime] | None = None,
    on_ban: OnBan | None = None,
    meter: Meter | None = None,
) -> AsyncIterator[Venues]:
    """Open the process's session and hold it until the end.

    `on_ban` is called when a venue bans this address; `meter` is told of what the budgets give and refuse.
    """
    # Made once: loading the authorities takes some 20 ms, and ccxt would do it for each instance.
    context = ssl.create_default_context(cafile=certifi.where())
    # Without a limit: streams hold their connections for good, and none of them may cost a request its own. How many
    # requests there can be at a time is the budget's affair.
    connector = aiohttp.TCPConnector(ssl=context, limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        door: Any = session if settings.sandbox_url is None else RedirectingSession(session, settings.sandbox_url)
        clients = {
            venue: VenueClient.first(
                session=door,
                ssl_context=context,
                budget=Budget(venue, _limits(settings, venue), on_ban=on_ban, meter=meter),
                timeout_seconds=settings.read_timeout_seconds,
            )
            for venue in Venue
        }
        yield Venues(settings, now or _utc_now, clients)


def _limits(settings: ExchangeSettings, venue: Venue) -> BudgetLimits:
    default = DEFAULT_LIMITS[venue]
    return replace(
        default,
        address_limit=settings.address_limits.get(venue, default.address_limit),
        share=settings.shares.get(venue, default.share),
    )


def _utc_now() -> datetime:
    return datetime.now(UTC)
