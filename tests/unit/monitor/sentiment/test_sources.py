"""Reddit and Polymarket as sources: their shapes, their refusals, and what is not theirs at all."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from aiohttp import web

from services.monitor.sentiment.config import SentimentSettings
from services.monitor.sentiment.polymarket import Polymarket
from services.monitor.sentiment.reddit import parse_feed
from services.monitor.sentiment.source import LONGEST_WAIT, SourceSilent, Web
from tests.unit.monitor.sentiment.places import (
    AGENT,
    BTC,
    ETH,
    NOW,
    WANTED,
    Places,
    feed,
    listing,
    market,
    places,
    reddit,
    the_web,
    thing,
)

__all__ = ["places", "the_web"]


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
