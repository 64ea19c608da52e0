"""From a venue's prices to what a user is told of them: streamed, polled for, stale, and back, at the sandbox."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from deploy.sandbox.server import running_sandbox
from protos.monitor.v1.events_pb2 import ALERT_KIND_FEED_STALE, AlertKind, AlertTriggered, GuardChanged
from services.common.clock import SystemClock
from services.common.database import transaction
from services.common.exchange.feed import FeedTimes, PriceFeed
from services.common.exchange.prices import FeedMode
from services.common.exchange.reader import VenueReader
from services.common.exchange.venues import ExchangeSettings, open_venues
from services.common.trading.side import Venue
from services.monitor.domain.intent import Claim
from services.monitor.domain.price_check import PriceLimits
from services.monitor.partitions.announcing import Announcer
from services.monitor.partitions.guarding import Guarding
from services.monitor.prices.watch import PriceWatch
from tests.contract.monitor.test_announcing import Wire
from tests.unit.monitor.world import PARTITION, a_position

DEADLINE_SECONDS = 10.0
TIMES = FeedTimes(silence_seconds=1.5, stale_seconds=1.5, poll_seconds=0.2, ping_seconds=1.0)
LIMITS = PriceLimits(oldest=timedelta(seconds=2.5))


@dataclass
class Market:
    """A sandbox of this test's own."""

    url: str
    http: aiohttp.ClientSession

    async def control(self, path: str, **body: object) -> dict[str, str]:
        async with self.http.post(f"{self.url}/sandbox/{path}", json=body) as answer:
            assert answer.status < 300, await answer.text()
            told: dict[str, str] = await answer.json()
            return told

    async def heal(self) -> None:
        async with self.http.delete(f"{self.url}/sandbox/faults") as answer:
            assert answer.status < 300


@pytest.fixture
async def market(tmp_path: Path) -> AsyncIterator[Market]:
    async with running_sandbox(tmp_path) as url, aiohttp.ClientSession() as http:
        yield Market(url, http)


async def until(read: Callable[[], Awaitable[bool]], what: str) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DEADLINE_SECONDS
    while True:
        if await read():
            return
        assert loop.time() < deadline, f"waited for {what}"
        await asyncio.sleep(0.02)


async def told(engine: AsyncEngine) -> tuple[list[str], list[AlertKind.ValueType]]:
    """The reason of each change of guard, and the kinds of the alerts, in the order in which they were told."""
    async with transaction(engine) as connection:
        rows = (await connection.execute(text("SELECT subject, payload FROM outbox ORDER BY place"))).all()
    guards = [GuardChanged.FromString(row.payload).reason for row in rows if "guard_changed" in row.subject]
    alerts = [AlertTriggered.FromString(row.payload).kind for row in rows if "alert_triggered" in row.subject]
    return guards, alerts


async def unfenced(connection: AsyncConnection, claim: Claim) -> None:
    """There is but one replica."""


@pytest.mark.parametrize(("venue", "asked"), [(Venue.BINANCE, "/fapi/*"), (Venue.BYBIT, "/v5/market/*")])
async def test_a_feed_that_fails_is_polled_then_told_of_as_stale_then_guarded_again(
    engine: AsyncEngine, market: Market, venue: Venue, asked: str
) -> None:
    clock = SystemClock()
    symbol = (await market.control("symbols", price="100"))["symbol"]
    await market.control("price", symbol=symbol, price="100")
    position = replace(a_position(), venue=venue, symbol=symbol)
    async with open_venues(ExchangeSettings(mode="sandbox", sandbox_url=market.url)) as venues:
        prices: list[Decimal] = []
        watch = PriceWatch(VenueReader(venues), clock, LIMITS, lambda price: prices.append(price.value))
        feed = watch.feeds[venue] = PriceFeed(venues, venue, watch.on_price, TIMES)
        watch.subscribe({venue: frozenset({symbol})})
        guarding = Guarding(
            Holder(),
            Announcer("one", engine, Wire().send, Wire(), clock, unfenced),
            positions=lambda: (position,),
            loaded=lambda: True,
            trouble_of_key=lambda _: "",
            trouble_of_price=watch.trouble,
        )
        following = asyncio.create_task(feed.run())

        async def is_told(guards: list[str]) -> bool:
            await guarding.beat()
            return (await told(engine))[0] == guards

        async def is_polled() -> bool:
            return feed.state().mode is FeedMode.POLLING and Decimal("100.5") in prices

        try:
            await until(lambda: is_told(["NO_PRICE", ""]), "the first price to guard the account")
            # The stream falls silent: prices are asked for, and all is guarded as before.
            await market.control("faults", exchange=venue.value, kind="stream_silence")
            await market.control("price", symbol=symbol, price="100.5")
            await until(is_polled, "a price that was asked for")
            assert (await told(engine)) == (["NO_PRICE", ""], [])
            # Nor is there an answer any more: levels are not watched, and the user is told.
            await market.control("faults", exchange=venue.value, kind="status", status=503, endpoint=f"GET {asked}")
            await until(lambda: is_told(["NO_PRICE", "", "FEED_DOWN"]), "the stale feed to be told of")
            assert (await told(engine))[1] == [ALERT_KIND_FEED_STALE]
            await market.heal()
            await until(lambda: is_told(["NO_PRICE", "", "FEED_DOWN", ""]), "the account to be guarded again")
            assert (await told(engine))[1] == [ALERT_KIND_FEED_STALE]
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await watch.drain()


class Holder:
    """Holds the account's partition."""

    def claims(self) -> dict[int, Claim]:
        return {PARTITION: Claim("one", PARTITION, 1)}
