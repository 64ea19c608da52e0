"""The cache of readings: one question at a time, an answer good for seconds, nothing that is known to be past."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta

import pytest

from services.common.errors import DatabaseUnavailable
from services.common.exchange.budget import Lane
from services.common.exchange.credentials import Credentials
from services.common.trading.reading import AccountReading, ReadingStatus
from services.common.trading.side import Venue
from services.positions.readings import AccountReadings
from tests.factories import make_reading, make_seen
from tests.fakes.clock import FixedClock
from tests.fakes.venue_reader import FakeVenueReader


class GatedReader(FakeVenueReader):
    """Answers only once the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self._questions = asyncio.Condition()

    async def was_asked(self, times: int) -> None:
        """Wait until so many questions have reached the venue."""
        async with self._questions:
            await self._questions.wait_for(lambda: len(self.asked) >= times)

    async def read_account(
        self,
        venue: Venue,
        credentials: Credentials,
        *,
        with_margin: bool = True,
        held: bool = True,
        lane: Lane = Lane.LIVE,
    ) -> AccountReading:
        answer = await super().read_account(venue, credentials, with_margin=with_margin, held=held, lane=lane)
        async with self._questions:
            self._questions.notify_all()
        await self.gate.wait()
        return answer


class OneKey:
    """The same key for every account."""

    async def _credentials(self, account_id: str) -> Credentials:
        return Credentials(account_id, "s3cret")

    def credentials(self, account_id: str) -> Awaitable[Credentials]:
        return self._credentials(account_id)


class NoKeys:
    """The database is away."""

    async def credentials(self, account_id: str) -> Credentials:
        raise DatabaseUnavailable


def readings_of(reader: FakeVenueReader, clock: FixedClock) -> AccountReadings:
    return AccountReadings(reader, OneKey(), clock, timedelta(seconds=5))


async def test_callers_at_the_same_time_share_one_question() -> None:
    reader, clock = GatedReader(), FixedClock()
    readings = readings_of(reader, clock)
    callers = [asyncio.create_task(readings.read(Venue.BINANCE, "a")) for _ in range(5)]
    reader.gate.set()
    answers = await asyncio.gather(*callers)
    assert reader.asked == ["a"]
    assert len({id(answer) for answer in answers}) == 1


async def test_one_that_gives_up_takes_the_answer_from_nobody() -> None:
    reader, clock = GatedReader(), FixedClock()
    readings = readings_of(reader, clock)
    impatient = asyncio.create_task(readings.read(Venue.BINANCE, "a"))
    patient = asyncio.create_task(readings.read(Venue.BINANCE, "a"))
    await reader.was_asked(1)
    impatient.cancel()
    reader.gate.set()
    assert (await patient).complete


async def test_an_answer_is_good_for_seconds() -> None:
    reader, clock = FakeVenueReader(), FixedClock()
    readings = readings_of(reader, clock)
    await readings.read(Venue.BINANCE, "a")
    clock.advance(4.9)
    await readings.read(Venue.BINANCE, "a")
    assert reader.asked == ["a"]
    clock.advance(0.2)
    await readings.read(Venue.BINANCE, "a")
    assert reader.asked == ["a", "a"]


async def test_what_is_dropped_is_asked_again() -> None:
    reader, clock = FakeVenueReader(), FixedClock()
    readings = readings_of(reader, clock)
    await readings.read(Venue.BINANCE, "a")
    readings.drop("a")
    reader.readings["a"] = make_reading(make_seen())
    assert (await readings.read(Venue.BINANCE, "a")).positions


async def test_a_reading_begun_before_a_drop_is_given_to_nobody_after_it() -> None:
    reader, clock = GatedReader(), FixedClock()
    readings = readings_of(reader, clock)
    before = asyncio.create_task(readings.read(Venue.BINANCE, "a"))
    await reader.was_asked(1)
    readings.drop("a")
    reader.readings["a"] = make_reading(make_seen())
    after = asyncio.create_task(readings.read(Venue.BINANCE, "a"))
    await reader.was_asked(2)
    reader.gate.set()
    assert not (await before).positions
    assert (await after).positions


async def test_a_failure_is_not_kept() -> None:
    reader, clock = FakeVenueReader(), FixedClock()
    readings = readings_of(reader, clock)
    reader.readings["a"] = make_reading(status=ReadingStatus.FAILED)
    await readings.read(Venue.BINANCE, "a")
    reader.readings["a"] = make_reading()
    assert (await readings.read(Venue.BINANCE, "a")).complete


async def test_an_error_reaches_every_caller_and_is_not_kept() -> None:
    clock = FixedClock()
    readings = AccountReadings(FakeVenueReader(), NoKeys(), clock, timedelta(seconds=5))
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            await readings.read(Venue.BINANCE, "a")


async def test_accounts_do_not_share() -> None:
    reader, clock = FakeVenueReader(), FixedClock()
    readings = readings_of(reader, clock)
    await asyncio.gather(readings.read(Venue.BINANCE, "a"), readings.read(Venue.BINANCE, "b"))
    assert sorted(reader.asked) == ["a", "b"]
