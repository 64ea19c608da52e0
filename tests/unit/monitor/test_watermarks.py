"""Watermarks over restarts: what was kept, what the venue tells of the time between, and who is told of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from services.common.errors import DatabaseUnavailable
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.prices import Candle, PriceKind
from services.common.exchange.prices import Price as VenuePrice
from services.common.trading.extremes import Extreme
from services.common.trading.level import Level, LevelKind, LevelRules, NoLevel, Pinned, Trailing
from services.common.trading.side import Side, Venue
from services.monitor.domain.alert import Alert, AlertKind
from services.monitor.domain.intent import Claim
from services.monitor.domain.position import Instrument, Position
from services.monitor.domain.price_check import Price
from services.monitor.domain.triggers.index import BookIndex
from services.monitor.domain.unwatched import Candle as Bar
from services.monitor.domain.unwatched import look_back
from services.monitor.triggers.keeping import Keeping
from services.monitor.triggers.watermarks import News, Watermarks
from tests.fakes.clock import FixedClock
from tests.unit.monitor.world import PARTITION, a_position

NOW = FixedClock().now()
BTC = Instrument(Venue.BINANCE, "BTCUSDT")


def a_trailing(armed_at: datetime, mark: str = "100", side: Side = Side.LONG) -> Position:
    """Two per cent away."""
    return a_position(
        side=side, levels=LevelRules(Level(Trailing(Decimal("0.02")), armed_at, Decimal(mark)), Level(NoLevel()))
    )


def bars(*rows: tuple[str, str]) -> tuple[Candle, ...]:
    """A candle a minute, the last one a minute ago: high and low."""
    first = NOW - timedelta(minutes=len(rows))
    return tuple(
        Candle(first + timedelta(minutes=number), Decimal(low), Decimal(high), Decimal(low), Decimal(high), None)
        for number, (high, low) in enumerate(rows)
    )


@dataclass
class Replica:
    """A monitor's watermarks from its start, over rows that outlive it."""

    candles: tuple[Candle, ...] = ()
    now_at: str | None = None
    kept: list[tuple[Instrument, Side, Extreme]] = field(default_factory=list)
    until: dict[Instrument, datetime] = field(default_factory=dict)
    told: list[Alert] = field(default_factory=list)
    asked: list[tuple[datetime, PriceKind]] = field(default_factory=list)
    silent: bool = False
    down: bool = False
    epoch: int = 1
    """Of the partition's lease; 0 while it is another's."""
    meanwhile: Callable[[], None] | None = None
    """What happens while the next question is under way."""

    def __post_init__(self) -> None:
        self.clock = FixedClock()
        self.start()

    def start(self) -> None:
        self.index = BookIndex()
        self.watermarks = Watermarks(timedelta(seconds=15))
        self.watermarks.restore(self.kept, self.until)
        self.keeping = Keeping(
            self.watermarks, self.index, self, self, self, self.clock, lambda _: Decimal(self.now_at or 0) or None
        )

    def follow(self, position: Position) -> None:
        self.watermarks.owe(position)
        self.index.put(position, self.watermarks.of(position))

    def tick(self, value: str) -> None:
        self.clock.advance(1)
        price = Price(BTC, Decimal(value), self.clock.now())
        self.watermarks.record(price)
        if self.index.crossed(BTC, price.value).raised:
            self.watermarks.moved(price)

    async def life(self) -> None:
        await self.keeping.catch_up()
        await self.keeping.write()

    async def write(self, instrument: Instrument, news: News, now: datetime) -> bool:
        if self.down:
            raise DatabaseUnavailable
        self.happen()
        self.kept += [(instrument, Side.LONG, point) for point in news.highs]
        self.kept += [(instrument, Side.SHORT, point) for point in news.lows]
        return True

    async def watched(self, until: Mapping[Instrument, datetime]) -> None:
        self.until.update(until)

    def happen(self) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()

    async def prune(self, instrument: Instrument, before: datetime) -> None:
        self.kept = [row for row in self.kept if row[2].at >= before]

    async def tell(self, alerts: Mapping[UUID, Alert], now: datetime) -> None:
        self.told += alerts.values()

    async def load(self) -> tuple[Iterable[tuple[Instrument, Side, Extreme]], Mapping[Instrument, datetime]]:
        return list(self.kept), dict(self.until)

    async def read_price(self, venue: Venue, symbol: str, kind: PriceKind = PriceKind.MARK) -> VenuePrice:
        raise AssertionError("not asked for")

    async def read_candles(
        self,
        venue: Venue,
        symbol: str,
        *,
        interval_minutes: int,
        since: datetime,
        until: datetime,
        kind: PriceKind = PriceKind.LAST,
    ) -> tuple[Candle, ...]:
        self.asked.append((since, kind))
        self.happen()
        if self.silent:
            raise VenueError(venue, VenueErrorKind.TIMEOUT, "no answer")
        return tuple(candle for candle in self.candles if since <= candle.opened_at < until)

    def claims(self) -> Mapping[int, Claim]:
        return {PARTITION: Claim("one", PARTITION, self.epoch)} if self.epoch else {}


