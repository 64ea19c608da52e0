"""Reddit and Polymarket as they answer, on this machine: their shapes, their refusals, and what is not theirs at all.

Shapes are those of Reddit's API (listings of t3, application-only OAuth) and feeds (Atom), and of Polymarket's Gamma
API (GET /markets), with words of our own.
"""

import json
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zlib import crc32

import httpx
import pytest
from aiohttp import web

from services.monitor.domain.sentiment.asset import Asset
from services.monitor.domain.sentiment.mood import SourceScore
from services.monitor.sentiment.config import SentimentSettings
from services.monitor.sentiment.polymarket import Polymarket
from services.monitor.sentiment.reddit import Reddit, parse_feed
from services.monitor.sentiment.scoring import Scorer
from services.monitor.sentiment.source import LONGEST_WAIT, Source, SourceSilent, Wanted, Web
from services.monitor.sentiment.watch import FIRST_WAIT, SentimentWatch
from tests.fakes.clock import FixedClock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BTC, ETH = Asset("BTC"), Asset("ETH")
WANTED = (Wanted(BTC, 66_000.0), Wanted(ETH))
AGENT = "tests"


def thing(number: int, title: str, score: int = 10, **more: Any) -> dict[str, Any]:
    return {
        "kind": "t3",
        "data": {
            "approved_at_utc": None,
            "subreddit": "CryptoCurrency",
            "selftext": "",
            "author_fullname": f"t2_{number}",
            "title": title,
            "name": f"t3_{number}",
            "id": str(number),
            "upvote_ratio": 0.93,
            "ups": score,
            "score": score,
            "author": f"author{number}",
            "created_utc": (NOW - timedelta(minutes=number)).timestamp(),
            "stickied": False,
            "over_18": False,
            "num_comments": 4,
            "permalink": f"/r/CryptoCurrency/comments/{number}/",
            "url": f"https://www.reddit.com/r/CryptoCurrency/comments/{number}/",
            **more,
        },
    }


def listing(*things: dict[str, Any]) -> dict[str, Any]:
    data = {"after": None, "dist": len(things), "modhash": "", "geo_filter": None, "children": things, "before": None}
    return {"kind": "Listing", "data": data}


def feed(*titles: str) -> str:
    entries = "".join(
        f"<entry><author><name>/u/author{n}</name><uri>https://www.reddit.com/user/author{n}</uri></author>"
        '<category term="Bitcoin" label="r/Bitcoin"/>'
        f'<content type="html">&lt;div class=&quot;md&quot;&gt;&lt;p&gt;More of it&lt;/p&gt;&lt;/div&gt; submitted by '
        "&lt;a&gt; /u/author &lt;/a&gt;</content>"
        f'<id>t3_{crc32(title.encode()):x}</id><link href="https://www.reddit.com/r/Bitcoin/comments/{n}/"/>'
        f"<updated>2026-03-01T11:{n:02}:00+00:00</updated><published>2026-03-01T11:{n:02}:00+00:00</published>"
        f"<title>{title}</title></entry>"
        for n, title in enumerate(titles)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom" '
        'xmlns:media="http://search.yahoo.com/mrss/"><category term="Bitcoin" label="r/Bitcoin"/>'
        f"<updated>2026-03-01T12:00:00+00:00</updated><id>/r/Bitcoin/new/.rss</id>{entries}</feed>"
    )


def market(question: str, yes: str, **more: Any) -> dict[str, Any]:
    return {
        "id": "512345",
        "question": question,
        "conditionId": "0x9915bea232fa12b20058f9cea1187ea51366352bf833393676cd0db557a58249",
        "slug": "will-bitcoin",
        "endDate": "2026-03-31T12:00:00Z",
        "liquidity": "51234.5678",
        "outcomes": '["Yes", "No"]',
        "outcomePrices": json.dumps([yes, str(1 - Decimal(yes))]),
        "volume": "912345.67",
        "active": True,
        "closed": False,
        "volumeNum": 912345.67,
        "liquidityNum": 51234.5678,
        "clobTokenIds": '["1", "2"]',
        **more,
    }


