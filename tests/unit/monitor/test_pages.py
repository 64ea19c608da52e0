"""A listing of the books is read to its end, and what keeps it from that is an error, never a shorter list."""

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos.positions.v1 import positions_pb2, types_pb2
from services.common.status import RemoteFailure
from services.monitor.clients.pages import BooksFailed, every_position


class Listing:
    """Pages of positions; the token is the number of the page. `fails_at`: the page that does not come."""

    def __init__(self, sizes: list[int], fails_at: int | None = None) -> None:
        self._sizes = sizes
        self._fails_at = fails_at

    async def __call__(self, request: positions_pb2.ListPositionsRequest) -> positions_pb2.ListPositionsResponse:
        page = int(request.page_token or 0)
        if page == self._fails_at:
            raise RemoteFailure("positions", "ListPositions", grpc.StatusCode.INTERNAL)
        first = sum(self._sizes[:page])
        names = [f"OP_1_{number}" for number in range(first, first + self._sizes[page])]
        last = page + 1 == len(self._sizes)
        return positions_pb2.ListPositionsResponse(
            positions=[types_pb2.Position(position_id=name) for name in names],
            next_page_token="" if last else str(page + 1),
        )


async def read(listing: Listing) -> list[str]:
    return [one.position_id async for one in every_position(listing, positions_pb2.ListPositionsRequest())]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6))
async def test_every_position_of_every_page_comes_once(sizes: list[int]) -> None:
    assert await read(Listing(sizes)) == [f"OP_1_{number}" for number in range(sum(sizes))]


async def test_a_page_that_does_not_come_is_no_end() -> None:
    with pytest.raises(BooksFailed):
        await read(Listing([2, 2, 2], fails_at=1))