async def test_a_watermark_is_the_same_after_a_restart_without_any_candle() -> None:
    replica = Replica()
    replica.follow(a_trailing(NOW))
    for value in ("101", "105", "104.5", "103"):
        replica.tick(value)
    await replica.life()
    await replica.watched(replica.watermarks.watched_until())
    replica.start()
    replica.follow(a_trailing(NOW))
    assert replica.index.watermark(a_position().position_id) == Decimal(105)


async def test_only_what_moves_a_watermark_is_written() -> None:
    replica = Replica()
    replica.follow(a_trailing(NOW))
    for value in ("101", "102", "101.5", "101.9"):
        replica.tick(value)
    await replica.life()
    assert [extreme.price for _, side, extreme in replica.kept if side is Side.LONG] == [Decimal(101), Decimal(102)]
    before = len(replica.kept)
    replica.tick("101.7")
    await replica.life()
    assert len(replica.kept) == before


async def test_what_could_not_be_written_is_written_later() -> None:
    replica = Replica()
    replica.follow(a_trailing(NOW))
    replica.tick("105")
    replica.down = True
    with pytest.raises(DatabaseUnavailable):
        await replica.life()
    replica.down = False
    await replica.life()
    assert Decimal(105) in {extreme.price for _, _, extreme in replica.kept}


async def test_a_level_that_is_heard_of_late_has_the_prices_since_it_was_armed() -> None:
    replica = Replica()
    for value in ("107", "103", "102"):
        replica.tick(value)
    replica.follow(a_trailing(NOW + timedelta(seconds=2), mark="102.5"))
    assert replica.index.watermark(a_position().position_id) == Decimal(103)
    assert not replica.watermarks.trouble(BTC)
    await replica.life()
    assert [extreme.price for _, _, extreme in replica.kept] == [Decimal(103)]


async def test_what_happened_unwatched_is_asked_for_and_raises_the_watermark() -> None:
    replica = Replica(candles=bars(("101", "100"), ("110", "101"), ("109", "108.5")), now_at="108.9")
    replica.follow(a_trailing(NOW - timedelta(minutes=3)))
    assert replica.watermarks.trouble(BTC) == "CATCHING_UP"
    await replica.life()
    assert not replica.watermarks.trouble(BTC)
    assert replica.index.watermark(a_position().position_id) == Decimal(110)
    assert [kind for _, kind in replica.asked] == [PriceKind.MARK]
    assert not replica.told


@pytest.mark.parametrize(
    ("now_at", "kind"), [("97", AlertKind.CROSSED_UNWATCHED), ("99", AlertKind.CROSSED_AND_RECOVERED)]
)
async def test_what_was_crossed_unwatched_is_told(now_at: str, kind: AlertKind) -> None:
    replica = Replica(candles=bars(("100", "99"), ("100", "97.5"), ("99.5", "97.6")), now_at=now_at)
    replica.follow(a_trailing(NOW - timedelta(minutes=5)))
    await replica.life()
    (alert,) = replica.told
    assert (alert.kind, alert.level_price, alert.price) == (kind, Decimal(98), Decimal("97.5"))
    crossed = replica.index.crossed(BTC, Decimal(now_at))
    assert bool(crossed.triggers) is (kind is AlertKind.CROSSED_UNWATCHED)


async def test_what_was_crossed_unwatched_is_told_once_the_lease_of_the_one_before_has_lapsed() -> None:
    replica = Replica(candles=bars(("100", "99"), ("100", "97.5"), ("99.5", "97.6")), now_at="99", epoch=0)
    replica.follow(a_trailing(NOW - timedelta(minutes=5)))
    await replica.life()
    assert not replica.told
    replica.clock.advance(6)
    replica.epoch = 1
    for _ in range(2):
        await replica.life()
    (alert,) = replica.told
    assert alert.kind is AlertKind.CROSSED_AND_RECOVERED


async def test_what_was_crossed_unwatched_is_not_told_by_who_does_not_come_to_hold_it() -> None:
    replica = Replica(candles=bars(("100", "99"), ("100", "97.5"), ("99.5", "97.6")), now_at="99", epoch=0)
    replica.follow(a_trailing(NOW - timedelta(minutes=5)))
    await replica.life()
    replica.clock.advance(60)
    replica.epoch = 1
    await replica.life()
    assert not replica.told


async def test_whoever_takes_a_partition_takes_in_the_watermark_that_its_holder_saw() -> None:
    replica = Replica(epoch=0)
    replica.follow(a_trailing(NOW))
    await replica.life()
    replica.tick("101")
    await replica.keeping.turn(1)
    replica.kept.append((BTC, Side.LONG, Extreme(Decimal(105), NOW + timedelta(milliseconds=500))))
    await replica.keeping.turn(2)
    assert replica.index.watermark(a_position().position_id) == Decimal(101), "another still holds it"
    replica.epoch = 1
    await replica.keeping.turn(3)
    assert replica.index.watermark(a_position().position_id) == Decimal(105)