class Places:
    """A server that is Reddit and Polymarket at once; `answers` by path, a status or a document."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[web.Request] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        if request.method == "POST":
            await request.post()
        answer = self.answers.get(request.path, 404)
        if isinstance(answer, web.Response):
            return answer
        if isinstance(answer, int):
            return web.Response(status=answer)
        if isinstance(answer, str):
            return web.Response(text=answer, content_type="application/atom+xml")
        return web.json_response(answer)


@pytest.fixture
async def places() -> AsyncIterator[Places]:
    places = Places()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", places.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    places.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield places
    await runner.cleanup()


@pytest.fixture
async def the_web() -> AsyncIterator[Web]:
    opened = Web(2, AGENT)
    yield opened
    await opened.close()


SCORER = Scorer()


def reddit(places: Places, opened: Web, *subreddits: str, app: tuple[str, str] | None = None) -> Reddit:
    names = subreddits or ("Bitcoin",)
    return Reddit(opened, SCORER, names, url=places.url, api_url=places.url, credentials=app)


async def test_feeds_are_read_without_credentials(places: Places, the_web: Web) -> None:
    places.answers["/r/Bitcoin/new/.rss"] = feed("Bitcoin is mooning", "Bitcoin rug pulled", "Bitcoin pumping hard")
    places.answers["/r/ethereum/new/.rss"] = feed("Ethereum dumping hard today")
    scores = await reddit(places, the_web, "Bitcoin", "ethereum").read(WANTED, NOW)
    assert scores[BTC].score > 0 > scores[ETH].score
    assert (scores[BTC].count, scores[ETH].count, scores[BTC].read_at) == (3, 1, NOW)
    assert "Bitcoin is mooning" in scores[BTC].headlines
    assert {request.headers["User-Agent"] for request in places.asked} == {AGENT}


async def test_the_api_is_read_with_a_token_that_is_kept(places: Places, the_web: Web) -> None:
    places.answers["/api/v1/access_token"] = {
        "access_token": "eyJhbGciOi",
        "token_type": "bearer",
        "expires_in": 86400,
        "scope": "*",
    }
    places.answers["/r/Bitcoin/new"] = listing(
        thing(1, "Bitcoin is mooning", 500),
        thing(2, "Bitcoin dumping again", 0),
        thing(3, "Bitcoin rules of this place, read first", stickied=True),
        {"kind": "more", "data": {}},
    )
    source = reddit(places, the_web, app=("an-id", "a-secret"))
    first = await source.read(WANTED, NOW)
    assert (first[BTC].count, first[BTC].score > Decimal("0.2")) == (2, True), "votes weigh"
    await source.read(WANTED, NOW + timedelta(hours=1))
    tokens = [request for request in places.asked if request.path == "/api/v1/access_token"]
    assert len(tokens) == 1
    assert (await tokens[0].post())["grant_type"] == "client_credentials"
    assert tokens[0].headers["Authorization"] == httpx.BasicAuth("an-id", "a-secret")._auth_header
    assert places.asked[-1].headers["Authorization"] == "bearer eyJhbGciOi"
    places.answers["/r/Bitcoin/new"] = 401
    with pytest.raises(SourceSilent):
        await source.read(WANTED, NOW)
    places.answers["/r/Bitcoin/new"] = listing()
    assert await source.read(WANTED, NOW) == {}
    assert len([one for one in places.asked if one.path == "/api/v1/access_token"]) == 2


async def test_a_subreddit_that_is_away_costs_no_other_and_a_refusal_ends_the_reading(
    places: Places, the_web: Web
) -> None:
    places.answers["/r/Bitcoin/new/.rss"] = feed("Bitcoin is mooning")
    assert BTC in await reddit(places, the_web, "gone", "Bitcoin").read(WANTED, NOW)
    for status in (403, 429):
        places.asked.clear()
        places.answers["/r/refused/new/.rss"] = web.Response(status=status, headers={"Retry-After": "90"})
        with pytest.raises(SourceSilent, match=f"HTTP {status}") as silent:
            await reddit(places, the_web, "refused", "Bitcoin").read(WANTED, NOW)
        assert (silent.value.refused, silent.value.wait) == (True, timedelta(seconds=90))
        assert len(places.asked) == 1


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE feed [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>'
    '<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>&b;</title></entry></feed>'
)
OUTSIDE = (
    '<?xml version="1.0"?><!DOCTYPE feed [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    '<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>&a;</title></entry></feed>'
)


@pytest.mark.parametrize(
    "body",
    [
        *("", "<feed", "<html></html><x>", BOMB, OUTSIDE, '{"error": 403}'),
        feed("Bitcoin").replace("2026-03-01T11:00:00+00:00", "yesterday"),
        feed("Bitcoin").replace("2026-03-01T11:00:00+00:00", "2026-03-01T11:00:00"),
        feed("Bitcoin").replace("2026-03-01T11:00:00+00:00", "0001-01-01T00:00:00+14:00"),
    ],
)
def test_a_feed_that_is_none_or_means_harm(body: str) -> None:
    with pytest.raises(SourceSilent, match="its feed cannot be read"):
        parse_feed(body.encode())


DEEP = "[" * 200_000


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], {"data": {"children": [{"kind": "t3", "data": {}}]}}, "words", DEEP),
        *({"data": {"children": [{"kind": "t3", "data": "text"}]}}, {"data": {"children": [["t3"]]}}),
    ],
)
async def test_a_listing_that_is_none(body: Any, places: Places, the_web: Web) -> None:
    places.answers["/api/v1/access_token"] = {"access_token": "t", "expires_in": 10}
    places.answers["/r/Bitcoin/new"] = body
    with pytest.raises(SourceSilent):
        await reddit(places, the_web, app=("an-id", "a-secret")).read(WANTED, NOW)
    for token in ({"error": "unauthorized"}, {"access_token": "t", "expires_in": 1e300}, DEEP):
        places.answers["/api/v1/access_token"] = token
        with pytest.raises(SourceSilent, match="it gave no token"):
            await reddit(places, the_web, app=("an-id", "a-secret")).read(WANTED, NOW)


async def test_polymarkets_bets_become_a_tilt(places: Places, the_web: Web) -> None:
    places.answers["/markets"] = [
        market("Will Bitcoin reach $70,000 in March?", "0.62"),
        market("Will Bitcoin dip to $55,000 in March?", "0.18"),
        market("Will Ethereum dip to $1,500 in March?", "0.3", liquidityNum=None),
        market("Will Bitcoin reach $90,000?", "7"),
        {"id": "1", "question": "Bitcoin above $1?"},
        market("Will Bitcoin reach $90,000?", "0.5", outcomes="Yes"),
        market("Will Bitcoin reach $90,000?", "0.5", outcomes=DEEP),
        market("Will Bitcoin reach $90,000?", "0.5", liquidityNum=10**400),
    ]
    source = Polymarket(the_web, url=places.url, tag_id=21)
    scores = await source.read(WANTED, NOW)
    assert (scores[BTC].score, scores[BTC].count) == (Decimal("0.55"), 2)
    assert (scores[ETH].score, scores[ETH].count) == (Decimal(-1), 1)
    query = places.asked[-1].query
    assert (query["closed"], query["tag_id"], query["limit"], query["offset"]) == ("false", "21", "100", "0")


async def test_polymarket_is_read_page_by_page(places: Places, the_web: Web) -> None:
    places.answers["/markets"] = [market("Will Bitcoin reach $70,000?", "0.5")] * 100
    await Polymarket(the_web, url=places.url, tag_id=21).read(WANTED, NOW)
    assert [request.query["offset"] for request in places.asked] == ["0", "100", "200", "300", "400"]


@pytest.mark.parametrize("answer", [{"error": "x"}, "no json", DEEP, 500, 302])
async def test_markets_that_are_none(answer: Any, places: Places, the_web: Web) -> None:
    places.answers["/markets"] = answer
    with pytest.raises(SourceSilent):
        await Polymarket(the_web, url=places.url, tag_id=21).read(WANTED, NOW)


async def test_an_answer_without_an_end_and_nobody_there(places: Places, the_web: Web) -> None:
    places.answers["/markets"] = web.Response(body=b" " * 5_000_000)
    with pytest.raises(SourceSilent, match="too long"):
        await the_web.get(f"{places.url}/markets")
    with pytest.raises(SourceSilent, match="cannot be reached"):
        await the_web.get("http://127.0.0.1:1/")


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"Retry-After": "30"}, timedelta(seconds=30)),
        ({"Retry-After": "1e9"}, LONGEST_WAIT),
        ({"Retry-After": "1e300"}, LONGEST_WAIT),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "soon"}, None),
        ({"x-ratelimit-reset": "254"}, timedelta(seconds=254)),
        (
            {"Retry-After": "Sun, 01 Mar 2026 12:02:00 GMT", "Date": "Sun, 01 Mar 2026 12:00:00 GMT"},
            timedelta(minutes=2),
        ),
    ],
)
async def test_how_long_a_source_wants_to_be_left_alone(
    headers: dict[str, str], wait: timedelta | None, places: Places, the_web: Web
) -> None:
    places.answers["/x"] = web.Response(status=429, headers=headers)
    with pytest.raises(SourceSilent) as silent:
        await the_web.get(f"{places.url}/x")
    assert silent.value.wait == wait


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


def test_the_sandbox_asks_nobody_outside_of_this_machine() -> None:
    usual = SentimentSettings()
    assert not usual.asks(usual.reddit_url, live=False)
    assert usual.asks(usual.reddit_url, live=True)
    assert usual.asks("http://127.0.0.1:8080", live=False)
    off, on = SentimentSettings(sentiment_sources="off"), SentimentSettings(sentiment_sources="on")
    assert not off.asks("http://127.0.0.1:8080", live=True)
    assert on.asks(on.polymarket_url, live=False)
    with pytest.raises(ValueError, match="without credentials"):
        SentimentSettings(reddit_url="https://user:secret@www.reddit.com")
