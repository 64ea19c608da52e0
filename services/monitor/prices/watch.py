"""Takes in each price as it arrives and passes on those that may trigger.

Invariants: last prices pass only where an account wants them, and any price only after `judge_price`; a price that is
doubted is held against the venue's REST price first, one question at a time for a symbol; the price that passed before
is what the next is held against. A mark is as old as the venue says. A last price stands until the next trade, so that
it is as old as the answer that it came with; a symbol in which nobody trades is asked for.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog

from services.common.clock import Clock
from services.common.exchange.errors import VenueError
from services.common.exchange.prices import FeedMode, PriceKind, PriceReader, PriceSource
from services.common.exchange.prices import Price as VenuePrice
from services.common.trading.extremes import TriggerPrice
from services.common.trading.side import Venue
from services.monitor.domain.position import Instrument
from services.monitor.domain.price_check import Price, PriceLimits, Verdict, is_confirmed, judge_price

_log = structlog.get_logger(__name__)

OnPrice = Callable[[Price], None]

_CLOCK_DIFFERENCE = timedelta(seconds=1)
"""A price that was asked for is dated this much back, or what the venue streams next might seem older than it."""


@dataclass(frozen=True, slots=True)
class FeedStanding:
    """How the prices of a venue arrive. `age`: of the oldest that is needed; `symbols`: how many are followed."""

    mode: FeedMode
    age: timedelta
    symbols: int


class PriceWatch:
    """The prices of the symbols that are followed. `feeds` is filled by whoever makes them: they call `on_price`."""

    def __init__(self, reader: PriceReader, clock: Clock, limits: PriceLimits, on_checked: OnPrice) -> None:
        self.feeds: dict[Venue, PriceSource] = {}
        self._reader = reader
        self._clock = clock
        self._limits = limits
        self._on_checked = on_checked
        self._by_last: frozenset[Instrument] = frozenset()
        self._passed: dict[Instrument, Price] = {}
        self._wanted_since: dict[tuple[Venue, str], datetime] = {}
        self._asking: dict[Instrument, asyncio.Task[None]] = {}

    def subscribe(self, wanted: Mapping[Venue, frozenset[str]], by_last: frozenset[Instrument] = frozenset()) -> None:
        """Follow these symbols and no others; `by_last` are those whose last price is wanted as well."""
        self._by_last = by_last
        now, since = self._clock.now(), self._wanted_since
        every = [(venue, symbol) for venue, symbols in wanted.items() for symbol in symbols]
        self._wanted_since = {one: since.get(one, now) for one in every}
        for venue, feed in self.feeds.items():
            symbols = wanted.get(venue, frozenset())
            feed.subscribe(symbols)
            for instrument in [known for known in self._passed if known.venue is venue]:
                if instrument.symbol not in symbols:
                    del self._passed[instrument]

    def on_price(self, price: VenuePrice) -> None:
        """Take in a price as a feed hands it over; quick, and never waits."""
        instrument = Instrument(price.venue, price.symbol, TriggerPrice(price.kind.value))
        if price.kind is not PriceKind.MARK and instrument not in self._by_last:
            return
        taken = _taken(instrument, price)
        match judge_price(taken, self._passed.get(instrument), self._clock.now(), self._limits):
            case Verdict.ACCEPTED:
                self._pass_on(taken)
            case Verdict.DOUBTED if instrument not in self._asking:
                task = asyncio.create_task(self._confirm(taken), name=f"confirm {instrument}")
                self._asking[instrument] = task
                task.add_done_callback(partial(self._asked, instrument))

    def ask_for_quiet(self) -> None:
        """Ask for last prices of which nothing was heard for half of the time for which one counts."""
        oldest = self._clock.now() - self._limits.oldest / 2
        for instrument in self._by_last:
            passed = self._passed.get(instrument)
            if (passed is None or passed.at < oldest) and instrument not in self._asking:
                task = asyncio.create_task(self._ask(instrument), name=f"ask {instrument}")
                self._asking[instrument] = task
                task.add_done_callback(partial(self._asked, instrument))

    def current(self) -> tuple[Price, ...]:
        """The prices that passed last and are still young enough."""
        oldest = self._clock.now() - self._limits.oldest
        return tuple(price for price in self._passed.values() if price.at >= oldest)

    def last(self, instrument: Instrument) -> Price | None:
        """The price that passed last, if it is young enough."""
        price = self._passed.get(instrument)
        return price if price is not None and self._clock.now() - price.at <= self._limits.oldest else None

    def trouble(self, instrument: Instrument) -> str:
        """Why levels on an instrument are not watched; empty where they are."""
        feed = self.feeds.get(instrument.venue)
        if feed is None:
            return "NO_FEED"
        passed = self._passed.get(instrument)
        heard_at = self._wanted_since.get((instrument.venue, instrument.symbol)) if passed is None else passed.at
        if heard_at is not None and self._clock.now() - heard_at <= self._limits.oldest:
            # A stream that was lost is no trouble while a price is young: prices are asked for within two seconds.
            return "NO_PRICE" if passed is None else ""
        return "FEED_DOWN" if feed.state().mode is FeedMode.DOWN else "FEED_STALE"

    def oldest(self, venue: Venue) -> timedelta:
        """The age of the oldest price among those that are needed of a venue; nothing where none is."""
        now = self._clock.now()
        ages = [
            now - (since if (passed := self._passed.get(needed)) is None else passed.at)
            for one, since in self._wanted_since.items()
            if one[0] is venue
            for needed in self._needed(*one)
        ]
        return max(ages, default=timedelta(0))

    def up(self, venues: frozenset[Venue]) -> bool:
        """Whether the feeds of these venues bring prices."""
        return all(venue in self.feeds and self.feeds[venue].state().mode is not FeedMode.DOWN for venue in venues)

    def standing(self, venue: Venue) -> FeedStanding:
        """How the feed of a venue does now; DOWN where there is none."""
        feed = self.feeds.get(venue)
        return FeedStanding(
            mode=FeedMode.DOWN if feed is None else feed.state().mode,
            # A venue's clock may be ahead of ours.
            age=max(timedelta(0), self.oldest(venue)),
            symbols=sum(wanted is venue for wanted, _ in self._wanted_since),
        )

    async def drain(self) -> None:
        """Ask no more."""
        for task in self._asking.values():
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    def _needed(self, venue: Venue, symbol: str) -> list[Instrument]:
        """The prices of a symbol that is followed: its mark, and its last price where that is wanted."""
        last = Instrument(venue, symbol, TriggerPrice.LAST)
        return [Instrument(venue, symbol), *([last] if last in self._by_last else [])]

    def _asked(self, instrument: Instrument, _: asyncio.Task[None]) -> None:
        self._asking.pop(instrument, None)

    async def _ask(self, instrument: Instrument) -> None:
        try:
            kind = PriceKind(instrument.trigger_price.value)
            answer = await self._reader.read_price(instrument.venue, instrument.symbol, kind)
        except VenueError as error:
            _log.info("price not heard", symbol=instrument.symbol, why=error.kind)
            return
        taken = _taken(instrument, answer)
        # One that is far from the one before is asked for once more, as any other is.
        if judge_price(taken, self._passed.get(instrument), self._clock.now(), self._limits) is Verdict.ACCEPTED:
            self._pass_on(taken)
        else:
            await self._confirm(taken)

    async def _confirm(self, doubted: Price) -> None:
        try:
            kind = PriceKind(doubted.instrument.trigger_price.value)
            answer = await self._reader.read_price(doubted.instrument.venue, doubted.instrument.symbol, kind)
        except VenueError as error:
            _log.warning("price not confirmed", symbol=doubted.instrument.symbol, why=error.kind)
            return
        second = _taken(doubted.instrument, answer)
        if is_confirmed(doubted, second, self._clock.now(), self._limits):
            self._pass_on(second)
        else:
            _log.warning(
                "price refused",
                symbol=doubted.instrument.symbol,
                venue=doubted.instrument.venue,
                price=doubted.value,
                second=second.value,
            )

    def _pass_on(self, price: Price) -> None:
        before = self._passed.get(price.instrument)
        if before is None or price.at >= before.at:
            self._passed[price.instrument] = price
        self._on_checked(price)


def _taken(instrument: Instrument, price: VenuePrice) -> Price:
    """A venue's price as the monitor holds it.

    Of a last price that was asked for the venue tells when it was traded, but it is the last one now.
    """
    if price.kind is PriceKind.LAST and price.polled:
        return Price(instrument, price.price, max(price.venue_time, price.received_at - _CLOCK_DIFFERENCE))
    return Price(instrument, price.price, price.venue_time)
