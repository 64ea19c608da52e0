"""A user of Tandem as end-to-end tests have it: an account of its own at an exchange, and hands of its own there."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar
from uuid import uuid4

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.stack import RunningStack

Json = Any
T = TypeVar("T")

DEADLINE_SECONDS = 30.0
POLL_SECONDS = 0.1


async def until(
    read: Callable[[], Awaitable[T]],
    holds: Callable[[T], object],
    what: str,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> T:
    """Read until it holds; AssertionError with what was read last, at the deadline."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + deadline_seconds
    while True:
        seen = await read()
        if holds(seen):
            return seen
        assert loop.time() < deadline, f"waited {deadline_seconds} s for {what}; last seen: {seen}"
        await asyncio.sleep(POLL_SECONDS)


def exact(text: str) -> Json:
    """JSON with its numbers as they are written."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


class Pushes:
    """What a WebSocket has pushed so far."""

    def __init__(self, socket: ClientConnection) -> None:
        self.messages: list[Json] = []
        self._socket = socket
        self._news = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    async def wait_for(self, kind: str, symbol: str) -> Json:
        """The first push of that kind about that symbol."""

        def found() -> list[Json]:
            return [m for m in self.messages if m["type"] == kind and m["data"]["symbol"] == symbol]

        try:
            async with asyncio.timeout(DEADLINE_SECONDS), self._news:
                await self._news.wait_for(found)
        except TimeoutError:
            raise AssertionError(f"no {kind} of {symbol} in {DEADLINE_SECONDS} s; pushed: {self.messages}") from None
        return found()[0]

    def facts(self) -> list[Json]:
        """What was told of positions, marks left out."""
        return [m for m in self.messages if m["type"].startswith("position_") and "sequence" in m]

    async def stop(self) -> None:
        self._reader.cancel()
        await asyncio.wait([self._reader])

    async def _read(self) -> None:
        async for text in self._socket:
            async with self._news:
                self.messages.append(exact(str(text)))
                self._news.notify_all()


@dataclass
class Trader:
    """A user of Tandem with an account at one exchange, and hands of their own there."""

    exchange: str
    user_id: str
    gateway: httpx.AsyncClient
    sandbox: httpx.AsyncClient
    token: str
    api_key: str
    secret: str
    sockets: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def call(self, method: str, path: str, body: Json = None, **headers: str) -> Json:
        answer = await self.gateway.request(method, path, json=body, headers=headers)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text}"
        assert answer.json()["success"] is True
        return exact(answer.text)

    async def add_key(self) -> Json:
        body = {"exchange": self.exchange, "apiKey": self.api_key, "apiSecret": self.secret, "name": "mine"}
        return (await self.call("POST", "/api/user-api-keys/add", {**body, "tradingEnabled": True}))["key"]

    async def rows(self) -> dict[str, Json]:
        """The open positions by pair."""
        body = await self.call("GET", f"/api/positions/current/{self.exchange}")
        return {row["pair"]: row for row in body["positions"]}

    async def history(self) -> dict[str, Json]:
        """The closed positions by pair."""
        body = await self.call("GET", "/api/positions/history?period=7d")
        assert body["dataSource"] == "database"
        return {row["pair"]: row for row in body["positions"]}

    async def control(self, path: str, body: Json) -> Json:
        answer = await self.sandbox.post(path, json=body)
        assert answer.status_code < 300, f"{path}: {answer.status_code} {answer.text}"
        return exact(answer.text)

    async def mint_symbol(self, price: str, *, past_minutes: int = 0) -> str:
        """A symbol of this test alone, held at a price, that was traded for so long before."""
        wish = {"price": price, "pastMinutes": past_minutes}
        symbol = (await self.control("/sandbox/symbols", wish))["symbol"]
        await self.set_price(symbol, price)
        return str(symbol)

    async def set_price(self, symbol: str, price: str) -> None:
        await self.control("/sandbox/price", {"symbol": symbol, "price": price})

    async def trade(self, symbol: str, side: str, quantity: str, *, reduce_only: bool = False) -> list[Json]:
        """A trade by hand at the exchange; its fills."""
        body = {"exchange": self.exchange, "apiKey": self.api_key, "symbol": symbol, "side": side}
        answer = await self.control("/sandbox/trade", {**body, "quantity": quantity, "reduceOnly": reduce_only})
        fills: list[Json] = answer["fills"]
        assert fills
        return fills

    async def truth(self) -> Json:
        """What the exchange itself holds of the account."""
        answer = await self.sandbox.get(f"/sandbox/accounts/{self.exchange}/{self.api_key}")
        assert answer.status_code == 200
        return exact(answer.text)

    async def listen(self) -> Pushes:
        """A WebSocket of this user, ready."""
        url = str(self.gateway.base_url).rstrip("/").replace("http://", "ws://", 1) + "/ws"
        subprotocols = [Subprotocol("tandem"), Subprotocol(f"tandem.jwt.{self.token}")]
        socket = await self.sockets.enter_async_context(connect(url, subprotocols=subprotocols, proxy=None))
        async with asyncio.timeout(DEADLINE_SECONDS):
            assert json.loads(await socket.recv())["type"] == "ready"
        pushes = Pushes(socket)
        self.sockets.push_async_callback(pushes.stop)
        return pushes


@asynccontextmanager
async def new_trader(stack: RunningStack, exchange: str) -> AsyncIterator[Trader]:
    """A user whom nobody else is, with an empty account."""
    user_id = f"user-{uuid4()}"
    token = stack.token(user_id)
    async with (
        httpx.AsyncClient(base_url=stack.sandbox, timeout=DEADLINE_SECONDS, trust_env=False) as sandbox,
        httpx.AsyncClient(
            base_url=stack.gateway,
            headers={"Authorization": f"Bearer {token}"},
            timeout=DEADLINE_SECONDS,
            trust_env=False,
        ) as gateway,
    ):
        account = (await sandbox.post("/sandbox/accounts", json={"exchange": exchange})).json()
        trader = Trader(exchange, user_id, gateway, sandbox, token, account["apiKey"], account["secret"])
        stack.told.add(trader.secret)
        async with trader.sockets:
            yield trader
