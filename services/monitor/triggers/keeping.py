"""Keeps watermarks: writes news of extremes, and asks the venue what happened while nobody watched.

Invariants: at most one write a second for an instrument; what could not be written is written later; levels on an
instrument whose past is owed count as not guarded; whoever takes a partition takes in what its holder before has seen,
so that no stop comes back looser; what was crossed unwatched is told to its user once, by the replica that holds the
position's partition, or comes to hold it soon: after a sudden end the lease of the one before has to lapse first.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol
from uuid import UUID, uuid5

import structlog

from services.common.clock import Clock
from services.common.errors import DomainError
from services.common.exchange.errors import VenueError
from services.common.exchange.prices import PriceKind, PriceReader
from services.common.trading.effective_levels import reached_level
from services.common.trading.extremes import Extreme, Extremes
from services.common.trading.partition import partition_of
from services.common.trading.side import Side
from services.monitor.carrying.work import Claims
from services.monitor.domain.alert import Alert, AlertKind, alert_of_position
from services.monitor.domain.intent import Claim
from services.monitor.domain.position import Instrument, Position
from services.monitor.domain.unwatched import Candle, look_back
from services.monitor.triggers.watermarks import News, Watermarks

_log = structlog.get_logger(__name__)

_FINEST_MINUTES = 1
_LONGEST_FINE = timedelta(days=1)
_COARSE_MINUTES = 60
_WRITE_WATCHED = 5
"""Every so many turns it is noted how far prices were watched."""
_PRUNE = 600
_UNHELD = timedelta(seconds=60)
"""For how long what was found waits for its partition to be held here; whoever else holds it finds it as well."""
_CROSSING = UUID("6f0d7b2e-4c52-4d0b-9a0e-2f4d5a9f7c11")
_MARGIN = timedelta(hours=1)
"""Extremes stay this much longer than any level that is known here needs them."""


@dataclass(frozen=True, slots=True)
class Found:
    """A level that was crossed unwatched: the same whoever finds it, and for how long it may wait to be told."""

    event_id: UUID
    alert: Alert
    until: datetime


class Rows(Protocol):
    """Where extremes and alerts are kept. Every method raises DatabaseUnavailable."""

    async def load(self) -> tuple[Iterable[tuple[Instrument, Side, Extreme]], Mapping[Instrument, datetime]]: ...

    async def write(self, instrument: Instrument, news: News, now: datetime) -> bool: ...

    async def watched(self, until: Mapping[Instrument, datetime]) -> None: ...

    async def prune(self, instrument: Instrument, before: datetime) -> None: ...

    async def tell(self, alerts: Mapping[UUID, Alert], now: datetime) -> None:
        """Each once, by its id."""
        ...


class Marked(Protocol):
    """The index, as far as it is told of better watermarks."""

    def put(self, position: Position, watermark: Decimal | None = None) -> None: ...

    def positions(self, instrument: Instrument) -> tuple[Position, ...]: ...

    def instruments(self) -> Iterable[Instrument]: ...


class Keeping:
    """`run` it as a task; `price_of` gives the checked price of an instrument now, where there is one."""

    def __init__(
        self,
        watermarks: Watermarks,
        index: Marked,
        rows: Rows,
        reader: PriceReader,
        claims: Claims,
        clock: Clock,
        price_of: Callable[[Instrument], Decimal | None],
        notify: Callable[[], None] = lambda: None,
    ) -> None:
        self._watermarks = watermarks
        self._index = index
        self._rows = rows
        self._reader = reader
        self._claims = claims
        self._clock = clock
        self._price_of = price_of
        self._notify = notify
        self._untold: list[Found] = []
        self._taken: frozenset[Claim] = frozenset()

    async def run(self, interval_seconds: float) -> None:
        """Again and again, until cancelled."""
        number = 0
        while True:
            number += 1
            try:
                await self.turn(number)
            except DomainError as error:
                _log.info("extremes not written", reason=error.reason)
            await asyncio.sleep(interval_seconds)

    async def turn(self, number: int) -> None:
        """One of them, by its number. Raises DatabaseUnavailable."""
        await self.take_over()
        await self.catch_up()
        # From before the write: a price that comes during it may have moved what is not written yet.
        watched_until = self._watermarks.watched_until()
        await self.write()
        if number % _WRITE_WATCHED == 0:
            await self._rows.watched(watched_until)
        if number % _PRUNE == 0:
            await self.prune()

    async def take_over(self) -> None:
        """Take in what those have written who held what is held here now. Raises DatabaseUnavailable."""
        held = frozenset(self._claims.claims().values())
        if held - self._taken:
            kept, _ = await self._rows.load()
            for instrument in self._watermarks.merge(kept):
                for position in self._index.positions(instrument):
                    self._index.put(position, self._watermarks.of(position))
        self._taken = held

    async def write(self) -> None:
        """Write what is news, and tell what is not told yet. Raises DatabaseUnavailable: nothing is lost by it."""
        moved = False
        news = self._watermarks.take_news()
        try:
            for instrument in list(news):
                moved = await self._rows.write(instrument, news[instrument], self._clock.now()) or moved
                del news[instrument]
        finally:
            for instrument, unwritten in news.items():
                self._watermarks.put_back(instrument, unwritten)
        told = await self._tell_held()
        if moved or told:
            self._notify()

    async def prune(self) -> None:
        """Forget what no level needs."""
        for instrument in self._index.instruments():
            oldest = self._watermarks.retain(instrument, self._index.positions(instrument))
            await self._rows.prune(instrument, (oldest or self._clock.now()) - _MARGIN)

    async def catch_up(self) -> None:
        """Ask the venues for all that is owed; what they do not tell is asked for again the next time."""
        followed = set(self._index.instruments())
        for instrument, since in self._watermarks.owed().items():
            if instrument not in followed:
                self._watermarks.forgive(instrument)
                continue
            try:
                await self._catch_up(instrument, since)
            except VenueError as error:
                _log.warning("the past is not known", symbol=instrument.symbol, since=since, why=error.kind)

    async def _tell_held(self) -> bool:
        """Tell what was found of partitions that are held; what nobody here has come to hold is forgotten."""
        held, now = self._claims.claims(), self._clock.now()
        self._untold = [found for found in self._untold if now < found.until]
        telling = [found for found in self._untold if partition_of(found.alert.account_id) in held]
        if telling:
            await self._rows.tell({found.event_id: found.alert for found in telling}, now)
            self._untold = [found for found in self._untold if found not in telling]
        return bool(telling)

    async def _catch_up(self, instrument: Instrument, since: datetime) -> None:
        until = self._clock.now()
        candles = await self._read(instrument, since, until)
        positions = self._index.positions(instrument)
        before = {position.position_id: self._watermarks.of(position) for position in positions}
        seen = Extremes()
        for candle in candles:
            seen.take(Side.LONG, [Extreme(candle.high, candle.opened_at)])
            seen.take(Side.SHORT, [Extreme(candle.low, candle.opened_at)])
        self._watermarks.made_up(instrument, {side: seen.points(side) for side in Side}, since, until)
        told = 0
        for position in positions:
            watermark = self._watermarks.of(position)
            self._index.put(position, watermark)
            if self._may_have_crossed(position, watermark, candles):
                told += self._tell(position, before[position.position_id], candles)
        _log.info("caught up", symbol=instrument.symbol, venue=instrument.venue, candles=len(candles), told=told)

    async def _read(self, instrument: Instrument, since: datetime, until: datetime) -> tuple[Candle, ...]:
        minutes = _FINEST_MINUTES if until - since <= _LONGEST_FINE else _COARSE_MINUTES
        rows = await self._reader.read_candles(
            instrument.venue,
            instrument.symbol,
            interval_minutes=minutes,
            since=_whole_minutes(since, minutes),
            until=until,
            kind=PriceKind(instrument.trigger_price.value),
        )
        return tuple(Candle(row.opened_at, row.high, row.low) for row in rows)

    def _may_have_crossed(self, position: Position, watermark: Decimal | None, candles: tuple[Candle, ...]) -> bool:
        """The tightest the stop has been against the worst of prices: quick, and never wrongly no."""
        if not candles:
            return False
        for price in (min(candle.low for candle in candles), max(candle.high for candle in candles)):
            if reached_level(position.side, position.levels, price, watermark) is not None:
                return True
        return False

    def _tell(self, position: Position, before: Decimal | None, candles: tuple[Candle, ...]) -> bool:
        past = look_back(position, before, candles)
        if past.crossed is None:
            return False
        now = self._price_of(position.instrument)
        stands = now is not None and reached_level(position.side, position.levels, now, past.watermark) is not None
        kind = AlertKind.CROSSED_UNWATCHED if stands else AlertKind.CROSSED_AND_RECOVERED
        what = "it still is: the position is being closed" if stands else "the price has recovered: it stays armed"
        reason = f"the {past.crossed} was crossed about {past.at:%Y-%m-%d %H:%M} UTC while nobody watched; {what}"
        event_id = uuid5(_CROSSING, f"{position.position_id} {past.crossed} {past.at}")
        alert = alert_of_position(kind, position, reason, past.price, past.level_price)
        self._untold.append(Found(event_id, alert, self._clock.now() + _UNHELD))
        return True


def _whole_minutes(moment: datetime, minutes: int) -> datetime:
    """The opening of the candle that a moment is in."""
    return moment.replace(minute=moment.minute - moment.minute % min(minutes, 60), second=0, microsecond=0)
