"""One account and its stream: hints prompt readings, differences are told, silence is no word."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

import pytest

from services.common.exchange.credentials import Credentials
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.hints import Hint, HintKind, OnHint
from services.common.exchange.prices import Price, PriceKind
from services.common.trading.reading import ReadingStatus
from services.common.trading.side import Venue
from services.positions.domain.position import Position
from services.positions.readings import AccountReadings
from services.positions.store.streams import Streamed
from services.positions.streams.following import Cadence, FollowedAccount, Surroundings
from services.positions.streams.hearing import Patience
from services.positions.streams.marks import Marks
from services.positions.streams.watching import WatchedUsers
from tests.factories import NOON, at, make_reading, make_seen
from tests.fakes.clock import FixedClock
from tests.fakes.venue_reader import FakeVenueReader
from tests.unit.positions.test_live import booked_of
from tests.unit.positions.test_readings import OneKey
from tests.waiting import until

ACCOUNT = Streamed("a", "u", Venue.BINANCE, 1)


class Feed:
    """A venue's prices, as a test sets them."""

    def __init__(self) -> None:
        self.subscribed: frozenset[str] = frozenset()
        self.marks: dict[str, Price] = {}

    def subscribe(self, symbols: frozenset[str]) -> None:
        self.subscribed = symbols

    def latest(self, symbol: str, kind: PriceKind) -> Price | None:
        return self.marks.get(symbol) if kind is PriceKind.MARK else None


class Stream:
    """A private stream that says what a test says."""

    def __init__(self, clock: FixedClock) -> None:
        self.listening = False
        self.on_hint: OnHint | None = None
        self.reopened = 0
        self._clock = clock
        self._refused = False
        self._lost = asyncio.Event()

    async def run(self) -> None:
        while not self._refused:
            self.hint(HintKind.RESYNC)
            await self._lost.wait()
            self._lost.clear()
        raise VenueError(Venue.BINANCE, VenueErrorKind.BAD_KEY, "API-key format invalid.")

    def refuse(self) -> None:
        self._refused = True
        self._lost.set()

    def reopen(self) -> None:
        self.listening = False
        self.reopened += 1
        self._lost.set()

    def hint(self, kind: HintKind = HintKind.POSITION) -> None:
        self.listening = True
        assert self.on_hint is not None
        self.on_hint(Hint(kind, None, self._clock.now()))


