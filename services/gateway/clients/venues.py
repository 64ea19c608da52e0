"""How a service that asks the venues stands with them."""

from collections.abc import Sequence
from typing import Protocol

import grpc

from protos.venue.v1 import status_pb2, status_pb2_grpc

_TIMEOUT_SECONDS = 1.0
"""It answers out of its memory, so that one that does not is not worth a wait."""


class VenueStatuses(Protocol):
    """How one service stands with the venues."""

    async def read(self) -> Sequence[status_pb2.VenueStatus]:
        """Each venue once."""
        ...


class VenuesClient:
    """VenueStatuses over a channel to a service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._venues = status_pb2_grpc.VenueStatusServiceStub(channel)

    async def read(self) -> Sequence[status_pb2.VenueStatus]:
        request = status_pb2.GetVenueStatusRequest()
        return (await self._venues.GetVenueStatus(request, timeout=_TIMEOUT_SECONDS)).venues
