"""VenueStatusService over gRPC."""

from collections.abc import Callable
from typing import Any

import grpc

from protos.venue.v1 import status_pb2
from protos.venue.v1.status_pb2_grpc import VenueStatusServiceServicer, add_VenueStatusServiceServicer_to_server
from services.common.exchange.budget import Budget
from services.common.exchange.prices import FeedMode
from services.common.identity import AccessTable
from services.common.server import Registration
from services.common.trading.side import Venue
from services.common.venues import write_status
from services.monitor.prices.watch import FeedStanding

FULL_NAME = "venue.v1.VenueStatusService"
ACCESS: AccessTable = {FULL_NAME: frozenset({"gateway"})}


class StatusRpc(VenueStatusServiceServicer):
    """How this process stands with the venues, and how their prices arrive."""

    def __init__(self, budget: Callable[[Venue], Budget], standing: Callable[[Venue], FeedStanding]) -> None:
        self._budget = budget
        self._standing = standing

    async def GetVenueStatus(
        self, request: status_pb2.GetVenueStatusRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> status_pb2.GetVenueStatusResponse:
        """Each venue as it stands now."""
        statuses = [write_status(self._budget(venue)) for venue in Venue]
        for venue, status in zip(Venue, statuses, strict=True):
            status.feed.CopyFrom(_write(self._standing(venue)))
        return status_pb2.GetVenueStatusResponse(venues=statuses)


def registration(budget: Callable[[Venue], Budget], standing: Callable[[Venue], FeedStanding]) -> Registration:
    """How a server serves it."""
    return Registration(add_VenueStatusServiceServicer_to_server, StatusRpc(budget, standing), FULL_NAME)


def _write(feed: FeedStanding) -> status_pb2.Feed:
    return status_pb2.Feed(
        up=feed.mode is not FeedMode.DOWN,
        polling=feed.mode is FeedMode.POLLING,
        price_age_seconds=feed.age.total_seconds() if feed.symbols else None,
        symbols=feed.symbols,
    )
