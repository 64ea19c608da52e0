"""One replica of the monitor over fakes: trigger, closer and closes by hand."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

from services.monitor.closing.closer import Closer
from services.monitor.closing.keys import KeyRing
from services.monitor.closing.manual import ManualCloses
from services.monitor.domain.following import Change
from services.monitor.domain.intent import Claim
from services.monitor.domain.position import Instrument
from services.monitor.domain.price_check import Price
from services.monitor.domain.triggers.index import BookIndex
from services.monitor.triggers.firing import Firing
from services.monitor.triggers.watermarks import Watermarks
from tests.fakes.orders import Answer
from tests.unit.monitor.world import PARTITION, World


class Monitor(World):
    """One replica: trigger, closer and manual closes over the fakes."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(*answers)
        self.held: dict[int, Claim] = {PARTITION: self.take_partition()}
        self.closer = Closer(self.parts(), self, scan_seconds=0.01)
        self.index = BookIndex()
        self.watermarks = Watermarks(timedelta(seconds=15))
        self.firing = Firing(self.index, self.closer, self, self.clock, self.watermarks, self.metrics.closed_after)
        self.manual = ManualCloses(
            self.intents, self.closer, self.books, KeyRing(self.keys, self.clock), self.clock, wait_seconds=5
        )
        self.firing.on_change(Change(None, self.position))

    def claims(self) -> Mapping[int, Claim]:
        return self.held

    async def tick(self, price: str) -> None:
        """A checked price, and everything that it makes happen."""
        checked = Price(Instrument(self.position.venue, "BTCUSDT"), Decimal(price), self.clock.now())
        self.firing.on_price(checked)
        await self.settle()
        self.firing.recheck(checked)
        await self.settle()

    async def settle(self) -> None:
        """Return when nothing is under way."""
        while tasks := [*self.firing._busy.values(), *self.closer._running.values()]:
            await asyncio.wait(tasks)
