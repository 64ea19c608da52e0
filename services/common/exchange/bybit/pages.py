"""Bybit's cursors: all pages of a list, and what stopped it where it could not be read to its end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.common.exchange.budget import Lane
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import Row, nested, rows
from services.common.trading.side import Venue

MAX_PAGES = 100


@dataclass(frozen=True, slots=True)
class Pages:
    """The rows of the pages that were read. Where `failure` is set there are more that were not."""

    rows: tuple[Row, ...]
    pages: int
    failure: VenueError | None = None


async def read_pages(client: VenueClient, endpoint: Endpoint, params: Mapping[str, Any], *, lane: Lane) -> Pages:
    """Follow `nextPageCursor` to the end. A cursor that comes twice, or too many pages, is a failure."""
    found: list[Row] = []
    seen: set[str] = set()
    cursor = ""
    for page in range(MAX_PAGES):
        try:
            answer = await client.call(endpoint, {**params, "cursor": cursor} if cursor else params, lane=lane)
            result = read_result(answer)
            found.extend(rows(result, "list"))
        except VenueError as error:
            return Pages(tuple(found), page, error)
        except ValueError as error:
            return Pages(tuple(found), page, VenueError(client.venue, VenueErrorKind.BAD_ANSWER, str(error)))
        cursor = str(result.get("nextPageCursor") or "")
        if not cursor:
            return Pages(tuple(found), page + 1)
        if cursor in seen:
            break
        seen.add(cursor)
    failure = VenueError(Venue.BYBIT, VenueErrorKind.BAD_ANSWER, "the list of pages has no end")
    return Pages(tuple(found), len(seen), failure)


def read_result(answer: Any) -> Row:
    """The `result` of an answer. Raises ValueError where it is not there."""
    return nested(answer, "result")
