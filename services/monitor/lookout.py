"""What watches prices and levels: built together, for each part needs another.

Prices come in from the venues' feeds, are checked, and are held against the levels of all positions; what they trigger
is closed. Beside that: extremes behind watermarks, live marks for those who watch, and who is guarded.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar

import structlog

from services.common.errors import Unavailable
from services.common.exchange.feed import PriceFeed
from services.common.trading.side import Venue
from services.monitor.clients.live import UserPositions
from services.monitor.closing.closer import Closer
from services.monitor.domain.position import Position
from services.monitor.domain.price_check import PriceLimits
from services.monitor.domain.triggers.index import BookIndex
from services.monitor.events.followed import FOLLOWED, WATCHED, FactHandler, hear_watched
from services.monitor.events.told import write_mark
from services.monitor.ground import Ground
from services.monitor.marks.marking import Marking
from services.monitor.marks.watched import WatchedPositions
from services.monitor.partitions.announcing import Announcer
from services.monitor.partitions.guarding import Guarding
from services.monitor.partitions.holding import fence
from services.monitor.prices.wanted import WantedSymbols
from services.monitor.prices.warming import keep_warm
from services.monitor.prices.watch import OnPrice, PriceWatch
from services.monitor.triggers.firing import Firing
from services.monitor.triggers.following import LevelFollower
from services.monitor.triggers.keeping import Keeping
from services.monitor.triggers.loading import settle_memory
from services.monitor.triggers.store import PostgresExtremes
from services.monitor.triggers.watermarks import Watermarks

_READINESS_POLL_SECONDS = 0.1
_RETRY_SECONDS = 1.0

_log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lookout:
    """What other rooms look at. `heard`: who takes each checked price, to be added to; `wanted`: whose prices come."""

    index: BookIndex
    watch: PriceWatch
    levels: LevelFollower
    wanted: WantedSymbols
    heard: list[OnPrice]

    async def ready(self) -> None:
        """Return once the levels are known and the prices that they need arrive; what was loaded stays for good."""
        while True:
            needed = frozenset(venue for venue, symbols in self.levels.symbols().items() if symbols)
            if self.levels.loaded and self.watch.up(needed):
                settle_memory()
                return
            await asyncio.sleep(_READINESS_POLL_SECONDS)


async def build(ground: Ground, closer: Closer, trouble: Callable[[Position], str]) -> Lookout:
    """Make it and start its work. `trouble`: why nothing of a position may be closed now; empty where it may."""
    settings, process, clock, bus = ground.settings, ground.process, ground.clock, ground.bus
    index = BookIndex()
    watermarks = Watermarks(timedelta(seconds=settings.price_gap_seconds))
    extremes = PostgresExtremes(ground.engine)
    await _restore(watermarks, extremes)
    firing = Firing(index, closer, ground.holder, clock, watermarks, ground.metrics.closed_after)
    process.on_drain(firing.drain, "triggers")

    limits = PriceLimits(settings.price_step_limit, timedelta(seconds=settings.price_age_limit_seconds))
    heard: list[OnPrice] = [firing.on_price]
    watch = PriceWatch(ground.reader, clock, limits, _each(heard))
    process.on_drain(watch.drain, "prices")
    for venue in Venue:
        feed = PriceFeed(ground.venues, venue, watch.on_price)
        watch.feeds[venue] = feed
        process.spawn(f"{venue} prices", feed.run())

    levels = LevelFollower(
        ground.books,
        firing.on_change,
        lambda symbols: wanted.state("levels", symbols),
        relist_seconds=settings.relist_seconds,
    )
    wanted = WantedSymbols(watch.subscribe, levels.by_last)
    watched = WatchedPositions(UserPositions(ground.positions), clock, partial(wanted.state, "marks"))
    facts = bus.follow(
        FOLLOWED, FactHandler(_each([levels.apply, watched.apply]), ground.keys.forget), on_gap=levels.relist
    )
    process.spawn("facts", facts.run())
    process.spawn("levels", levels.run(facts.started))

    marking = Marking(
        *(ground.holder, clock, lambda mark: bus.publish_ephemeral(*write_mark(mark))),
        *(watched.open, watch.last, index.watermark),
    )
    keeping = Keeping(
        *(watermarks, index, extremes, ground.reader, ground.holder, clock),
        lambda instrument: price.value if (price := watch.last(instrument)) else None,
        ground.relay.notify,
    )
    guarding = Guarding(
        ground.holder,
        Announcer(ground.owner, ground.engine, bus.publish_ephemeral, ground.relay, clock, fence),
        positions=levels.positions,
        loaded=lambda: levels.loaded,
        trouble_of_key=ground.keys.trouble,
        trouble_of_price=lambda instrument: watch.trouble(instrument) or watermarks.trouble(instrument),
        trouble_of_position=lambda position: trouble(position) or firing.trouble(position),
        followed=lambda: max(0, facts.place - 1),
        judged=ground.metrics.judged,
    )
    ground.metrics.show(price_age=watch.oldest, crossed=firing.crossed_for, held=lambda: len(ground.holder.claims()))
    for name, work in {
        "partitions": _hold(ground, levels),
        "recheck": _recheck(watch, firing, settings.recheck_seconds),
        "trading keys": _keep_keys(ground, guarding, settings.key_check_seconds),
        "order hosts": keep_warm(ground.reader, levels.symbols, settings.order_host_seconds),
        "extremes": keeping.run(settings.extremes_seconds),
        "watched": bus.subscribe_ephemeral([WATCHED], hear_watched(watched.hear)).run(),
        "watched positions": watched.run(settings.marks_seconds),
        "marks": marking.run(settings.marks_seconds),
        "guard": guarding.run(settings.heartbeat_seconds),
    }.items():
        process.spawn(name, work)
    return Lookout(index, watch, levels, wanted, heard)


def _each(told: Iterable[Callable[[T], object]]) -> Callable[[T], None]:
    """Tell all of them, in this order; those that are added later, too."""

    def tell(news: T) -> None:
        for one in told:
            one(news)

    return tell


async def _hold(ground: Ground, levels: LevelFollower) -> None:
    """Hold partitions, but take none from another replica before this one knows what is in them."""
    while True:
        if levels.loaded:
            await ground.holder.run()
        await asyncio.sleep(_READINESS_POLL_SECONDS)


async def _recheck(watch: PriceWatch, firing: Firing, interval_seconds: float) -> None:
    """Hold the last prices against the levels again: one may have been set, or a partition taken, since they came."""
    while True:
        await asyncio.sleep(interval_seconds)
        watch.ask_for_quiet()
        for price in watch.current():
            firing.recheck(price)


async def _restore(watermarks: Watermarks, extremes: PostgresExtremes) -> None:
    """Take in the extremes that are kept, as soon as Postgres gives them."""
    while True:
        try:
            watermarks.restore(*await extremes.load())
            return
        except Unavailable as error:
            _log.info("extremes not loaded yet", reason=error.reason)
            await asyncio.sleep(_RETRY_SECONDS)


async def _keep_keys(ground: Ground, guarding: Guarding, interval_seconds: float) -> None:
    """Keep a trading key for each account whose levels this replica enforces."""
    while True:
        await ground.keys.keep(guarding.accounts())
        await asyncio.sleep(interval_seconds)
