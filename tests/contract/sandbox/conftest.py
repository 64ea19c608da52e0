"""A running sandbox and unmodified ccxt on it, through the session that redirects hosts."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import ccxt.pro
import pytest

from deploy.sandbox.server import running_sandbox
from services.common.exchange.redirect import RedirectingSession

PLENTY = 10_000_000


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """What the condition answers, once that is true; asked often, but no more than the venues allow."""
    async with asyncio.timeout(5):
        while True:
            if answer := await condition():
                return answer
            await asyncio.sleep(0.02)


class Desk:
    """The control routes, and ccxt instances for accounts."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.session = session
        self.redirecting = RedirectingSession(session, url)
        self.exchanges: list[Any] = []
        self.shared: dict[str, Any] = {}

    async def ask(self, method: str, path: str, *, expect: int = 200, **body: Any) -> Any:
        async with self.session.request(method, self.url + path, json=body or None) as response:
            answer = await response.json()
            assert response.status == expect, answer
            return answer

    async def truth(self, exchange: Any) -> Any:
        venue = "binance" if exchange.id == "binanceusdm" else "bybit"
        return await self.ask("GET", f"/sandbox/accounts/{venue}/{exchange.apiKey}")

    async def symbol(self, price: str = "100", **wish: Any) -> tuple[str, str]:
        """A symbol of its own price: the venues' name and ccxt's."""
        minted = await self.ask("POST", "/sandbox/symbols", price=price, **wish)
        return minted["symbol"], minted["ccxtSymbol"]

    async def set_price(self, symbol: str, price: str, **wish: Any) -> None:
        await self.ask("POST", "/sandbox/price", symbol=symbol, price=price, **wish)

    async def account(self, venue: str, *, fresh_markets: bool = False, **wish: Any) -> Any:
        """A new account and a ccxt instance that holds its key."""
        minted = await self.ask("POST", "/sandbox/accounts", exchange=venue, **wish)
        return await self.connect(venue, minted["apiKey"], minted["secret"], fresh_markets=fresh_markets)

    async def log_in(self, exchange: Any, *topics: str) -> tuple[aiohttp.ClientWebSocketResponse, list[Any]]:
        """Bybit's private stream of the account, and what it said to the login and to the subscription."""
        socket = await self.session.ws_connect(f"{self.url}/v5/private")
        expires = str(exchange.milliseconds() + 10_000)
        signed = exchange.hmac(
            exchange.encode("GET/realtime" + expires), exchange.encode(exchange.secret), hashlib.sha256
        )
        await socket.send_json({"op": "auth", "args": [exchange.apiKey, expires, signed]})
        await socket.send_json({"op": "subscribe", "args": topics})
        replies = [json.loads((await socket.receive()).data) for _ in range(2)]
        assert all(reply["success"] for reply in replies)
        return socket, replies

    async def connect(self, venue: str, api_key: str, secret: str, *, fresh_markets: bool = False) -> Any:
        options = {"fetchCurrencies": False, "fetchMarkets": {"types": ["linear"]}, "defaultType": "swap"}
        options |= {"enableUnifiedMargin": False, "enableUnifiedAccount": True}
        kind = ccxt.pro.binanceusdm if venue == "binance" else ccxt.pro.bybit
        exchange = kind(
            {
                "apiKey": api_key,
                "secret": secret,
                "session": self.redirecting,
                "enableRateLimit": False,
                "timeout_on_exit": 0,
                "options": options,
            }
        )
        self.exchanges.append(exchange)
        if fresh_markets or venue not in self.shared:
            await exchange.load_markets()
            self.shared[venue] = exchange
        else:
            exchange.set_markets_from_exchange(self.shared[venue])
        return exchange


@pytest.fixture(scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    directory: Path = tmp_path_factory.mktemp("sandbox")
    async with running_sandbox(directory, tick_seconds=0.1, binance_weight=PLENTY, bybit_requests=PLENTY) as url:
        yield url


@pytest.fixture
async def desk(running: str) -> AsyncIterator[Desk]:
    async with aiohttp.ClientSession() as session:
        desk = Desk(running, session)
        yield desk
        for exchange in desk.exchanges:
            await exchange.close()
        await desk.ask("DELETE", "/sandbox/faults")
