"""What becomes of the extremes that the monitor tells: samples of trailing stops, and a snapshot to start from.

Invariants: a sample is no version of a position; at most one a minute, and only where the stop has moved with the
price: a stop that stands on its floor has not, whatever the trail under it does; a snapshot is never ahead of its place
in the stream, so that what follows it may be taken in twice but is never left out.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.clock import Clock
from services.common.database import transaction
from services.common.errors import DatabaseUnavailable, DomainError
from services.common.trading.effective_levels import effective_levels
from services.common.trading.extremes import Extreme, TriggerPrice
from services.common.trading.level import Trailing
from services.common.trading.money import to_books
from services.common.trading.side import Side, Venue
from services.positions.domain.position import Position
from services.positions.store import trails
from services.positions.watermarks import Watermarks

_log = structlog.get_logger(__name__)

_RETRY_SECONDS = 1.0
Points = list[tuple[Decimal, datetime]]


class Stack(msgspec.Struct):
    """The extremes of one symbol by one source, as they are kept."""

    venue: str
    symbol: str
    trigger_price: str
    highs: Points
    lows: Points


class TrailKeeper:
    """Samples stops and keeps the extremes. `run` is to be a supervised task."""

    def __init__(self, engine: AsyncEngine, watermarks: Watermarks, clock: Clock) -> None:
        self._engine = engine
        self._watermarks = watermarks
        self._clock = clock

    async def restore_patiently(self) -> int:
        """As `restore`, however long the database is away."""
        while True:
            try:
                return await self.restore()
            except DatabaseUnavailable as error:
                _log.info("extremes wait", reason=error.reason)
            await asyncio.sleep(_RETRY_SECONDS)

    async def restore(self) -> int:
        """Take in what was kept; the place in the stream to go on from, 0 where nothing was kept.

        Raises DatabaseUnavailable.
        """
        async with transaction(self._engine) as connection:
            kept = await trails.find_snapshot(connection)
        if kept is None:
            return 0
        place, stacks = kept
        for one in msgspec.json.decode(stacks, type=list[Stack]):
            self._watermarks.take(
                Venue(one.venue),
                one.symbol,
                TriggerPrice(one.trigger_price),
                [Extreme(price, at) for price, at in one.highs],
                [Extreme(price, at) for price, at in one.lows],
            )
        return place

    async def run(self, place: Callable[[], int], interval_seconds: float) -> None:
        """Sample and keep again and again, until cancelled. `place` is where the following of extremes has come to."""
        while True:
            await asyncio.sleep(interval_seconds)
            try:
                await self.sample()
                await self.keep(place())
            except DomainError as error:
                _log.info("trails wait", reason=error.reason)

    async def keep(self, place: int) -> None:
        """Keep the extremes as they are. `place` is read before them. Raises DatabaseUnavailable."""
        if place == 0:
            return
        stacks = [
            Stack(
                venue.value,
                symbol,
                source.value,
                [(one.price, one.at) for one in stack.points(Side.LONG)],
                [(one.price, one.at) for one in stack.points(Side.SHORT)],
            )
            for (venue, symbol, source), stack in self._watermarks.stacks()
        ]
        async with transaction(self._engine) as connection:
            await trails.keep_snapshot(connection, place, self._clock.now(), msgspec.json.encode(stacks))

    async def sample(self) -> int:
        """Sample the stops of symbols whose extremes have moved; how many were. Raises DatabaseUnavailable."""
        moved = self._watermarks.take_moved()
        if not moved:
            return 0
        async with transaction(self._engine) as connection:
            found = await trails.list_trailing(connection, {symbol for _, symbol, _ in moved})
            trailing = {one.position_id: one for one in found if (one.venue, one.symbol, one.trigger_price) in moved}
            before = await trails.latest_stops(connection, trailing.keys())
            now = self._clock.now()
            samples = [self._sampled(one, now) for one in trailing.values()]
            news = [one for one in samples if one is not None and before.get(one.position_id) != one.stop_price]
            await trails.insert_samples(connection, news)
        return len(news)

    def _sampled(self, position: Position, now: datetime) -> trails.TrailSample | None:
        """None where the stop does not trail, or stands where it was armed."""
        stop = position.levels.stop_loss
        if not stop.enforced or not isinstance(stop.rule, Trailing) or stop.armed_at is None or not stop.armed_mark:
            return None
        watermarks, side = self._watermarks, position.side
        best = watermarks.watermark(position.venue, position.symbol, side, stop.armed_at, position.trigger_price)
        if best is None or side.sign * best <= side.sign * stop.armed_mark:
            return None
        price = effective_levels(side, replace(position.levels, floor=None), best, best).stop_loss
        floor = position.levels.floor
        if price is None or (floor is not None and side.sign * price <= side.sign * floor):
            return None
        return trails.TrailSample(position.position_id, now, position.version, to_books(price), best)
