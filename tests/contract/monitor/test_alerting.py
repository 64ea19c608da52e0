"""Replicas that watch thresholds over one Postgres: they share partitions, die, and are followed by others."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.common import leases
from services.common.database import transaction
from services.common.errors import DatabaseUnavailable, ServiceUnavailable
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.prices import Candle as VenueCandle
from services.common.exchange.prices import Price as VenuePrice
from services.common.exchange.prices import PriceKind
from services.common.trading.level import Level, LevelRules, NoLevel, Pinned, Trailing
from services.common.trading.partition import partition_of
from services.common.trading.side import Venue
from services.monitor.alerts.liquidations import Liquidations
from services.monitor.alerts.minding import Minding
from services.monitor.alerts.stops import Stops
from services.monitor.alerts.store import PostgresAlerts, StateKey
from services.monitor.alerts.telling import Firing, Teller
from services.monitor.alerts.watches import PostgresWatches
from services.monitor.alerts.watching import Watching
from services.monitor.alerts.writing import Writing
from services.monitor.domain.alert import Alert, AlertKind
from services.monitor.domain.alerts.rule import Direction, Rule, UserAlert
from services.monitor.domain.intent import Claim
from services.monitor.domain.position import Instrument, Position
from services.monitor.domain.price_check import Price
from services.monitor.partitions.holding import fence, partition_key
from tests.fakes.clock import FixedClock
from tests.unit.monitor.world import ACCOUNT, ARMED_AT, a_position

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
BTC = Instrument(Venue.BINANCE, "BTCUSDT")
PARTITIONS = sorted({partition_of("demo"), partition_of(ACCOUNT)})
TARGET = Rule(AlertKind.PRICE_TARGET, "demo", Venue.BINANCE, "BTCUSDT", "", Direction.ABOVE, Decimal(100))
STOP_MOVED = Rule(AlertKind.STOP_MOVED, "demo", repeating=True)


class World:
    """What outlives a replica: the exchange's prices, the books, and the time."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.clock = FixedClock(NOW)
        self.store = PostgresAlerts(engine, 200)
        self.candles: list[VenueCandle] = []
        self.venue_down = False
        self.books_down = False
        self.positions: list[Position] = []
        self.liquidation_prices: dict[str, Decimal | None] = {}
        self.asked_live = 0

    async def read_price(self, venue: Venue, symbol: str, kind: PriceKind = PriceKind.MARK) -> VenuePrice:
        raise VenueError(venue, VenueErrorKind.TIMEOUT, "not asked for here")

    async def read_candles(
        self,
        venue: Venue,
        symbol: str,
        *,
        interval_minutes: int,
        since: datetime,
        until: datetime,
        kind: PriceKind = PriceKind.LAST,
    ) -> tuple[VenueCandle, ...]:
        assert (kind, interval_minutes) == (PriceKind.MARK, 1)
        if self.venue_down:
            raise VenueError(venue, VenueErrorKind.TIMEOUT, "no answer")
        return tuple(one for one in self.candles if since <= one.opened_at < until)

    async def list_open(self, user_id: str) -> AsyncIterator[Position]:
        if self.books_down:
            raise ServiceUnavailable(service="positions")
        for position in self.positions:
            if position.user_id == user_id:
                yield position

    async def liquidations(self, user_id: str) -> Mapping[str, Decimal | None]:
        self.asked_live += 1
        return self.liquidation_prices

    def candle(self, minute: int, low: int, high: int) -> None:
        at = NOW + timedelta(minutes=minute)
        self.candles.append(VenueCandle(at, Decimal(low), Decimal(high), Decimal(low), Decimal(low), None))

    async def state(self, rule: Rule) -> UserAlert:
        now = self.clock.now()
        alert = UserAlert(uuid4(), rule, "", active=True, created_at=now, armed_at=now)
        return await self.store.create(alert, str(alert.alert_id), armed=True)

    async def told(self) -> list[Alert]:
        return [one.alert for one in (await self.store.told("demo", 100, None))[0]]


class FaultyTeller(Teller):
    """Whose Postgres is away for so many calls."""

    away = 0

    async def reached(self, claim: Claim, firings: Sequence[Firing], now: datetime) -> set[StateKey]:
        if self.away:
            self.away -= 1
            raise DatabaseUnavailable
        return await super().reached(claim, firings, now)


