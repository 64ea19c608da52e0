"""One sandbox for the whole suite, in this process; each test has its own account, symbol and door."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from deploy.sandbox.server import running_sandbox
from services.common.exchange.credentials import Credentials
from services.common.exchange.orders.market_orders import VenueOrders
from services.common.exchange.reader import VenueReader
from services.common.exchange.venues import Venues, open_venues
from services.common.trading.side import Venue
from tests.contract.exchange.world import Sandbox, World


@pytest.fixture(scope="session")
async def exchange_sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    directory: Path = tmp_path_factory.mktemp("exchange-sandbox")
    async with (
        running_sandbox(directory, binance_weight=10**6, bybit_requests=10**6, tick_seconds=0.1) as url,
        aiohttp.ClientSession() as http,
    ):
        yield Sandbox(url, http)


@pytest.fixture
async def sandbox(exchange_sandbox: Sandbox) -> AsyncIterator[Sandbox]:
    yield exchange_sandbox
    await exchange_sandbox.clear_faults()


@pytest.fixture
async def venues(sandbox: Sandbox) -> AsyncIterator[Venues]:
    async with open_venues(sandbox.settings) as opened:
        yield opened


@pytest.fixture(params=list(Venue), ids=str)
def venue(request: pytest.FixtureRequest) -> Venue:
    return Venue(request.param)


async def open_world(sandbox: Sandbox, venues: Venues, venue: Venue, *, hedge: bool = False) -> World:
    account = await sandbox.post("accounts", exchange=venue.value, hedgeMode=hedge)
    return World(
        venue=venue,
        sandbox=sandbox,
        venues=venues,
        reader=VenueReader(venues),
        orders=VenueOrders(venues),
        credentials=Credentials(account["apiKey"], account["secret"]),
        symbol=await sandbox.mint_symbol(),
    )


@pytest.fixture
async def world(sandbox: Sandbox, venues: Venues, venue: Venue) -> World:
    return await open_world(sandbox, venues, venue)


@pytest.fixture
async def hedged(sandbox: Sandbox, venues: Venues, venue: Venue) -> World:
    return await open_world(sandbox, venues, venue, hedge=True)


@pytest.fixture
async def binance(sandbox: Sandbox, venues: Venues) -> World:
    return await open_world(sandbox, venues, Venue.BINANCE)


@pytest.fixture
async def bybit(sandbox: Sandbox, venues: Venues) -> World:
    return await open_world(sandbox, venues, Venue.BYBIT)