@dataclass
class World:
    """What an account's stream is among."""

    reader: FakeVenueReader = field(default_factory=FakeVenueReader)
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOON))
    feed: Feed = field(default_factory=Feed)
    booked: list[Position] = field(default_factory=list)
    stirred: list[str] = field(default_factory=list)
    deaf: list[Venue] = field(default_factory=list)
    cadence: Cadence = field(default_factory=lambda: Cadence(spacing=0, retry=0, settle=0, repeats=(0, 3600)))
    patience: Patience = field(default_factory=lambda: Patience(grace=timedelta()))

    def __post_init__(self) -> None:
        self.stream = Stream(self.clock)
        self.readings = AccountReadings(self.reader, OneKey(), self.clock, timedelta(seconds=5))
        self.marks = Marks(dict.fromkeys(Venue, self.feed), timedelta(seconds=5))  # type: ignore[arg-type]

    def open_stream(self, venue: Venue, credentials: Credentials, on_hint: OnHint) -> Stream:
        assert credentials.api_key == "a"
        self.stream.on_hint = on_hint
        return self.stream

    async def list_booked(self, account_id: str) -> list[Position]:
        return self.booked

    async def stir(self, account: Streamed) -> None:
        self.stirred.append(account.account_id)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[asyncio.Task[None]]:
        around = Surroundings(
            clock=self.clock,
            readings=self.readings,
            keys=OneKey(),
            marks=self.marks,
            open_stream=self.open_stream,
            booked=self.list_booked,
            stir=self.stir,
            on_deaf=self.deaf.append,
            cadence=self.cadence,
            patience=self.patience,
        )
        self.followed = FollowedAccount(ACCOUNT, around)
        task = asyncio.create_task(self.followed.run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def world() -> World:
    return World()


async def test_what_is_known_serves_once_the_stream_is_up_and_read_after(world: World) -> None:
    world.reader.readings["a"] = make_reading(make_seen())
    world.booked = [booked_of()]
    assert world.readings.followed("a") is None
    async with world.following():
        await until(lambda: world.readings.followed("a") is not None)
        assert world.feed.subscribed == {"BTCUSDT"}
    assert world.readings.followed("a") is None
    assert world.feed.subscribed == frozenset()
    assert world.stirred == []


async def test_a_hint_makes_what_was_known_past_until_it_is_read(world: World) -> None:
    async with world.following():
        await until(lambda: world.readings.followed("a") is not None)
        world.reader.readings["a"] = make_reading(status=ReadingStatus.FAILED)
        world.stream.hint()
        assert world.readings.followed("a") is None
        asked = len(world.reader.asked)
        await until(lambda: len(world.reader.asked) > asked + 2)
        assert world.readings.followed("a") is None, "a reading that failed is not believed"
        world.reader.readings["a"] = make_reading(make_seen())
        world.booked = [booked_of()]
        await until(lambda: world.readings.followed("a") is not None)


async def test_a_burst_of_hints_is_one_reading_more(world: World) -> None:
    async with world.following():
        await until(lambda: world.readings.followed("a") is not None)
        asked = len(world.reader.asked)
        for _ in range(50):
            world.stream.hint()
        await until(lambda: world.readings.followed("a") is not None)
        assert len(world.reader.asked) - asked <= 2


async def test_an_account_where_something_happens_all_the_time_leaves_some_of_the_budget_to_others(
    world: World,
) -> None:
    world.cadence = replace(world.cadence, burst=3, breather=3600)
    async with world.following():
        for readings in range(1, 4):
            await until(lambda readings=readings: len(world.reader.asked) == readings)  # type: ignore[misc]
            await until(lambda: world.readings.followed("a") is not None)
            world.stream.hint()
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(world.reader.asked) == 3
        assert world.readings.followed("a") is None, "what was read is past: whoever looks asks anew"


async def test_a_stream_that_is_lost_vouches_for_nothing(world: World) -> None:
    async with world.following():
        await until(lambda: world.readings.followed("a") is not None)
        world.stream.listening = False
        assert world.readings.followed("a") is None


async def test_a_difference_is_told_again_until_the_books_have_it(world: World) -> None:
    world.reader.readings["a"] = make_reading(make_seen())
    async with world.following():
        await until(lambda: len(world.stirred) >= 2)
        world.booked = [booked_of()]
        world.stream.hint()
        await until(lambda: world.readings.followed("a") is not None)
        told = len(world.stirred)
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(world.stirred) == told


async def test_what_the_books_learn_by_themselves_meanwhile_is_not_told(world: World) -> None:
    world.reader.readings["a"] = make_reading(make_seen())
    asked: list[str] = []

    async def booked(account_id: str) -> list[Position]:
        asked.append(account_id)
        return [] if len(asked) == 1 else [booked_of()]

    world.list_booked = booked  # type: ignore[method-assign]
    async with world.following():
        await until(lambda: len(asked) == 2)
        await until(lambda: world.readings.followed("a") is not None)
    assert world.stirred == []


async def test_a_refused_key_ends_it(world: World) -> None:
    async with world.following() as task:
        await until(lambda: world.stream.on_hint is not None)
        world.stream.refuse()
        await asyncio.wait_for(task, 10)
    assert world.readings.followed("a") is None


def test_a_mark_is_given_while_it_is_young() -> None:
    feed = Feed()
    marks = Marks(dict.fromkeys(Venue, feed), timedelta(seconds=5))  # type: ignore[arg-type]
    assert marks.mark(Venue.BINANCE, "BTCUSDT", NOON) is None
    stamp = int(NOON.timestamp() * 1000)
    feed.marks["BTCUSDT"] = Price(Venue.BINANCE, "BTCUSDT", PriceKind.MARK, Decimal(7), stamp, stamp)
    assert marks.mark(Venue.BINANCE, "BTCUSDT", at(5)) == 7
    assert marks.mark(Venue.BINANCE, "BTCUSDT", at(5.1)) is None


def test_the_symbols_of_all_accounts_are_wanted() -> None:
    feeds = {venue: Feed() for venue in Venue}
    marks = Marks(feeds, timedelta(seconds=5))  # type: ignore[arg-type]
    marks.want("a", Venue.BINANCE, ["X", "Y"])
    marks.want("b", Venue.BINANCE, ["Y"])
    marks.want("c", Venue.BYBIT, ["Z"])
    assert feeds[Venue.BINANCE].subscribed == {"X", "Y"}
    assert feeds[Venue.BYBIT].subscribed == {"Z"}
    marks.forget("a")
    assert feeds[Venue.BINANCE].subscribed == {"Y"}


def test_a_user_counts_as_watched_for_a_while() -> None:
    news: list[int] = []
    watched = WatchedUsers(timedelta(seconds=30), lambda: news.append(1))
    watched.hear("u", NOON)
    watched.hear("u", at(10))
    assert watched.users(at(39)) == {"u"}
    assert len(news) == 1
    assert watched.users(at(40)) == frozenset()
    watched.hear("u", at(41))
    assert len(news) == 2