class Replica:
    """One process: it is lost with everything in it whenever nobody holds it any more."""

    def __init__(self, world: World, owner: str) -> None:
        self.world = world
        self.owner = owner
        self.held: dict[int, Claim] = {}
        self.now_at: Decimal | None = None
        self.heard: list[Alert] = []
        self.watermark: Decimal | None = None
        waits = asyncio.Event()
        self.watching = Watching(
            world.clock, self.price_of, waits.set, lambda _: None, longest_gap=timedelta(seconds=15), unasked=Decimal(5)
        )
        self.teller = FaultyTeller(world.engine, fence, self.heard.extend)
        self.minding = Minding(
            self.watching,
            world.store,
            PostgresWatches(world.engine),
            world,
            world,
            self,
            world.clock,
            lambda: tuple(position for position in world.positions if position.enforced),
            waits.set,
            relist=timedelta(seconds=60),
        )
        self.writing = Writing(self.watching, self.teller, self, world.clock, self.minding.reload, waits)
        self.stops = Stops(
            self.watching,
            self.teller,
            self,
            world.clock,
            lambda _: self.watermark,
            between=timedelta(seconds=60),
        )

    def claims(self) -> Mapping[int, Claim]:
        return self.held

    def price_of(self, instrument: Instrument) -> Price | None:
        return None if self.now_at is None else Price(instrument, self.now_at, self.world.clock.now())

    async def take(self) -> None:
        """Take both partitions, whoever holds them."""
        keys = [partition_key(number) for number in PARTITIONS]
        async with transaction(self.world.engine) as connection:
            await leases.ensure(connection, keys)
            await connection.execute(text("UPDATE leases SET expires_at = now()"))
        async with transaction(self.world.engine) as connection:
            taken = await leases.claim(connection, self.owner, 600, keys=keys)
        epochs = {lease.key: lease.epoch for lease in taken}
        self.held = {number: Claim(self.owner, number, epochs[partition_key(number)]) for number in PARTITIONS}
        await self.minding.mind()

    async def price(self, value: int) -> None:
        self.now_at = Decimal(value)
        self.watching.on_price(Price(BTC, self.now_at, self.world.clock.now()))
        await self.writing.write()


@pytest.fixture
def world(engine: AsyncEngine) -> World:
    return World(engine)


@pytest.fixture
async def one(world: World) -> Replica:
    replica = Replica(world, "one")
    await replica.take()
    return replica


async def test_two_that_both_think_that_it_is_theirs_tell_it_once(world: World, one: Replica) -> None:
    await world.state(TARGET)
    await one.minding.reload("demo")
    two = Replica(world, "two")
    await two.take()
    await asyncio.gather(one.price(101), two.price(101))
    assert (len(one.heard), len(two.heard), len(await world.told())) == (0, 1, 1)
    one.held = {}
    await one.minding.mind()
    assert not one.watching.due


async def test_what_was_reached_and_not_written_is_found_by_the_price_now(world: World, one: Replica) -> None:
    await world.state(TARGET)
    await one.minding.reload("demo")
    one.watching.on_price(Price(BTC, Decimal(101), NOW))
    assert one.watching.due, "and now it dies"
    two = Replica(world, "two")
    await two.take()
    await two.price(102)
    (told,) = await world.told()
    assert told.price == 102


async def test_what_was_reached_while_nobody_watched_is_found_by_the_candles(world: World, one: Replica) -> None:
    alert = await world.state(TARGET)
    await one.minding.reload("demo")
    for _ in range(15):
        world.clock.advance(10)
        await one.price(99)
    await one.minding.note()
    world.candle(1, 90, 120)  # before it died: what it watched is not held against it again
    world.candle(4, 90, 101)
    world.clock.advance(300)
    two = Replica(world, "two")
    two.now_at = Decimal(95)
    world.venue_down = True
    await two.take()
    await two.minding.look_back()
    assert two.watching.owed
    world.venue_down = False
    await two.minding.look_back()
    assert two.watching.owed, "not asked again at once"
    world.clock.advance(31)
    await two.minding.look_back()
    await two.writing.write()
    (told,) = await world.told()
    assert (told.alert_id, told.price) == (str(alert.alert_id), Decimal(101))
    assert told.reason.endswith("about 2026-01-01 12:04 UTC, while nobody watched")
    three = Replica(world, "three")
    await three.take()
    assert len(three.watching) == 0


async def test_a_repeating_one_stands_where_it_stood(world: World, one: Replica) -> None:
    await world.state(replace(TARGET, repeating=True, hysteresis=Decimal(1)))
    await one.minding.reload("demo")
    for value in (99, 100):
        await one.price(value)
    two = Replica(world, "two")
    await two.take()
    await two.price(101)
    assert len(await world.told()) == 1
    await two.price(98)
    three = Replica(world, "three")
    await three.take()
    await three.price(100)
    assert len(await world.told()) == 2