async def test_a_venue_that_does_not_answer_is_asked_again() -> None:
    replica = Replica(silent=True)
    replica.follow(a_trailing(NOW - timedelta(minutes=5)))
    await replica.life()
    assert replica.watermarks.trouble(BTC) == "CATCHING_UP"
    replica.silent = False
    await replica.life()
    assert not replica.watermarks.trouble(BTC)


async def test_only_the_time_that_nobody_watched_is_asked_for() -> None:
    replica = Replica()
    replica.until[BTC] = NOW - timedelta(minutes=2)
    replica.start()
    replica.follow(a_trailing(NOW - timedelta(days=9)))
    await replica.life()
    assert [since for since, _ in replica.asked] == [NOW - timedelta(minutes=2)]


async def test_a_gap_between_prices_is_asked_for() -> None:
    replica = Replica()
    replica.tick("100")
    replica.follow(a_trailing(replica.clock.now()))
    replica.clock.advance(60)
    replica.tick("100")
    assert replica.watermarks.trouble(BTC) == "CATCHING_UP"
    await replica.life()
    assert not replica.watermarks.trouble(BTC)


async def test_the_time_between_the_candles_and_the_first_price_is_asked_for() -> None:
    replica = Replica(candles=bars(("101", "100")))
    replica.follow(a_trailing(NOW - timedelta(minutes=1)))
    await replica.life()
    assert not replica.watermarks.trouble(BTC)
    replica.clock.advance(60)
    replica.tick("100")
    assert replica.watermarks.owed() == {BTC: NOW}


async def test_what_comes_to_be_owed_while_candles_are_read_is_still_owed() -> None:
    replica = Replica()
    replica.follow(a_trailing(NOW - timedelta(minutes=1)))
    before = replace(a_trailing(NOW - timedelta(minutes=30)), position_id="another")
    replica.meanwhile = lambda: replica.follow(before)
    await replica.life()
    assert replica.watermarks.owed() == {BTC: NOW - timedelta(minutes=30)}
    await replica.life()
    assert replica.watermarks.owed() == {}


async def test_a_gap_while_candles_are_read_is_still_owed() -> None:
    replica = Replica()
    replica.tick("100")
    replica.follow(a_trailing(NOW - timedelta(minutes=1)))
    asked_at = replica.clock.now()

    def quiet_and_back() -> None:
        replica.clock.advance(59)
        replica.tick("100")

    replica.meanwhile = quiet_and_back
    await replica.life()
    assert replica.watermarks.owed() == {BTC: asked_at}


async def test_no_price_counts_as_watched_before_what_it_moved_is_written() -> None:
    replica = Replica()
    replica.follow(a_trailing(NOW))
    await replica.life()
    replica.tick("101")
    replica.meanwhile = lambda: replica.tick("110")
    await replica.keeping.turn(5)
    assert replica.until[BTC] < replica.clock.now()
    assert Decimal(110) not in {extreme.price for _, _, extreme in replica.kept}
    await replica.keeping.turn(10)
    assert replica.until[BTC] == replica.clock.now()
    assert Decimal(110) in {extreme.price for _, _, extreme in replica.kept}


async def test_the_venue_is_not_asked_for_the_past_of_what_nobody_holds_any_more() -> None:
    replica = Replica(silent=True)
    position = a_trailing(NOW - timedelta(minutes=1))
    replica.follow(position)
    await replica.life()
    replica.index.remove(position.position_id)
    for _ in range(3):
        await replica.life()
    assert len(replica.asked) == 1


async def test_pruning_keeps_what_levels_need() -> None:
    replica = Replica()
    replica.follow(a_trailing(NOW))
    for value in ("101", "102", "103"):
        replica.tick(value)
    await replica.life()
    replica.clock.advance(7200)
    await replica.keeping.prune()
    replica.start()
    replica.follow(a_trailing(NOW))
    assert replica.index.watermark(a_position().position_id) == Decimal(103)


@pytest.mark.parametrize("side", Side)
def test_within_a_candle_the_adverse_extreme_meets_the_watermark_from_before_it(side: Side) -> None:
    def price(value: str) -> Decimal:
        return Decimal(value) if side is Side.LONG else 200 - Decimal(value)

    def bar(best: str, worst: str) -> Bar:
        return Bar(NOW, max(price(best), price(worst)), min(price(best), price(worst)))

    position = a_trailing(NOW, side=side)
    inside = look_back(position, None, [bar("110", "99")])
    assert (inside.crossed, inside.watermark) == (None, price("110"))
    after = look_back(position, None, [bar("110", "99"), bar("109", "107")])
    assert (after.crossed, after.price) == (LevelKind.STOP_LOSS, price("107"))


def test_a_candle_from_before_a_level_was_armed_tells_nothing_of_it() -> None:
    pinned = a_position(levels=LevelRules(Level(Pinned(Decimal(98)), NOW, Decimal(100)), Level(NoLevel())))
    assert look_back(pinned, None, [Bar(NOW - timedelta(seconds=30), Decimal(110), Decimal(90))]).crossed is None
