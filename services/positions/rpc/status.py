"""VenueStatusService."""

from collections.abc import Callable

from protos.venue.v1 import status_pb2, status_pb2_grpc
from services.common.exchange.budget import Budget
from services.common.server import Registration
from services.common.trading.side import Venue
from services.common.venues import write_status
from services.positions.rpc.vocabulary import Context


class StatusRpc(status_pb2_grpc.VenueStatusServiceServicer):
    """How this process stands with the venues."""

    def __init__(self, budget: Callable[[Venue], Budget]) -> None:
        self._budget = budget

    async def GetVenueStatus(
        self, request: status_pb2.GetVenueStatusRequest, context: Context
    ) -> status_pb2.GetVenueStatusResponse:
        return status_pb2.GetVenueStatusResponse(venues=[write_status(self._budget(venue)) for venue in Venue])


def registration(budget: Callable[[Venue], Budget]) -> Registration:
    """How a server serves it."""
    return Registration(
        status_pb2_grpc.add_VenueStatusServiceServicer_to_server, StatusRpc(budget), "venue.v1.VenueStatusService"
    )
