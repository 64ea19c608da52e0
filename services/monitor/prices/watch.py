"""Takes in each price as it arrives and passes on those that may trigger.

Invariants: last prices pass only where an account wants them, and any price only after `judge_price`; a price that is
doubted is held against the venue's REST price first, one question at a time for a symbol; the last price that passed is
what the next is held against.
"""

import asyncio
from collections.abc import Callable, Mapping

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
        self._asking: dict[Instrument, asyncio.Task[None]] = {}

    def subscribe(self, wanted: Mapping[Venue, frozenset[str]], by_last: frozenset[Instrument] = frozenset()) -> None:
        """Follow these symbols and no others; `by_last` are those whose last price is wanted as well."""
        self._by_last = by_last
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
        taken = Price(instrument, price.price, price.venue_time)
        match judge_price(taken, self._passed.get(instrument), self._clock.now(), self._limits):
            case Verdict.ACCEPTED:
                self._pass_on(taken)
            case Verdict.DOUBTED if instrument not in self._asking:
                task = asyncio.create_task(self._confirm(taken), name=f"confirm {instrument}")
                self._asking[instrument] = task
                task.add_done_callback(lambda _: self._asking.pop(instrument, None))

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
        state = feed.state()
        if state.mode is FeedMode.DOWN:
            return "FEED_DOWN"
        passed = self._passed.get(instrument)
        if passed is None:
            return "NO_PRICE"
        stale = instrument.symbol in state.stale or self._clock.now() - passed.at > self._limits.oldest
        return "FEED_STALE" if stale else ""

    def up(self, venues: frozenset[Venue]) -> bool:
        """Whether the feeds of these venues bring prices."""
        return all(venue in self.feeds and self.feeds[venue].state().mode is not FeedMode.DOWN for venue in venues)

    async def drain(self) -> None:
        """Ask no more."""
        for task in self._asking.values():
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    async def _confirm(self, doubted: Price) -> None:
        try:
            kind = PriceKind(doubted.instrument.trigger_price.value)
            answer = await self._reader.read_price(doubted.instrument.venue, doubted.instrument.symbol, kind)
        except VenueError as error:
            _log.warning("price not confirmed", symbol=doubted.instrument.symbol, why=error.kind)
            return
        second = Price(doubted.instrument, answer.price, answer.venue_time)
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
