"""Reddit and Polymarket as they answer, on this machine.

Shapes are those of Reddit's API (listings of t3, application-only OAuth) and feeds (Atom), and of Polymarket's Gamma
API (GET /markets), with words of our own.
"""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zlib import crc32

import pytest
from aiohttp import web

from services.monitor.domain.sentiment.asset import Asset
from services.monitor.sentiment.reddit import Reddit
from services.monitor.sentiment.scoring import Scorer
from services.monitor.sentiment.source import Wanted, Web

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
