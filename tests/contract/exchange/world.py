"""What the door's contract tests share: a sandbox exchange, its control routes, and an account and a symbol each."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import aiohttp

from services.common.exchange.budget import Lane
from services.common.exchange.client import Endpoint
from services.common.exchange.credentials import Credentials
from services.common.exchange.errors import VenueError
from services.common.exchange.orders.gateway import MarketOrder
from services.common.exchange.orders.market_orders import VenueOrders
from services.common.exchange.orders.outcome import Found, OrderLookup, OrderStatus, Unresolved
from services.common.exchange.private_dialect import PrivateDialect
from services.common.exchange.reader import VenueReader
from services.common.exchange.sockets import SocketTimes
from services.common.exchange.streams import AccountStream, Hint, HintKind
from services.common.exchange.venues import ExchangeSettings, Venues
from services.common.trading.client_order_id import ClientOrderId, OrderCause
from services.common.trading.side import PositionSide, Side, Venue

POSITIONS_PATH = {Venue.BINANCE: "/fapi/v3/positionRisk", Venue.BYBIT: "/v5/position/list"}
MARGIN_PATH = {Venue.BINANCE: "/fapi/v3/account", Venue.BYBIT: "/v5/account/wallet-balance"}
FILLS_PATH = {Venue.BINANCE: "/fapi/v1/userTrades", Venue.BYBIT: "/v5/execution/list"}
NEW_ORDER_PATH = {Venue.BINANCE: "POST /fapi/v1/order", Venue.BYBIT: "POST /v5/order/create"}


class Sandbox:
    """The sandbox's control routes."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self._http = http

    @property
    def settings(self) -> ExchangeSettings:
        """How the door reaches this sandbox. Its limits are wide: a test that is about limits sets its own."""
        limits = {Venue.BINANCE: 10**6, Venue.BYBIT: 10**5}
        return ExchangeSettings(mode="sandbox", sandbox_url=self.url, address_limits=limits, order_timeout_seconds=1.0)

    async def post(self, path: str, **body: Any) -> Any:
        async with self._http.post(f"{self.url}/sandbox/{path}", json=body) as response:
            content = await response.json()
            assert response.status == 200, content
            return content

    async def get(self, path: str) -> Any:
        async with self._http.get(f"{self.url}/sandbox/{path}") as response:
            return await response.json()

    async def clear_faults(self) -> None:
        async with self._http.delete(f"{self.url}/sandbox/faults") as response:
            assert response.status == 200

    async def mint_symbol(self, price: str = "100") -> str:
        minted = await self.post("symbols", price=price)
        symbol = str(minted["symbol"])
        await self.post("price", symbol=symbol, price=price)
        return symbol


@dataclass(frozen=True)
class World:
    """One test's own account and symbol at one venue, and the door to them."""

    venue: Venue
    sandbox: Sandbox
    venues: Venues
    reader: VenueReader
    orders: VenueOrders
    credentials: Credentials
    symbol: str

    async def fault(self, kind: str, **more: Any) -> None:
        await self.sandbox.post("faults", kind=kind, exchange=self.venue.value, apiKey=self.credentials.api_key, **more)

    async def trade(self, side: str, quantity: str, **more: Any) -> Any:
        """A trade by the user's own hand."""
        account = {"exchange": self.venue.value, "apiKey": self.credentials.api_key}
        return await self.sandbox.post("trade", symbol=self.symbol, side=side, quantity=quantity, **account, **more)

    async def set_price(self, price: str) -> None:
        await self.sandbox.post("price", symbol=self.symbol, price=price, exchange=self.venue.value)

    async def truth(self) -> Any:
        return await self.sandbox.get(f"accounts/{self.venue.value}/{self.credentials.api_key}")

    async def call(self, endpoint: Endpoint, **params: Any) -> Any:
        """A request of the user's own, outside of the door's methods."""
        return await self.venues.client(self.venue, self.credentials).call(endpoint, params, lane=Lane.LIVE)

    def order(
        self, quantity: str, side: Side = Side.LONG, slot: PositionSide = PositionSide.BOTH, **changes: Any
    ) -> MarketOrder:
        fields: dict[str, Any] = {
            "symbol": self.symbol,
            "side": side,
            "position_side": slot,
            "quantity": Decimal(quantity),
            "client_order_id": new_id(),
        }
        return MarketOrder(**{**fields, **changes})

    async def call_all(self) -> dict[str, Any]:
        """What the door makes of each of its questions now: a result, or the VenueError that was raised."""
        account, since = (self.venue, self.credentials), self.before
        asked: dict[str, Awaitable[Any]] = {
            "account": self.reader.read_account(*account),
            "fills": self.reader.read_fills(*account, self.symbol, since),
            "cash flows": self.reader.read_cash_flows(*account, since),
            "key": self.reader.verify_key(*account),
            "price": self.reader.read_price(self.venue, self.symbol),
            "candles": self.reader.read_candles(
                self.venue, self.symbol, interval_minutes=1, since=since, until=self.venues.now()
            ),
            "order": self.orders.find_order(*account, self.symbol, new_id(), since),
            "sweep": self.orders.cancel_reduce_only(*account, self.symbol, Side.LONG, PositionSide.BOTH),
            "mode": self.orders.read_position_mode(*account, self.symbol),
            "leverage": self.orders.set_leverage(*account, self.symbol, 7),
        }
        answers = await asyncio.gather(*asked.values(), return_exceptions=True)
        unforeseen = [one for one in answers if isinstance(one, BaseException) and not isinstance(one, VenueError)]
        assert unforeseen == []
        return dict(zip(asked, answers, strict=True))

    @property
    def before(self) -> Any:
        """A little before now."""
        return self.venues.now() - timedelta(seconds=30)


def new_id(cause: OrderCause = OrderCause.MANUAL) -> str:
    return str(ClientOrderId(cause, uuid4()))


async def eventually(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 15.0) -> None:
    """Wait until a condition holds. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            answer = condition()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.005)


async def find_ended(world: World, client_order_id: str, since: datetime) -> OrderLookup:
    """Look an order up until it is known to have ended: venues work an order a moment after they took it, and a
    machine that is busy may be late to answer."""
    async with asyncio.timeout(10):
        while True:
            found = await world.orders.find_order(world.venue, world.credentials, world.symbol, client_order_id, since)
            known = not isinstance(found, Unresolved)
            if known and not (isinstance(found, Found) and found.order.status is OrderStatus.OPEN):
                return found
            await asyncio.sleep(0.01)


@asynccontextmanager
async def watching(
    world: World, hints: list[Hint], dialect: PrivateDialect | None = None, times: SocketTimes | None = None
) -> AsyncIterator[AccountStream]:
    """The account's private stream, listened to."""
    more = {} if times is None else {"times": times}
    stream = AccountStream(world.venues, world.venue, world.credentials, hints.append, dialect, **more)
    running = asyncio.create_task(stream.run())
    try:
        await eventually(lambda: stream.listening)
        yield stream
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def resyncs(hints: list[Hint]) -> int:
    return sum(hint.kind is HintKind.RESYNC for hint in hints)
