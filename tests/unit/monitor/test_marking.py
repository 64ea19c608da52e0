"""Live marks: for whom, how often, and what they say."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from services.common.bus import Received
from services.monitor.domain.following import Change
from services.monitor.domain.intent import Claim
from services.monitor.domain.mark import Mark
from services.monitor.domain.price_check import Price
from services.monitor.events.told import write_mark
from services.monitor.marks.marking import WATCHED_FOR, Marking
from tests.fakes.clock import FixedClock
from tests.unit.monitor.world import PARTITION, a_position


class Desk:
    def __init__(self) -> None:
        self.clock = FixedClock()
        self.told: list[Mark] = []
        self.held: dict[int, Claim] = {PARTITION: Claim("one", PARTITION, 1)}
        self.price: Price | None = Price(a_position().instrument, Decimal(64500), self.clock.now())
        self.marking = Marking(self, self.clock, self.tell, lambda _: self.price, lambda _: None)
        self.marking.on_change(Change(None, a_position(entry_price=Decimal(64000))))

    def claims(self) -> Mapping[int, Claim]:
        return self.held

    async def tell(self, mark: Mark) -> None:
        self.told.append(mark)

    async def watch(self, user: str = "demo") -> None:
        subject = f"gateway.ephemeral.v1.user_watched.{user}"
        await self.marking.hear(Received(subject, b"", "", 0, self.clock.now(), 1))


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_nobody_is_told_of_what_nobody_watches(desk: Desk) -> None:
    await desk.marking.mark()
    await desk.watch("another")
    await desk.marking.mark()
    assert not desk.told


async def test_a_position_is_told_of_once_for_each_price(desk: Desk) -> None:
    await desk.watch()
    await desk.marking.mark()
    await desk.marking.mark()
    (mark,) = desk.told
    assert (mark.price, mark.unrealized_pnl, mark.stop_loss) == (Decimal(64500), Decimal(1), Decimal(64000))
    assert mark.unrealized_pnl_percent == Decimal("0.78125")
    assert desk.price is not None
    desk.price = replace(desk.price, at=desk.price.at + timedelta(seconds=1))
    await desk.marking.mark()
    assert len(desk.told) == 2
    subject, payload = write_mark(mark)
    assert subject == "monitor.ephemeral.v1.position_marked.demo"
    assert payload


async def test_marks_end_with_the_watching_the_price_the_partition_and_the_position(desk: Desk) -> None:
    await desk.watch()
    desk.price, price = None, desk.price
    await desk.marking.mark()
    desk.price = price
    desk.held.clear()
    await desk.marking.mark()
    desk.held[PARTITION] = Claim("one", PARTITION, 1)
    desk.clock.advance(WATCHED_FOR.total_seconds() + 1)
    await desk.marking.mark()
    await desk.watch()
    desk.marking.on_change(Change(a_position(), None))
    await desk.marking.mark()
    assert not desk.told
