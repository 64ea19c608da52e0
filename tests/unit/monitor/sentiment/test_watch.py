"""What is kept of the sources, when they are asked again, and who is left alone."""

from collections.abc import Collection, Mapping
from datetime import datetime
from itertools import pairwise

from aiohttp import web

from services.monitor.domain.sentiment.asset import Asset
from services.monitor.domain.sentiment.mood import SourceScore
from services.monitor.sentiment.polymarket import Polymarket
from services.monitor.sentiment.source import Source, Wanted, Web
from services.monitor.sentiment.watch import FIRST_WAIT, SentimentWatch
from tests.fakes.clock import FixedClock
from tests.unit.monitor.sentiment.places import (
    BTC,
    ETH,
    NOW,
    WANTED,
    Places,
    feed,
    market,
    places,
    reddit,
    the_web,
)

__all__ = ["places", "the_web"]


def watching(clock: FixedClock, *sources: Source, wanted: tuple[Wanted, ...] = WANTED) -> SentimentWatch:
    return SentimentWatch(sources, lambda: wanted, clock, interval_seconds=300)


async def test_what_is_kept_of_each_source(places: Places, the_web: Web) -> None:
    clock = FixedClock(NOW)
    polymarket = Polymarket(the_web, url=places.url, tag_id=21)
    watch = watching(clock, reddit(places, the_web), polymarket)
    assert watch.mood("BTCUSDT") is None
    places.answers["/r/Bitcoin/new/.rss"] = feed("Bitcoin is mooning")
    places.answers["/markets"] = 503
    await watch.refresh()
    mood = watch.mood("BTCUSDT")
    assert mood is not None
    assert [source.name for source in mood.sources] == ["reddit"]
    assert dict(mood.missing) == {"polymarket": "HTTP 503"}
    assert watch.mood("ETHUSDT") is None, "nobody said anything about it"
    places.answers["/markets"] = [market("Will Ethereum reach $9,000?", "0.5")]
    clock.advance(300)
    await watch.refresh()
    ether = watch.mood("ETHUSDT")
    assert ether is not None
    assert dict(ether.missing) == {"reddit": "it says nothing about it"}
    places.answers.clear()
    clock.advance(300)
    await watch.refresh()
    kept = watch.mood("BTCUSDT")
    assert kept is not None, "what it said before counts for a while"
    assert kept.missing["reddit"] == "HTTP 404"
    clock.advance(1201)
    assert watch.mood("BTCUSDT") is None


class Broken:
    """A source that fails in a way that nobody thought of."""

    name = "broken"

    async def read(self, wanted: Collection[Wanted], now: datetime) -> Mapping[Asset, SourceScore]:
        raise LookupError("an answer that nobody thought of")


async def test_a_source_that_fails_in_a_way_of_its_own_is_silent_and_costs_no_other(
    places: Places, the_web: Web
) -> None:
    watch = watching(FixedClock(NOW), Broken(), reddit(places, the_web))
    places.answers["/r/Bitcoin/new/.rss"] = feed("Bitcoin is mooning")
    await watch.refresh()
    mood = watch.mood("BTCUSDT")
    assert mood is not None
    assert dict(mood.missing) == {"broken": "its answer cannot be read"}


async def test_who_refuses_is_left_alone_longer_and_longer(places: Places, the_web: Web) -> None:
    clock = FixedClock(NOW)
    watch = watching(clock, reddit(places, the_web))
    places.answers["/r/Bitcoin/new/.rss"] = 403
    asked_at = []
    for _ in range(6 * 60):
        before = len(places.asked)
        await watch.refresh()
        if len(places.asked) > before:
            asked_at.append(clock.now())
        clock.advance(60)
    gaps = [(after - before).total_seconds() for before, after in pairwise(asked_at)]
    assert gaps[:4] == [300, 300, 300, 480]
    assert max(gaps) == 3600
    places.answers["/r/Bitcoin/new/.rss"] = web.Response(status=429, headers={"Retry-After": "1800"})
    clock.advance(3600)
    await watch.refresh()
    places.answers["/r/Bitcoin/new/.rss"] = feed("Bitcoin is mooning")
    clock.advance(1799)
    await watch.refresh()
    assert watch.mood("BTCUSDT") is None
    clock.advance(1801)
    await watch.refresh()
    assert watch.mood("BTCUSDT") is not None


async def test_nobody_is_asked_where_nothing_is_held_and_a_new_asset_is_asked_for_soon(
    places: Places, the_web: Web
) -> None:
    clock = FixedClock(NOW)
    wanted: list[Wanted] = []
    watch = SentimentWatch([reddit(places, the_web)], lambda: wanted, clock, interval_seconds=300)
    places.answers["/r/Bitcoin/new/.rss"] = feed("Bitcoin is mooning, Ethereum too")
    await watch.refresh()
    assert places.asked == []
    wanted.append(Wanted(BTC))
    await watch.refresh()
    wanted.append(Wanted(ETH))
    await watch.refresh()
    assert watch.mood("ETHUSDT") is None
    clock.advance(FIRST_WAIT.total_seconds())
    await watch.refresh()
    assert watch.mood("ETHUSDT") is not None
    assert len(places.asked) == 2
