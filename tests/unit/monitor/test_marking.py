"""Live marks: for whom, how often, and what they say."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from services.common.errors import ServiceUnavailable
from services.common.trading.extremes import TriggerPrice
from services.common.trading.level import INDICATIVE_LEVELS
from services.common.trading.side import Venue
from services.monitor.domain.intent import Claim
from services.monitor.domain.mark import Mark
from services.monitor.domain.position import Instrument, Position
from services.monitor.domain.price_check import Price
from services.monitor.events.told import write_mark
from services.monitor.marks.marking import Marking
from services.monitor.marks.watched import LISTED_FOR, WATCHED_FOR, WatchedPositions
from tests.fakes.clock import FixedClock
from tests.unit.monitor.world import PARTITION, a_position

OBSERVED = a_position(position_id="OP_observed", symbol="ETHUSDT", levels=INDICATIVE_LEVELS, entry_price=Decimal(2000))
ENFORCED = a_position(entry_price=Decimal(64000))


class Desk:
    """A replica that holds the account's partition, and books with an observed position and an enforced one."""

    def __init__(self) -> None:
        self.clock = FixedClock()
        self.told: list[Mark] = []
        self.held: dict[int, Claim] = {PARTITION: Claim("one", PARTITION, 1)}
        self.prices: dict[Instrument, Decimal] = {
            ENFORCED.instrument: Decimal(64500),
            OBSERVED.instrument: Decimal(2100),
        }
        self.at = self.clock.now()
        self.books = [ENFORCED, OBSERVED]
        self.down = False
        self.listed = 0
        self.symbols: list[Mapping[Venue, frozenset[str]]] = []
        self.watched = WatchedPositions(self, self.clock, self.symbols.append)
        self.marking = Marking(self, self.clock, self.tell, self.watched.open, self.price_of, lambda _: None)

    def claims(self) -> Mapping[int, Claim]:
        return self.held

    def price_of(self, instrument: Instrument) -> Price | None:
        value = self.prices.get(instrument)
        return None if value is None else Price(instrument, value, self.at)

    async def list_open(self, user_id: str) -> AsyncIterator[Position]:
        self.listed += 1
        if self.down:
            raise ServiceUnavailable(service="positions")
        for position in self.books:
            if position.user_id == user_id:
                yield position

    async def tell(self, mark: Mark) -> None:
        self.told.append(mark)

    async def turn(self) -> list[str]:
        """One turn a second later; whose positions were told of."""
        self.clock.advance(1)
        self.told.clear()
        await self.watched.refresh()
        await self.marking.mark()
        return [mark.position.position_id for mark in self.told]


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_nobody_is_told_of_what_nobody_watches(desk: Desk) -> None:
    assert not await desk.turn()
    desk.watched.hear("another")
    assert not await desk.turn()
    assert desk.listed == 1


async def test_every_open_position_of_a_watched_user_is_told_of_once_for_each_mark(desk: Desk) -> None:
    desk.watched.hear("demo")
    assert await desk.turn() == [ENFORCED.position_id, OBSERVED.position_id]
    enforced, observed = desk.told
    assert (enforced.price, enforced.unrealized_pnl, enforced.stop_loss) == (Decimal(64500), Decimal(1), Decimal(64000))
    assert enforced.unrealized_pnl_percent == Decimal("0.78125")
    assert (observed.price, observed.stop_loss) == (Decimal(2100), Decimal(2058))
    subject, payload = write_mark(enforced)
    assert subject == "monitor.ephemeral.v1.position_marked.demo"
    assert payload
    assert not await desk.turn()
    desk.at += timedelta(seconds=1)
    assert len(await desk.turn()) == 2
    assert desk.symbols == [{Venue.BINANCE: frozenset({"BTCUSDT", "ETHUSDT"}), Venue.BYBIT: frozenset()}]


async def test_profit_is_told_at_the_mark_and_a_stop_where_its_own_price_has_it(desk: Desk) -> None:
    by_last = replace(ENFORCED, trigger_price=TriggerPrice.LAST)
    desk.books = [by_last]
    desk.prices[by_last.instrument] = Decimal(64800)
    desk.watched.hear("demo")
    await desk.turn()
    (mark,) = desk.told
    assert (mark.price, mark.unrealized_pnl, mark.stop_loss) == (Decimal(64500), Decimal(1), Decimal(64000))


async def test_marks_end_with_the_watching_the_price_and_the_partition(desk: Desk) -> None:
    desk.watched.hear("demo")
    await desk.watched.refresh()
    desk.prices, prices = {}, desk.prices
    assert not await desk.turn()
    desk.prices = prices
    desk.held.clear()
    assert not await desk.turn()
    desk.held[PARTITION] = Claim("one", PARTITION, 1)
    desk.clock.advance(WATCHED_FOR.total_seconds() + 1)
    assert not await desk.turn()
    assert desk.symbols[-1] == {venue: frozenset() for venue in Venue}


async def test_events_count_between_lists_and_an_old_list_brings_nothing_back(desk: Desk) -> None:
    desk.watched.hear("demo")
    await desk.watched.refresh()
    desk.watched.apply(replace(OBSERVED, is_open=False, version=9))
    desk.watched.apply(replace(ENFORCED, quantity=Decimal("0.001"), version=9))
    desk.watched.apply(a_position(position_id="OP_new", entry_price=Decimal(1)))
    desk.watched.apply(a_position(position_id="OP_3", user_id="another"))
    assert await desk.turn() == [ENFORCED.position_id, "OP_new"]
    assert desk.told[0].unrealized_pnl == Decimal("0.5")
    for _ in range(int(LISTED_FOR.total_seconds()) + 1):
        desk.watched.hear("demo")
        desk.at += timedelta(seconds=1)
        told = await desk.turn()
    assert desk.listed == 2
    assert told == [ENFORCED.position_id], "what no list names is gone, and what was closed stays so"


async def test_a_list_that_fails_is_asked_for_again(desk: Desk) -> None:
    desk.down = True
    desk.watched.hear("demo")
    assert not await desk.turn()
    desk.down = False
    assert len(await desk.turn()) == 2
