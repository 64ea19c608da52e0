"""Events and listings in any order leave what the books have."""

import asyncio
from collections.abc import Callable

from services.common.trading.level import Level, LevelRules, NoLevel
from services.common.trading.side import Venue
from services.monitor.domain.following import KEEP_SETTLED_LISTINGS, Change, Following
from services.monitor.domain.position import Position
from services.monitor.triggers.following import LevelFollower
from tests.fakes.books import FakeBooks
from tests.fakes.crashes import CrashPlan
from tests.unit.monitor.world import a_position

UNARMED = LevelRules(Level(NoLevel()), Level(NoLevel()))


def ids(following: Following) -> set[str]:
    return {position.position_id for position in following.positions()}


def listed(following: Following, *positions: Position) -> None:
    number = following.begin_listing()
    for position in positions:
        following.apply(position)
    following.end_listing(number)


def test_a_newer_version_replaces_and_an_older_one_does_not() -> None:
    following = Following()
    following.apply(a_position(version=3))
    assert following.apply(a_position(version=2, symbol="OLD")) is None
    change = following.apply(a_position(version=4, symbol="NEW"))
    assert change is not None
    assert (change.before, change.after) == (a_position(version=3), a_position(version=4, symbol="NEW"))


def test_closed_or_disarmed_is_followed_no_more() -> None:
    for ended in (a_position(version=4, is_open=False), a_position(version=4, levels=UNARMED)):
        following = Following()
        following.apply(a_position(version=3))
        change = following.apply(ended)
        assert change is not None
        assert change.after is None
        assert not ids(following)


def test_a_late_listing_does_not_bring_back_what_an_event_closed() -> None:
    following = Following()
    following.apply(a_position(version=3))
    number = following.begin_listing()
    following.apply(a_position(version=4, is_open=False))
    following.apply(a_position(version=3))
    following.end_listing(number)
    assert not ids(following)


def test_a_listing_drops_what_it_does_not_name() -> None:
    following = Following()
    listed(following, a_position(), a_position(position_id="OP_2"))
    listed(following, a_position(position_id="OP_2"))
    assert ids(following) == {"OP_2"}


def test_a_listing_keeps_what_an_event_brought_after_it_began() -> None:
    following = Following()
    number = following.begin_listing()
    following.apply(a_position())
    assert following.end_listing(number) == ()
    assert ids(following) == {a_position().position_id}


def test_a_listing_that_failed_midway_drops_nothing() -> None:
    following = Following()
    listed(following, a_position())
    following.begin_listing()
    listed(following, a_position())
    assert ids(following) == {a_position().position_id}


def test_what_is_settled_is_forgotten_in_the_end() -> None:
    following = Following()
    following.apply(a_position(is_open=False))
    for _ in range(KEEP_SETTLED_LISTINGS + 1):
        listed(following)
    assert not following._known


class Follower:
    """A LevelFollower over fake books, whose run goes on until a condition holds."""

    def __init__(self) -> None:
        self.books = FakeBooks(CrashPlan(), [a_position()])
        self.followed = asyncio.Event()
        self.symbols: list[dict[Venue, frozenset[str]]] = []
        self.changes: list[Change] = []
        self.levels = LevelFollower(
            self.books,
            self.changes.append,
            self.symbols.append,
            relist_seconds=30,
            retry_seconds=0.001,
            doubtful_seconds=0.001,
        )

    async def wait_followed(self) -> None:
        await self.followed.wait()

    async def until(self, holds: Callable[[], bool]) -> None:
        running = asyncio.create_task(self.levels.run(self.wait_followed))
        async with asyncio.timeout(5):
            while True:
                if holds():
                    break
                await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_levels_are_watched_but_not_called_loaded_while_events_cannot_be_followed() -> None:
    follower = Follower()
    await follower.until(lambda: bool(follower.levels.positions()))
    assert not follower.levels.loaded
    follower.followed.set()
    await follower.until(lambda: follower.levels.loaded)


async def test_a_listing_is_asked_for_until_the_books_answer() -> None:
    follower = Follower()
    follower.books.down = 3
    follower.followed.set()
    await follower.until(lambda: follower.levels.loaded)
    assert ids(follower.levels._following) == {a_position().position_id}


async def test_only_the_symbols_that_are_needed_are_asked_for() -> None:
    follower = Follower()
    await follower.levels.relist()
    follower.levels.apply(a_position(position_id="OP_2"))
    follower.levels.apply(a_position(position_id="OP_3", symbol="ETHUSDT", venue=Venue.BYBIT))
    follower.levels.apply(a_position(position_id="OP_2", version=4, is_open=False))
    follower.levels.apply(a_position(version=4, is_open=False))
    assert [(asked[Venue.BINANCE], asked[Venue.BYBIT]) for asked in follower.symbols] == [
        (frozenset({"BTCUSDT"}), frozenset()),
        (frozenset({"BTCUSDT"}), frozenset({"ETHUSDT"})),
        (frozenset(), frozenset({"ETHUSDT"})),
    ]


async def test_a_listing_counts_what_no_event_had_told() -> None:
    follower = Follower()
    assert await follower.levels.relist() == 1
    assert await follower.levels.relist() == 0
    follower.books.positions["OP_2"] = a_position(position_id="OP_2")
    del follower.books.positions[a_position().position_id]
    assert await follower.levels.relist() == 2
