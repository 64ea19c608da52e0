"""The budget against a venue that counts: our count is the venue's, and a ban is kept to and told."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from deploy.sandbox.server import running_sandbox
from services.common.exchange.budget import Ban, Lane
from services.common.exchange.credentials import Credentials
from services.common.exchange.orders.gateway import MarketOrder
from services.common.exchange.orders.market_orders import VenueOrders
from services.common.exchange.orders.outcome import Filled, Rejected, RejectionReason
from services.common.exchange.reader import VenueReader
from services.common.exchange.venues import ExchangeSettings, open_venues
from services.common.trading.reading import ReadingStatus
from services.common.trading.side import PositionSide, Side, Venue
from tests.contract.exchange.world import POSITIONS_PATH, Sandbox, World, eventually, new_id


@pytest.fixture
async def own_sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    """A sandbox of this test alone: its counters are the test's."""
    async with running_sandbox(tmp_path) as url, aiohttp.ClientSession() as http:
        yield Sandbox(url, http)


async def test_our_weight_is_what_binance_counts(own_sandbox: Sandbox) -> None:
    account = await own_sandbox.post("accounts", exchange="binance")
    credentials = Credentials(account["apiKey"], account["secret"])
    await own_sandbox.post(
        "trade", exchange="binance", apiKey=credentials.api_key, symbol="BTCUSDT", side="buy", quantity="0.1"
    )
    async with open_venues(own_sandbox.settings) as venues:
        reader, orders = VenueReader(venues), VenueOrders(venues)
        since = venues.now() - timedelta(hours=1)
        await reader.read_account(Venue.BINANCE, credentials)
        await reader.read_fills(Venue.BINANCE, credentials, "BTCUSDT", since)
        await reader.read_price(Venue.BINANCE, "BTCUSDT")
        await reader.read_cash_flows(Venue.BINANCE, credentials, since)
        await orders.set_leverage(Venue.BINANCE, credentials, "BTCUSDT", 25)
        await orders.cancel_reduce_only(Venue.BINANCE, credentials, "BTCUSDT", Side.LONG, PositionSide.BOTH)
        await orders.read_position_mode(Venue.BINANCE, credentials, "BTCUSDT")
        await orders.find_order(Venue.BINANCE, credentials, "BTCUSDT", new_id(), since)
        order = MarketOrder("BTCUSDT", Side.LONG, PositionSide.BOTH, Decimal("0.01"), new_id())
        assert isinstance(await orders.close_position(Venue.BINANCE, credentials, order), Filled)
        state = venues.budget(Venue.BINANCE).state()
    # The key's own host is not asked here, so what is left between the two counts would be a weight we got wrong. A
    # minute that turned over in between began both counts again.
    assert state.address_spent == state.spent


async def test_another_process_behind_the_address_is_seen_in_the_header(own_sandbox: Sandbox) -> None:
    account = await own_sandbox.post("accounts", exchange="binance")
    credentials = Credentials(account["apiKey"], account["secret"])
    async with open_venues(own_sandbox.settings) as ours, open_venues(own_sandbox.settings) as theirs:
        for _ in range(5):
            await VenueReader(theirs).read_account(Venue.BINANCE, credentials)
        await VenueReader(ours).read_account(Venue.BINANCE, credentials)
        state = ours.budget(Venue.BINANCE).state()
    assert state.address_spent > state.spent


@pytest.mark.parametrize(("venue", "status"), [(Venue.BINANCE, 429), (Venue.BINANCE, 418), (Venue.BYBIT, 403)])
async def test_a_ban_stops_all_reading_until_it_is_over_and_is_told(
    sandbox: Sandbox, venue: Venue, status: int
) -> None:
    bans: list[Ban] = []
    account = await sandbox.post("accounts", exchange=venue.value)
    credentials = Credentials(account["apiKey"], account["secret"])
    async with open_venues(sandbox.settings, on_ban=bans.append) as venues:
        reader = VenueReader(venues)
        await reader.read_symbol(venue, "BTCUSDT")
        path = POSITIONS_PATH[venue]
        await sandbox.post(
            "faults",
            kind="status", status=status, retryAfter=1, times=1, endpoint=path, apiKey=credentials.api_key,
        )  # fmt: skip
        first = await reader.read_account(venue, credentials, with_margin=False)
        assert first.status is ReadingStatus.FAILED
        [ban] = bans
        assert venues.budget(venue).ban == ban
        second = await reader.read_account(venue, credentials)
        assert second.status is ReadingStatus.FAILED
        assert "banned" in second.reason
        order = MarketOrder("BTCUSDT", Side.LONG, PositionSide.BOTH, Decimal("0.01"), new_id())
        refused = await VenueOrders(venues).open_position(venue, credentials, order)
        assert isinstance(refused, Rejected)
        assert refused.reason is RejectionReason.RATE_LIMITED
        assert refused.retry_at == ban.until
        await eventually(lambda: venues.budget(venue).ban is None)
        assert (await reader.read_account(venue, credentials)).status is ReadingStatus.COMPLETE


async def test_a_ban_that_another_process_told_of_is_kept_to_and_not_told_again(world: World) -> None:
    until = world.venues.now() + timedelta(minutes=1)
    world.venues.budget(world.venue).apply_ban(until, "told", announce=False)
    reading = await world.reader.read_account(world.venue, world.credentials)
    assert reading.status is ReadingStatus.FAILED
    assert "told" in reading.reason


async def test_one_accounts_limit_on_bybit_stops_nobody_else(bybit: World) -> None:
    await bybit.fault("status", status=200, code=10006, times=1, endpoint=POSITIONS_PATH[Venue.BYBIT])
    first = await bybit.reader.read_account(Venue.BYBIT, bybit.credentials)
    assert first.status is ReadingStatus.FAILED
    assert bybit.venues.budget(Venue.BYBIT).ban is None


async def test_an_order_does_not_queue_behind_reads(sandbox: Sandbox) -> None:
    account = await sandbox.post("accounts", exchange="bybit")
    credentials = Credentials(account["apiKey"], account["secret"])
    settings = ExchangeSettings(mode="sandbox", sandbox_url=sandbox.url, address_limits={Venue.BYBIT: 10})
    async with open_venues(settings) as venues:
        reader, orders = VenueReader(venues), VenueOrders(venues)
        await reader.read_symbol(Venue.BYBIT, "BTCUSDT")
        reads = [
            asyncio.create_task(
                reader.read_account(Venue.BYBIT, credentials, with_margin=False, lane=Lane.RECONCILIATION)
            )
            for _ in range(40)
        ]
        order = MarketOrder("BTCUSDT", Side.LONG, PositionSide.BOTH, Decimal("0.01"), new_id())
        assert isinstance(await orders.open_position(Venue.BYBIT, credentials, order), Filled)
        assert sum(read.done() for read in reads) < len(reads)
        for read in reads:
            read.cancel()
        await asyncio.gather(*reads, return_exceptions=True)
