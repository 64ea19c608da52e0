"""The cache of readings where venues are slow, streams are up, margins are dear and accounts are many."""

from datetime import timedelta
from decimal import Decimal

from services.common.exchange.budget import Lane
from services.common.exchange.credentials import Credentials
from services.common.trading.reading import AccountMargin, AccountReading, ReadingStatus
from services.common.trading.side import Venue
from services.positions.readings import AccountReadings, ReadingLimits
from tests.factories import make_reading, make_seen
from tests.fakes.clock import FixedClock
from tests.fakes.venue_reader import FakeVenueReader
from tests.unit.positions.test_readings import GatedReader, OneKey
from tests.waiting import until

MARGIN = AccountMargin(Decimal(1000), Decimal(1100), Decimal(50), Decimal(5))


class MarginReader(FakeVenueReader):
    """Gives the margin where it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.with_margin: list[bool] = []

    async def read_account(
        self,
        venue: Venue,
        credentials: Credentials,
        *,
        with_margin: bool = True,
        held: bool = True,
        lane: Lane = Lane.LIVE,
    ) -> AccountReading:
        self.with_margin.append(with_margin)
        return make_reading(make_seen(), margin=MARGIN if with_margin else None)


def readings_of(reader: FakeVenueReader, clock: FixedClock, **limits: object) -> AccountReadings:
    bounds = ReadingLimits(**limits)  # type: ignore[arg-type]
    return AccountReadings(reader, OneKey(), clock, timedelta(seconds=5), limits=bounds)


async def test_nobody_waits_longer_than_patience_and_the_late_answer_counts() -> None:
    reader, clock = GatedReader(), FixedClock()
    readings = readings_of(reader, clock, patience=timedelta(0))
    answer = await readings.read(Venue.BINANCE, "a")
    assert (answer.status, answer.reason) == (ReadingStatus.FAILED, "the venue has not answered within 0 s")
    await reader.was_asked(1)
    assert (await readings.read(Venue.BINANCE, "a")).status is ReadingStatus.FAILED
    assert reader.asked == ["a"], "a slow venue is not asked again while it thinks"
    reader.gate.set()
    await until(lambda: readings.last_known("a") is not None)
    assert (await readings.read(Venue.BINANCE, "a")).complete
    assert reader.asked == ["a"]


async def test_the_margin_is_read_more_seldom_and_stays_known() -> None:
    reader, clock = MarginReader(), FixedClock()
    readings = readings_of(reader, clock, margin_max_age=timedelta(seconds=30))
    for _ in range(7):
        assert (await readings.read(Venue.BINANCE, "a")).margin == MARGIN
        clock.advance(6)
    assert reader.with_margin == [True, False, False, False, False, True, False]


async def test_the_last_good_answer_stays_known_through_failures() -> None:
    reader, clock = FakeVenueReader(), FixedClock()
    readings = readings_of(reader, clock)
    reader.readings["a"] = good = make_reading(make_seen())
    await readings.read(Venue.BINANCE, "a")
    for status in (ReadingStatus.FAILED, ReadingStatus.SUSPICIOUS):
        clock.advance(6)
        reader.readings["a"] = make_reading(status=status)
        assert (await readings.read(Venue.BINANCE, "a")).status is status
        assert readings.last_known("a") == good


async def test_what_tandem_changed_itself_is_no_last_known() -> None:
    reader, clock = FakeVenueReader(), FixedClock()
    readings = readings_of(reader, clock)
    await readings.read(Venue.BINANCE, "a")
    readings.drop("a")
    assert readings.last_known("a") is None


async def test_a_drop_for_something_older_than_the_answer_changes_nothing() -> None:
    reader, clock = FakeVenueReader(), FixedClock()
    readings = readings_of(reader, clock)
    await readings.read(Venue.BINANCE, "a")
    generation = readings.generation("a")
    readings.drop("a", before=clock.now() - timedelta(seconds=1))
    assert readings.generation("a") == generation
    await readings.read(Venue.BINANCE, "a")
    assert reader.asked == ["a"]
    readings.drop("a", before=clock.now() + timedelta(seconds=1))
    await readings.read(Venue.BINANCE, "a")
    assert reader.asked == ["a", "a"]


async def test_the_reconcilers_reading_serves_the_view_and_is_never_an_old_one() -> None:
    reader, clock = FakeVenueReader(), FixedClock()
    readings = readings_of(reader, clock)
    reader.readings["a"] = make_reading(make_seen())
    await readings.read_now(Venue.BINANCE, "a", Lane.RECONCILIATION)
    known = readings.last_known("a")
    assert known is not None
    assert known.positions
    reader.readings["a"] = make_reading()
    assert not (await readings.read_now(Venue.BINANCE, "a", Lane.RECONCILIATION)).positions


async def test_with_a_stream_up_what_is_known_stays_good_for_a_view_alone() -> None:
    reader, clock = FakeVenueReader(), FixedClock()
    readings = readings_of(reader, clock, followed_max_age=timedelta(minutes=10))
    up = True
    readings.follow("a", lambda: up)
    assert readings.followed("a") is None
    await readings.refresh(Venue.BINANCE, "a")
    clock.advance(300)
    assert readings.followed("a") is not None
    up = False
    assert readings.followed("a") is None
    up = True
    clock.advance(301)
    assert readings.followed("a") is None
    # A command that needs the price of now asks the venue, stream or no stream.
    await readings.read(Venue.BINANCE, "a")
    assert reader.asked == ["a", "a"]
    readings.unfollow("a")
    assert readings.followed("a") is None


async def test_what_is_incomplete_is_not_kept_for_a_stream() -> None:
    reader, clock = FakeVenueReader(), FixedClock()
    readings = readings_of(reader, clock)
    readings.follow("a", lambda: True)
    reader.readings["a"] = make_reading(make_seen(), status=ReadingStatus.PARTIAL)
    await readings.refresh(Venue.BINANCE, "a")
    assert readings.followed("a") is None


async def test_the_cache_is_bounded_but_forgets_none_that_is_followed() -> None:
    reader, clock = FakeVenueReader(), FixedClock()
    readings = readings_of(reader, clock, accounts=3)
    readings.follow("followed", lambda: True)
    for number in range(10):
        await readings.read(Venue.BINANCE, f"a{number}")
    known = [name for name in ("followed", *(f"a{number}" for number in range(10))) if readings.generation(name)]
    assert known == ["a8", "a9"]
    await readings.refresh(Venue.BINANCE, "followed")
    assert readings.followed("followed") is not None
