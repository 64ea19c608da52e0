"""The books and the live view of one user, over gRPC, as alerts need them."""

from collections.abc import AsyncIterator
from decimal import Decimal

from protos.positions.v1 import live_pb2, positions_pb2
from protos.positions.v1.live_pb2_grpc import LivePositionsServiceStub
from protos.positions.v1.positions_pb2_grpc import PositionsServiceStub
from services.common.channels import ServiceChannel
from services.common.errors import NoVerifiedApiKeys
from services.common.trading.money import parse_decimal
from services.monitor.clients.messages import read_position
from services.monitor.clients.pages import answer_of, every_position
from services.monitor.domain.position import Position


class UserPositions:
    """What one user has open."""

    def __init__(self, channel: ServiceChannel) -> None:
        self._books = PositionsServiceStub(channel)
        self._live = LivePositionsServiceStub(channel)

    async def list_open(self, user_id: str) -> AsyncIterator[Position]:
        """Their open positions as booked. Raises ServiceUnavailable, BooksFailed."""
        request = positions_pb2.ListPositionsRequest(user_id=user_id, filter=positions_pb2.POSITION_FILTER_OPEN)
        async for message in every_position(self._books.ListPositions, request):
            yield read_position(message)

    async def liquidations(self, user_id: str) -> dict[str, Decimal | None]:
        """Liquidation prices of their positions by id; None where the venue says none.

        Raises ServiceUnavailable, BooksFailed.
        """
        try:
            view = await answer_of(self._live.ListLivePositions(live_pb2.ListLivePositionsRequest(user_id=user_id)))
        except NoVerifiedApiKeys:
            return {}
        return {
            row.position_id: parse_decimal(row.liquidation_price) if row.liquidation_price else None
            for row in view.positions
            if row.position_id
        }
