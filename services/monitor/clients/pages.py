"""Answers of the books: listings page by page, and what is raised in place of an answer that did not come."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from protos.positions.v1 import positions_pb2, types_pb2
from services.common.errors import Unavailable
from services.common.status import RemoteFailure

PAGE_SIZE = 500

T = TypeVar("T")
Listing = TypeVar("Listing", positions_pb2.ListPositionsRequest, positions_pb2.ListEnforcedPositionsRequest)
Page = positions_pb2.ListPositionsResponse | positions_pb2.ListEnforcedPositionsResponse


class BooksFailed(Unavailable):
    """The positions service failed to answer: {why}"""


async def answer_of(call: Awaitable[T]) -> T:
    """What the books answer. Raises BooksFailed, ServiceUnavailable, and what the books refuse."""
    try:
        return await call
    except RemoteFailure as error:
        raise BooksFailed(why=error.code.name) from error


async def every_position(
    listing: Callable[[Listing], Awaitable[Page]], request: Listing
) -> AsyncIterator[types_pb2.Position]:
    """The positions of all pages. Raises as `answer_of`."""
    request.page_size = PAGE_SIZE
    while True:
        page = await answer_of(listing(request))
        for message in page.positions:
            yield message
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token
