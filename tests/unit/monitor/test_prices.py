"""Which prices may trigger."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.prices import Candle, FeedMode, FeedState, PriceKind
from services.common.exchange.prices import Price as VenuePrice
from services.common.trading.extremes import TriggerPrice
from services.common.trading.side import Venue
from services.monitor.domain.position import Instrument
from services.monitor.domain.price_check import Price, PriceLimits, Verdict, is_confirmed, judge_price
from services.monitor.prices.warming import keep_warm
from services.monitor.prices.watch import FeedStanding, PriceWatch
from tests.fakes.clock import FixedClock

BTC = Instrument(Venue.BINANCE, "BTCUSDT")
BTC_LAST = Instrument(Venue.BINANCE, "BTCUSDT", TriggerPrice.LAST)
LIMITS = PriceLimits()
NOW = FixedClock().now()


def price(value: str, age_seconds: float = 0) -> Price:
    return Price(BTC, Decimal(value), NOW - timedelta(seconds=age_seconds))


@pytest.mark.parametrize(
    ("value", "age_seconds", "verdict"),
    [
        ("100", 0, Verdict.ACCEPTED),
        ("102", 0, Verdict.ACCEPTED),
        ("98", 0, Verdict.ACCEPTED),
        ("102.01", 0, Verdict.DOUBTED),
        ("97.99", 0, Verdict.DOUBTED),
        ("0", 0, Verdict.REFUSED),
        ("-1", 0, Verdict.REFUSED),
        ("NaN", 0, Verdict.REFUSED),
        ("100", 10, Verdict.REFUSED),
        ("100", 10.001, Verdict.REFUSED),
        ("100", -10, Verdict.ACCEPTED),
        ("100", -10.001, Verdict.REFUSED),
    ],
)
def test_a_price_after_one_of_100_five_seconds_ago(value: str, age_seconds: float, verdict: Verdict) -> None:
    assert judge_price(price(value, age_seconds), price("100", 5), NOW, LIMITS) is verdict


def test_a_first_price_is_doubted() -> None:
    assert judge_price(price("100"), None, NOW, LIMITS) is Verdict.DOUBTED
    assert judge_price(price("100", 11), None, NOW, LIMITS) is Verdict.REFUSED


def test_a_second_source_confirms_what_is_near_it() -> None:
    assert is_confirmed(price("90"), price("91"), NOW, LIMITS)
    assert not is_confirmed(price("90"), price("100"), NOW, LIMITS)
    assert not is_confirmed(price("90"), price("0"), NOW, LIMITS)
    assert not is_confirmed(price("90"), price("90", 11), NOW, LIMITS)
    assert not is_confirmed(price("90"), price("90", -11), NOW, LIMITS)


@dataclass
class SecondSource:
    clock: FixedClock
    value: str = "100"
    down: bool = False
    asked: int = 0
    traded_at: datetime | None = None

    async def read_price(self, venue: Venue, symbol: str, kind: PriceKind = PriceKind.MARK) -> VenuePrice:
        self.asked += 1
        if self.down:
            raise VenueError(venue, VenueErrorKind.TIMEOUT, "no answer")
        answer = venue_price(self.clock.now(), self.value, kind)
        if self.traded_at is not None:
            answer = answer._replace(venue_time_ms=int(self.traded_at.timestamp() * 1000))
        return answer._replace(polled=True)

    async def read_candles(self, *_: object, **__: object) -> tuple[Candle, ...]:
        return ()


@dataclass
class Feed:
    mode: FeedMode = FeedMode.STREAM
    stale: frozenset[str] = frozenset()
    symbols: list[frozenset[str]] = field(default_factory=list)

    def subscribe(self, symbols: object) -> None:
        self.symbols.append(frozenset(symbols))  # type: ignore[call-overload]

    def latest(self, symbol: str, kind: PriceKind) -> VenuePrice | None:
        return None

    def state(self) -> FeedState:
        return FeedState(Venue.BINANCE, self.mode, self.stale)


def venue_price(at: datetime, value: str, kind: PriceKind = PriceKind.MARK) -> VenuePrice:
    stamp = int(at.timestamp() * 1000)
    return VenuePrice(Venue.BINANCE, "BTCUSDT", kind, Decimal(value), stamp, stamp)


@dataclass
class Watched:
    clock: FixedClock = field(default_factory=FixedClock)
    passed: list[Decimal] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.second = SecondSource(self.clock)
        self.watch = PriceWatch(self.second, self.clock, LIMITS, lambda price: self.passed.append(price.value))
        self.feed = Feed()
        self.watch.feeds[Venue.BINANCE] = self.feed
        self.watch.subscribe({Venue.BINANCE: frozenset({"BTCUSDT"})})

    async def tick(self, value: str, kind: PriceKind = PriceKind.MARK) -> None:
        """One price a second later, and whatever it makes the watch ask."""
        self.clock.advance(1)
        self.watch.on_price(venue_price(self.clock.now(), value, kind))
        await self.answered()

    async def answered(self) -> None:
        """Whatever the watch asks now is answered."""
        for task in list(self.watch._asking.values()):
            await task


async def test_a_jump_passes_only_where_the_second_source_agrees() -> None:
    watched = Watched()
    await watched.tick("100")
    await watched.tick("90")
    assert watched.passed == [Decimal(100)]
    watched.second.value = "90"
    await watched.tick("90")
    await watched.tick("90.5")
    assert watched.passed == [Decimal(100), Decimal(90), Decimal("90.5")]
    assert watched.second.asked == 3


async def test_how_the_feed_of_a_venue_does() -> None:
    watched = Watched()
    await watched.tick("100")
    watched.clock.advance(3)
    assert watched.watch.standing(Venue.BINANCE) == FeedStanding(FeedMode.STREAM, timedelta(seconds=3), 1)
    watched.watch.on_price(venue_price(watched.clock.now() + timedelta(seconds=1), "100"))
    watched.feed.mode = FeedMode.POLLING
    assert watched.watch.standing(Venue.BINANCE) == FeedStanding(FeedMode.POLLING, timedelta(0), 1)
    assert watched.watch.standing(Venue.BYBIT) == FeedStanding(FeedMode.DOWN, timedelta(0), 0)


async def test_one_price_with_a_stamp_of_its_own_does_not_keep_out_all_that_come_after_it() -> None:
    watched = Watched()
    await watched.tick("100")
    watched.watch.on_price(venue_price(watched.clock.now() + timedelta(days=365), "100.5"))
    await watched.tick("99")
    assert watched.passed == [Decimal(100), Decimal(99)]
    watched.clock.advance(11)
    assert watched.watch.trouble(BTC) == "FEED_STALE"


async def test_a_jump_waits_where_the_second_source_is_silent() -> None:
    watched = Watched()
    await watched.tick("100")
    watched.second.down = True
    await watched.tick("90")
    assert watched.passed == [Decimal(100)]


async def test_the_last_price_never_stands_in_for_the_mark() -> None:
    watched = Watched()
    await watched.tick("100", PriceKind.LAST)
    assert not watched.passed
    assert not watched.second.asked


async def test_mark_and_last_are_held_against_their_own_kind_alone() -> None:
    watched = Watched()
    watched.watch.subscribe({Venue.BINANCE: frozenset({"BTCUSDT"})}, frozenset({BTC_LAST}))
    await watched.tick("100", PriceKind.LAST)
    watched.second.value = "90"
    await watched.tick("90")
    await watched.tick("100.5", PriceKind.LAST)
    assert watched.passed == [Decimal(100), Decimal(90), Decimal("100.5")]
    assert {price.instrument: price.value for price in watched.watch.current()} == {
        BTC: Decimal(90),
        BTC_LAST: Decimal("100.5"),
    }


async def test_a_last_price_stands_while_nobody_trades_and_is_asked_for_now_and_then() -> None:
    watched = Watched()
    watched.second.traded_at = watched.clock.now() - timedelta(minutes=5)
    watched.watch.subscribe({Venue.BINANCE: frozenset({"BTCUSDT"})}, frozenset({BTC_LAST}))
    assert watched.watch.trouble(BTC_LAST) == "NO_PRICE"
    for _ in range(30):
        watched.clock.advance(1)
        watched.watch.ask_for_quiet()
        await watched.answered()
        assert not watched.watch.trouble(BTC_LAST)
        assert watched.watch.last(BTC_LAST) is not None
    assert 4 <= watched.second.asked <= 12
    assert watched.watch.trouble(BTC) == "FEED_STALE"
    watched.second.down = True
    watched.clock.advance(11)
    watched.watch.ask_for_quiet()
    await watched.answered()
    assert watched.watch.trouble(BTC_LAST) == "FEED_STALE"


async def test_a_last_price_that_was_asked_for_and_is_far_off_is_asked_for_twice() -> None:
    watched = Watched()
    watched.watch.subscribe({Venue.BINANCE: frozenset({"BTCUSDT"})}, frozenset({BTC_LAST}))
    await watched.tick("100", PriceKind.LAST)
    watched.clock.advance(6)
    watched.second.value, watched.second.asked = "80", 0
    watched.watch.ask_for_quiet()
    await watched.answered()
    assert watched.second.asked == 2
    assert watched.passed == [Decimal(100), Decimal(80)]


async def test_what_is_not_watched_is_told() -> None:
    watched = Watched()
    assert watched.watch.trouble(BTC) == "NO_PRICE"
    assert watched.watch.trouble(Instrument(Venue.BYBIT, "BTCUSDT")) == "NO_FEED"
    watched.clock.advance(11)
    assert watched.watch.trouble(BTC) == "FEED_STALE", "none came within the time in which one has to"
    await watched.tick("100")
    assert not watched.watch.trouble(BTC)
    watched.feed.mode = FeedMode.DOWN
    watched.clock.advance(10)
    assert not watched.watch.trouble(BTC), "a lost stream is polled for: the price is young enough"
    watched.clock.advance(1)
    assert watched.watch.trouble(BTC) == "FEED_DOWN"
    watched.feed.mode = FeedMode.POLLING
    assert watched.watch.trouble(BTC) == "FEED_STALE"
    assert not watched.watch.current()


async def test_a_symbol_that_was_left_begins_anew() -> None:
    watched = Watched()
    await watched.tick("100")
    watched.watch.subscribe({Venue.BINANCE: frozenset()})
    watched.watch.subscribe({Venue.BINANCE: frozenset({"BTCUSDT"})})
    assert watched.feed.symbols == [frozenset({"BTCUSDT"}), frozenset(), frozenset({"BTCUSDT"})]
    await watched.tick("100")
    assert watched.second.asked == 2


async def test_the_order_hosts_of_followed_levels_are_kept_warm_whatever_they_answer() -> None:
    asked: list[tuple[Venue, str]] = []
    again = asyncio.Event()

    class Reader(SecondSource):
        async def read_price(self, venue: Venue, symbol: str, kind: PriceKind = PriceKind.MARK) -> VenuePrice:
            asked.append((venue, symbol))
            if len(asked) == 2:
                again.set()
            raise VenueError(venue, VenueErrorKind.TIMEOUT, "no answer")

    symbols = {Venue.BINANCE: frozenset[str](), Venue.BYBIT: frozenset({"ETHUSDT", "BTCUSDT"})}
    warming = asyncio.create_task(keep_warm(Reader(FixedClock()), lambda: symbols, 0))
    await again.wait()
    warming.cancel()
    assert set(asked) == {(Venue.BYBIT, "BTCUSDT")}


async def test_the_oldest_price_that_is_needed_is_known() -> None:
    watched = Watched()
    assert watched.watch.oldest(Venue.BYBIT) == timedelta(0), "nothing is needed of it"
    watched.second.value = "100"
    await watched.tick("100")
    watched.clock.advance(4)
    oldest = watched.clock.now() - watched.watch.current()[0].at
    assert watched.watch.oldest(Venue.BINANCE) == oldest
    watched.watch.subscribe({Venue.BINANCE: frozenset({"BTCUSDT", "ETHUSDT"})})
    watched.clock.advance(3)
    await watched.tick("100")
    assert watched.watch.oldest(Venue.BINANCE) == timedelta(seconds=4), "never heard of, and needed for so long"


async def test_the_oldest_price_is_that_of_what_is_wanted_mark_or_last() -> None:
    watched = Watched()
    watched.watch.subscribe({Venue.BINANCE: frozenset({"BTCUSDT"})}, frozenset({BTC_LAST}))
    await watched.tick("100")
    await watched.tick("100", PriceKind.LAST)
    for _ in range(5):
        await watched.tick("100")
    age = watched.watch.oldest(Venue.BINANCE)
    assert age >= timedelta(seconds=5), "the last price is needed as well"
    watched.watch.subscribe({Venue.BINANCE: frozenset({"BTCUSDT"})})
    assert watched.watch.oldest(Venue.BINANCE) < timedelta(seconds=2), "and now it is not any more"
