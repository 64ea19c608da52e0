"""A stream that is up and tells nothing: readings and facts of the books find it out, and it is opened anew."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from services.common.exchange.budget import Lane
from services.common.trading.reading import ReadingStatus, VenuePosition
from services.common.trading.side import Venue
from services.positions.streams.hearing import Booked, Patience
from tests.factories import at, make_reading, make_seen
from tests.unit.positions.test_following import World
from tests.unit.positions.test_live import booked_of
from tests.waiting import until

KEY = make_seen().key
LONG_GRACE = Patience(grace=timedelta(hours=1))


@pytest.fixture
def world() -> World:
    """An account with one position, in books and at its venue."""
    world = World()
    hold(world, make_seen())
    return world


def hold(world: World, *positions: VenuePosition) -> None:
    """So it is at the venue and in the books; the stream tells nothing of it."""
    world.reader.readings["a"] = make_reading(*positions)
    world.booked = [booked_of(quantity=one.quantity) for one in positions]


async def settled(world: World) -> None:
    """The stream is up and what it prompted is read."""
    await until(lambda: world.readings.followed("a") is not None)
    world.clock.advance(60)


async def reconcile(world: World) -> None:
    await world.readings.read_now(Venue.BINANCE, "a", Lane.RECONCILIATION)


async def nothing_more(world: World) -> None:
    """Let everything run that could."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_a_reading_that_nothing_told_of_opens_the_stream_anew(world: World) -> None:
    async with world.following():
        await settled(world)
        hold(world)
        assert world.readings.followed("a") is not None, "nobody can know yet"
        await reconcile(world)
        assert world.readings.followed("a") is None
        await until(lambda: world.stream.reopened == 1)
        await until(lambda: world.readings.followed("a") is not None)
        assert world.deaf == [Venue.BINANCE]


async def test_while_it_is_doubted_nothing_is_believed_and_the_books_are_compared_once(world: World) -> None:
    world.patience = LONG_GRACE
    async with world.following():
        await settled(world)
        world.reader.readings["a"] = make_reading()
        asked = len(world.reader.asked)
        await reconcile(world)
        await until(lambda: world.stirred)
        await nothing_more(world)
        assert world.readings.followed("a") is None
        assert len(world.reader.asked) == asked + 2, "the reconciler's, and one more"
        assert world.stream.reopened == 0


async def test_a_message_that_comes_a_little_late_ends_the_doubt(world: World) -> None:
    world.patience = LONG_GRACE
    async with world.following():
        await settled(world)
        hold(world)
        await reconcile(world)
        world.stream.hint()
        await until(lambda: world.readings.followed("a") is not None)
        assert (world.stream.reopened, world.deaf) == (0, [])


async def test_what_the_stream_told_is_no_evidence_against_it(world: World) -> None:
    async with world.following():
        await settled(world)
        hold(world)
        world.stream.hint()
        await reconcile(world)
        await until(lambda: world.readings.followed("a") is not None)
        await nothing_more(world)
        assert world.stream.reopened == 0


@pytest.mark.parametrize("status", [ReadingStatus.PARTIAL, ReadingStatus.SUSPICIOUS, ReadingStatus.FAILED])
async def test_a_list_that_is_not_complete_is_no_evidence(world: World, status: ReadingStatus) -> None:
    async with world.following():
        await settled(world)
        world.reader.readings["a"] = make_reading(status=status)
        await reconcile(world)
        await nothing_more(world)
        assert world.stream.reopened == 0


async def test_it_is_not_opened_anew_again_and_again(world: World) -> None:
    async with world.following():
        await settled(world)
        for number in range(5):
            hold(world, *[make_seen()] * (number % 2))
            await reconcile(world)
            await until(lambda: world.stream.reopened == 1)
            await nothing_more(world)
        assert world.stream.reopened == 1
        assert world.readings.followed("a") is None, "and is not believed meanwhile"


async def test_a_close_that_another_replica_booked_and_nothing_told_of(world: World) -> None:
    async with world.following():
        await settled(world)
        hold(world)
        world.followed.tell(Booked(KEY, Decimal(0), at(50)))
        assert world.readings.followed("a") is None
        await until(lambda: world.stream.reopened == 1)
        await until(lambda: world.readings.followed("a") is not None)


@pytest.mark.parametrize("happened_at", [at(-600), at(64)], ids=["before the stream", "within what clocks may differ"])
async def test_a_close_that_the_stream_could_not_tell_is_no_evidence(world: World, happened_at: object) -> None:
    async with world.following():
        await settled(world)
        hold(world)
        world.stream.hint()
        await until(lambda: world.readings.followed("a") is not None)
        world.followed.tell(Booked(KEY, Decimal(0), happened_at))  # type: ignore[arg-type]
        await nothing_more(world)
        assert world.stream.reopened == 0


async def test_a_size_in_the_books_that_was_not_read_prompts_a_reading_which_is_the_evidence(world: World) -> None:
    async with world.following():
        await settled(world)
        hold(world, make_seen(quantity=Decimal(2), updated_at=at(50)))
        asked = len(world.reader.asked)
        world.followed.tell(Booked(KEY, Decimal(2)))
        await until(lambda: world.stream.reopened == 1)
        assert len(world.reader.asked) > asked


async def test_books_that_are_behind_prove_nothing(world: World) -> None:
    async with world.following():
        await settled(world)
        asked = len(world.reader.asked)
        world.followed.tell(Booked(KEY, Decimal(1)))
        await nothing_more(world)
        assert len(world.reader.asked) == asked
        world.followed.tell(Booked(KEY, Decimal("0.5")))
        await until(lambda: len(world.reader.asked) == asked + 1)
        await nothing_more(world)
        assert world.stream.reopened == 0
        assert world.readings.followed("a") is not None
