"""Posts of subreddits: by Reddit's API where there are credentials of an application, else by its Atom feeds.

Shapes: POST /api/v1/access_token answers {"access_token", "token_type", "expires_in", "scope"}; GET /r/<name>/new of
the API a Listing of things of kind t3; GET /r/<name>/new/.rss an Atom feed (entry: id t3_…, author/name /u/…, title,
content as HTML, published, updated), which tells no votes.
"""

import html
import json
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from services.monitor.domain.sentiment.asset import Asset
from services.monitor.domain.sentiment.mood import SourceScore
from services.monitor.domain.sentiment.post import Post, select
from services.monitor.domain.sentiment.weighting import Scored, average
from services.monitor.sentiment.scoring import Scorer
from services.monitor.sentiment.source import SourceSilent, Wanted, Web

NAME = "reddit"
POSTS = 100
_ATOM = "{http://www.w3.org/2005/Atom}"
_TOKEN_MARGIN = timedelta(seconds=60)


class Reddit:
    """A Source. `credentials`: an application's id and secret."""

    name = NAME

    def __init__(
        self,
        web: Web,
        scorer: Scorer,
        subreddits: Collection[str],
        *,
        url: str,
        api_url: str,
        credentials: tuple[str, str] | None = None,
    ) -> None:
        self._web = web
        self._scorer = scorer
        self._subreddits = tuple(subreddits)
        self._url = url
        self._api_url = api_url
        self._credentials = credentials
        self._token: tuple[str, datetime] | None = None

    async def read(self, wanted: Collection[Wanted], now: datetime) -> Mapping[Asset, SourceScore]:
        """The score of each asset that is written about. Some subreddits may be silent. Raises SourceSilent."""
        posts: list[Post] = []
        silent: SourceSilent | None = None
        for subreddit in self._subreddits:
            try:
                posts += await self._posts(subreddit, now)
            except SourceSilent as error:
                silent = error
                if error.refused:
                    break
        if silent is not None and (silent.refused or not posts):
            raise silent
        chosen = select(posts)
        scored = [Scored(post, self._scorer.score(post.text)) for post in chosen]
        scores = {}
        for one in wanted:
            score = average(self.name, [post for post in scored if one.asset.mentioned(post.post.text)], now)
            if score is not None:
                scores[one.asset] = score
        return scores

    async def _posts(self, subreddit: str, now: datetime) -> list[Post]:
        if self._credentials is None:
            return parse_feed(await self._web.get(f"{self._url}/r/{subreddit}/new/.rss", {"limit": POSTS}))
        token = await self._access_token(*self._credentials, now)
        headers = {"Authorization": f"bearer {token}"}
        try:
            body = await self._web.get(f"{self._api_url}/r/{subreddit}/new", {"limit": POSTS, "raw_json": 1}, headers)
        except SourceSilent:
            self._token = None
            raise
        return parse_listing(body)

    async def _access_token(self, client_id: str, secret: str, now: datetime) -> str:
        if self._token is not None and now < self._token[1]:
            return self._token[0]
        form = {"grant_type": "client_credentials"}
        body = await self._web.post(f"{self._url}/api/v1/access_token", form, client_id, secret)
        try:
            answer = json.loads(body)
            token, until = str(answer["access_token"]), now + timedelta(seconds=float(answer["expires_in"]))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            raise SourceSilent("it gave no token", refused=True) from None
        self._token = (token, until - _TOKEN_MARGIN)
        return token


def parse_listing(body: bytes) -> list[Post]:
    """The posts of a Listing; without those that moderators pinned. Raises SourceSilent."""
    try:
        children = json.loads(body)["data"]["children"]
        things = [child["data"] for child in children if child["kind"] == "t3"]
        return [_post(thing) for thing in things if not thing.get("stickied")]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise SourceSilent("its listing cannot be read") from None


def _post(thing: Mapping[str, Any]) -> Post:
    return Post(
        post_id=str(thing["name"]),
        author=str(thing.get("author") or ""),
        title=str(thing["title"]),
        body=str(thing.get("selftext") or ""),
        posted_at=datetime.fromtimestamp(float(thing["created_utc"]), UTC),
        votes=int(thing.get("score") or 0),
    )


def parse_feed(body: bytes) -> list[Post]:
    """The posts of an Atom feed. Entities and external references are refused. Raises SourceSilent."""
    try:
        root = ElementTree.fromstring(body)
        return list(_entries(root))
    except (ElementTree.ParseError, DefusedXmlException, ValueError, OverflowError):
        raise SourceSilent("its feed cannot be read") from None


def _entries(root: Any) -> Iterator[Post]:
    for entry in root.iter(f"{_ATOM}entry"):
        stamp = entry.findtext(f"{_ATOM}published") or entry.findtext(f"{_ATOM}updated") or ""
        posted_at = datetime.fromisoformat(stamp)
        if posted_at.tzinfo is None:
            raise ValueError("a time without an offset")
        yield Post(
            post_id=entry.findtext(f"{_ATOM}id") or "",
            author=(entry.findtext(f"{_ATOM}author/{_ATOM}name") or "").removeprefix("/u/"),
            title=entry.findtext(f"{_ATOM}title") or "",
            body=html.unescape(entry.findtext(f"{_ATOM}content") or "").split("submitted by")[0],
            posted_at=posted_at.astimezone(UTC),
        )
