"""Prices: one stream that starves no symbol, replaced when it falls silent, with polling beneath it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import pytest

from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.feed import FeedTimes, PriceFeed
from services.common.exchange.prices import FeedMode, OnPrice, Price, PriceKind
from services.common.exchange.venues import Venues
from services.common.trading.side import Venue
from tests.contract.exchange.world import Sandbox, World, eventually

QUICK = FeedTimes(silence_seconds=1.0, stale_seconds=0.8, poll_seconds=0.2, ping_seconds=0.3)


@asynccontextmanager
async def following(
    venues: Venues, venue: Venue, symbols: list[str], on_price: OnPrice, times: FeedTimes = QUICK
) -> AsyncIterator[PriceFeed]:
    feed = PriceFeed(venues, venue, on_price, times)
    feed.subscribe(symbols)
    running = asyncio.create_task(feed.run())
    try:
        await eventually(lambda: all(feed.latest(symbol, PriceKind.MARK) for symbol in symbols))
        yield feed
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_price_that_was_set_reaches_the_callback_mark_and_last_apart(world: World) -> None:
    seen: list[Price] = []
    async with following(world.venues, world.venue, [world.symbol], seen.append) as feed:
        await world.sandbox.post("price", symbol=world.symbol, price="107", mark="106", exchange=world.venue.value)
        await eventually(lambda: _is(feed, world.symbol, PriceKind.MARK, "106"))
        await eventually(lambda: _is(feed, world.symbol, PriceKind.LAST, "107"))
        assert feed.state().mode is FeedMode.STREAM
        assert feed.state().stale == frozenset()
    streamed = [price for price in seen if price.price == Decimal(106)]
    assert all(price.kind is PriceKind.MARK for price in streamed)
    assert streamed[0].age_seconds(world.venues.now()) < 10
    assert streamed[0].received_time_ms >= streamed[0].venue_time_ms


async def test_no_symbol_is_starved_however_slow_the_callback(sandbox: Sandbox, venues: Venues, venue: Venue) -> None:
    symbols = [await sandbox.mint_symbol() for _ in range(12)]
    counts: Counter[str] = Counter()

    def slowly(price: Price) -> None:
        counts[price.symbol] += 1
        sum(range(20_000))

    async with following(venues, venue, symbols, slowly):
        for step in range(20):
            for symbol in symbols:
                await sandbox.post("price", symbol=symbol, price=str(100 + step), exchange=venue.value)
        await eventually(lambda: min(counts[symbol] for symbol in symbols) >= 20)


async def test_symbols_come_and_go(sandbox: Sandbox, venues: Venues, venue: Venue) -> None:
    first, second = await sandbox.mint_symbol(), await sandbox.mint_symbol()
    seen: list[Price] = []
    async with following(venues, venue, [first], seen.append) as feed:
        feed.subscribe([second])
        await eventually(lambda: feed.latest(second, PriceKind.MARK) is not None)
        assert feed.latest(first, PriceKind.MARK) is None
        count = len(seen)
        await sandbox.post("price", symbol=first, price="101", exchange=venue.value)
        await sandbox.post("price", symbol=second, price="102", exchange=venue.value)
        await eventually(lambda: _is(feed, second, PriceKind.MARK, "102"))
        assert first not in {price.symbol for price in seen[count:]}


async def test_an_unknown_symbol_costs_the_others_nothing(world: World) -> None:
    feed = PriceFeed(world.venues, world.venue, lambda _: None, QUICK)
    feed.subscribe(["NOPEUSDT", world.symbol])
    running = asyncio.create_task(feed.run())
    try:
        await eventually(lambda: feed.latest(world.symbol, PriceKind.MARK) is not None)
        await eventually(lambda: feed.state().stale == {"NOPEUSDT"})
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_silent_socket_is_replaced_and_prices_are_polled_meanwhile(world: World) -> None:
    async with following(world.venues, world.venue, [world.symbol], lambda _: None) as feed:
        # A stream is silent for everybody, so this test's faults are the venue's and not the account's.
        await world.sandbox.post("faults", kind="stream_silence", exchange=world.venue.value)
        await eventually(lambda: feed.state().mode is FeedMode.POLLING)
        await world.set_price("111")
        await eventually(lambda: _is(feed, world.symbol, PriceKind.MARK, "111"))
        latest = feed.latest(world.symbol, PriceKind.MARK)
        assert latest is not None
        assert latest.polled
        await eventually(lambda: feed.state().reconnects >= 1)
        await world.sandbox.clear_faults()
        await eventually(lambda: feed.state().mode is FeedMode.STREAM)


async def test_a_closed_socket_is_opened_again_and_synchronised(world: World) -> None:
    async with following(world.venues, world.venue, [world.symbol], lambda _: None) as feed:
        await world.sandbox.post("faults", kind="stream_close", exchange=world.venue.value, times=1)
        await world.set_price("112")
        await eventually(lambda: feed.state().reconnects >= 1)
        await eventually(lambda: _is(feed, world.symbol, PriceKind.MARK, "112"))


async def test_messages_that_come_twice_or_not_at_all_leave_the_newest_price(world: World) -> None:
    async with following(world.venues, world.venue, [world.symbol], lambda _: None) as feed:
        await world.sandbox.post("faults", kind="stream_duplicate", exchange=world.venue.value, times=5)
        await world.set_price("113")
        await eventually(lambda: _is(feed, world.symbol, PriceKind.MARK, "113"))
        await world.sandbox.post("faults", kind="stream_drop", exchange=world.venue.value, times=5)
        await world.set_price("114")
        await eventually(lambda: _is(feed, world.symbol, PriceKind.MARK, "114"))


async def test_without_stream_and_without_rest_the_feed_is_down(world: World) -> None:
    async with following(world.venues, world.venue, [world.symbol], lambda _: None) as feed:
        await world.sandbox.post("faults", kind="stream_silence", exchange=world.venue.value)
        await world.sandbox.post("faults", kind="status", status=500, exchange=world.venue.value)
        await eventually(lambda: feed.state().mode is FeedMode.DOWN)
        assert feed.state().stale == {world.symbol}


async def test_what_the_callback_raises_ends_the_feed(world: World) -> None:
    def fail(_: Price) -> None:
        raise ZeroDivisionError

    feed = PriceFeed(world.venues, world.venue, fail, QUICK)
    feed.subscribe([world.symbol])
    with pytest.raises(ExceptionGroup) as raised:
        await asyncio.wait_for(feed.run(), 10)
    assert raised.group_contains(ZeroDivisionError)


async def test_one_price_by_rest(world: World) -> None:
    await world.sandbox.post("price", symbol=world.symbol, price="107", mark="106", exchange=world.venue.value)
    mark = await world.reader.read_price(world.venue, world.symbol)
    last = await world.reader.read_price(world.venue, world.symbol, PriceKind.LAST)
    assert (mark.price, last.price) == (Decimal(106), Decimal(107))
    with pytest.raises(VenueError) as raised:
        await world.reader.read_price(world.venue, "NOPEUSDT")
    assert raised.value.kind in (VenueErrorKind.UNKNOWN_SYMBOL, VenueErrorKind.BAD_ANSWER)


@pytest.mark.parametrize("kind", list(PriceKind))
async def test_candles(world: World, kind: PriceKind) -> None:
    now = world.venues.now()
    candles = await world.reader.read_candles(
        world.venue, "BTCUSDT", interval_minutes=1, since=now - timedelta(minutes=3), until=now, kind=kind
    )
    assert candles
    assert all(candle.low <= candle.open <= candle.high for candle in candles)
    assert [candle.opened_at for candle in candles] == sorted(candle.opened_at for candle in candles)
    assert all((candle.volume is None) == (kind is PriceKind.MARK) for candle in candles)


def _is(feed: PriceFeed, symbol: str, kind: PriceKind, price: str) -> bool:
    latest = feed.latest(symbol, kind)
    return latest is not None and latest.price == Decimal(price)
