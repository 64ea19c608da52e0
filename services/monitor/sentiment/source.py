"""A place where sentiment is read, and how it is asked over HTTP.

Invariants: an answer is read up to a limit and no further; redirections are not followed; what a source says about
when to come back is heeded.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Protocol

import httpx

from services.monitor.domain.sentiment.asset import Asset
from services.monitor.domain.sentiment.mood import SourceScore

LARGEST_ANSWER = 4_000_000
LONGEST_WAIT = timedelta(hours=1)
_COME_BACK_LATER = frozenset({403, 429})


@dataclass(frozen=True, slots=True)
class Wanted:
    """An asset that is asked about, and its price in US dollars where it is known."""

    asset: Asset
    price: float | None = None


class SourceSilent(Exception):
    """A source did not answer. `wait`: how long it wants to be left alone, where it said so; `refused`: it does."""

    def __init__(self, why: str, *, refused: bool = False, wait: timedelta | None = None) -> None:
        super().__init__(why)
        self.refused = refused
        self.wait = wait


class Source(Protocol):
    """One place."""

    name: str

    async def read(self, wanted: Collection[Wanted], now: datetime) -> Mapping[Asset, SourceScore]:
        """What it says about each asset that it says anything about. Raises SourceSilent."""
        ...


class Web:
    """Asks for documents. One for each source: it keeps connections."""

    def __init__(self, timeout_seconds: float, user_agent: str) -> None:
        self._client = httpx.AsyncClient(timeout=timeout_seconds, headers={"User-Agent": user_agent})

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.aclose()

    async def get(
        self, url: str, params: Mapping[str, str | int] | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """The body of a document. Raises SourceSilent."""
        return await self._ask(self._client.build_request("GET", url, params=params, headers=headers))

    async def post(self, url: str, form: Mapping[str, str], user: str, password: str) -> bytes:
        """The answer to a form, with basic authentication. Raises SourceSilent."""
        return await self._ask(self._client.build_request("POST", url, data=form), httpx.BasicAuth(user, password))

    async def _ask(self, request: httpx.Request, auth: httpx.Auth | None = None) -> bytes:
        try:
            answer = await self._client.send(request, auth=auth, stream=True, follow_redirects=False)
            try:
                if answer.status_code in _COME_BACK_LATER:
                    raise SourceSilent(f"HTTP {answer.status_code}", refused=True, wait=_wait(answer.headers))
                if answer.status_code != httpx.codes.OK:
                    raise SourceSilent(f"HTTP {answer.status_code}")
                body = bytearray()
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > LARGEST_ANSWER:
                        raise SourceSilent("its answer is too long")
                return bytes(body)
            finally:
                await answer.aclose()
        except httpx.TimeoutException:
            raise SourceSilent("it did not answer in time") from None
        except httpx.HTTPError as error:
            raise SourceSilent(f"it cannot be reached: {type(error).__name__}") from None


def _wait(headers: httpx.Headers) -> timedelta | None:
    """How long a source wants to be left alone: Retry-After, or Reddit's x-ratelimit-reset."""
    text = headers.get("retry-after") or headers.get("x-ratelimit-reset")
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(text) - parsedate_to_datetime(headers["date"])).total_seconds()
        except (ValueError, TypeError, KeyError):
            return None
    if not 0 <= seconds < float("inf"):
        return None
    return timedelta(seconds=min(seconds, LONGEST_WAIT.total_seconds()))