async def test_what_could_not_be_written_is_written_later_with_the_price_that_reached_it(
    world: World, one: Replica
) -> None:
    await world.state(TARGET)
    await one.minding.reload("demo")
    one.teller.away = 2
    for value in (101, 90):
        with pytest.raises(DatabaseUnavailable):
            await one.price(value)
    await one.writing.write()
    (told,) = await world.told()
    assert told.price == 101


async def test_a_partition_is_not_in_force_before_everything_was_read(world: World) -> None:
    await world.state(replace(TARGET, kind=AlertKind.PROFIT_AMOUNT, venue=None, symbol="", threshold=Decimal(1)))
    world.positions = [a_position(entry_price=Decimal(100), quantity=Decimal(1))]
    world.books_down = True
    one = Replica(world, "one")
    with pytest.raises(ServiceUnavailable):
        await one.take()
    assert one.watching.held() == frozenset()
    world.books_down = False
    await one.minding.mind()
    assert one.watching.held() == frozenset(PARTITIONS)
    await one.price(101)
    (told,) = await world.told()
    assert told.reason == "the position's profit reached 1, 1 % of its entry"


async def test_positions_that_are_gone_from_the_books_are_let_go(world: World, one: Replica) -> None:
    world.positions = [a_position(entry_price=Decimal(100), quantity=Decimal(1))]
    await world.state(replace(TARGET, kind=AlertKind.PROFIT_AMOUNT, venue=None, symbol="", threshold=Decimal(1)))
    await one.minding.reload("demo")
    assert len(one.watching) == 1
    world.positions = []
    await one.minding.relist()
    await one.minding.mind()
    assert len(one.watching) == 0


def trailing(version: int, armed_mark: int = 100) -> Position:
    rules = LevelRules(
        stop_loss=Level(Trailing(Decimal("0.1")), ARMED_AT, Decimal(armed_mark)), take_profit=Level(NoLevel())
    )
    return a_position(levels=rules, version=version, entry_price=Decimal(100))


async def test_a_stop_that_trails_is_told_of_at_most_once_a_minute_one_that_is_stated_at_once(
    world: World, one: Replica
) -> None:
    world.positions = [trailing(3)]
    await world.state(STOP_MOVED)
    await one.minding.reload("demo")
    await one.stops.look()
    assert await world.told() == []
    for watermark, seconds in ((110, 1), (120, 1), (130, 60), (140, 1)):
        one.watermark = Decimal(watermark)
        world.clock.advance(seconds)
        await one.stops.look()
    assert [told.level_price for told in await world.told()] == [Decimal(117)]
    world.clock.advance(1)
    pinned = replace(
        trailing(4), levels=LevelRules(Level(Pinned(Decimal(95)), ARMED_AT, Decimal(140)), Level(NoLevel()))
    )
    one.watching.positions.apply(pinned)
    await one.stops.look()
    two = Replica(world, "two")
    world.positions = [replace(pinned, version=5, levels=LevelRules(Level(NoLevel()), Level(NoLevel())))]
    await two.take()
    await two.stops.look()
    assert [told.reason for told in await world.told()] == [
        "the stop-loss was taken away",
        "the stop-loss moved from 117 to 95",
        "the stop-loss moved from 90 to 117",
    ]
    await one.stops.look()
    assert len(await world.told()) == 3, "whoever lost the partition tells nothing"


async def test_liquidation_is_asked_after_seldom_where_it_is_far_and_told_where_it_is_near(
    world: World, one: Replica
) -> None:
    position = trailing(3)
    world.positions = [position]
    await one.minding.relist()
    await one.minding.mind()
    asking = Liquidations(one.watching, world, world.clock, one.price_of, between=timedelta(seconds=60), unasked=True)
    world.liquidation_prices = {position.position_id: Decimal(50)}
    await one.price(100)
    for seconds, asked in ((0, 1), (61, 1), (540, 2)):
        world.clock.advance(seconds)
        await one.price(100)
        await asking.look()
        assert world.asked_live == asked
    await one.price(70)
    world.clock.advance(600)
    await one.price(70)
    await asking.look()
    world.clock.advance(61)
    world.liquidation_prices = {position.position_id: Decimal(69)}
    await asking.look()
    assert world.asked_live == 4
    one.watching.recheck()
    await one.writing.write()
    (told,) = await world.told()
    assert (told.kind, told.level_price, told.alert_id) == (AlertKind.LIQUIDATION_NEAR, Decimal(69), "")
    assert told.reason == "1.43 % of the price is left to the liquidation price"
    one.watching.positions.apply(replace(position, version=4, is_open=False))
    world.clock.advance(600)
    await asking.look()
    assert world.asked_live == 4
