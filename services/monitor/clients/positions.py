"""The books and the keys, over gRPC: ServiceUnavailable where they cannot be reached, else the typed error."""

from collections.abc import AsyncIterator
from uuid import UUID

from protos.positions.v1 import accounts_pb2, positions_pb2
from protos.positions.v1.accounts_pb2_grpc import AccountsServiceStub
from protos.positions.v1.positions_pb2_grpc import PositionsServiceStub
from services.common.channels import ServiceChannel
from services.common.exchange.credentials import Credentials
from services.common.trading.fill import Fill
from services.common.trading.money import format_decimal
from services.monitor.clients.messages import TO_ORDER_SIDE, read_position, read_time, write_fill
from services.monitor.clients.pages import answer_of, every_position
from services.monitor.closing.keys import KeyLease
from services.monitor.closing.reporting import OrderNews, OrderStanding
from services.monitor.domain.position import Position

_STANDINGS = {
    OrderStanding.PENDING: positions_pb2.TRANSACTION_STATUS_PENDING,
    OrderStanding.FILLED: positions_pb2.TRANSACTION_STATUS_FILLED,
    OrderStanding.CANCELLED: positions_pb2.TRANSACTION_STATUS_CANCELLED,
}


class PositionsBooks:
    """The books."""

    def __init__(self, channel: ServiceChannel) -> None:
        self._stub = PositionsServiceStub(channel)

    async def list_enforced(self) -> AsyncIterator[Position]:
        """Every open position with a level that is enforced, of all users."""
        request = positions_pb2.ListEnforcedPositionsRequest()
        async for message in every_position(self._stub.ListEnforcedPositions, request):
            yield read_position(message)

    async def get_position(self, position_id: str, user_id: str | None = None) -> Position:
        """One position as booked now; another user's is PositionNotFound."""
        request = positions_pb2.GetPositionRequest(user_id=user_id or "", position_id=position_id)
        answer = await answer_of(self._stub.GetPosition(request))
        return read_position(answer.position)

    async def record_fills(
        self, position_id: str, fills: tuple[Fill, ...], intent_id: UUID, evidence: str = ""
    ) -> Position:
        """Book what an order did; fills that are booked already change nothing."""
        request = positions_pb2.RecordFillsRequest(
            position_id=position_id,
            fills=[write_fill(fill) for fill in fills],
            intent_id=str(intent_id),
            request_id=str(intent_id),
            evidence=evidence,
        )
        answer = await answer_of(self._stub.RecordFills(request))
        return read_position(answer.position)

    async def record_order(self, news: OrderNews) -> None:
        """Take in how an order stands; the same again changes nothing."""
        intent = news.intent
        request = positions_pb2.RecordOrderRequest(
            intent_id=str(intent.intent_id),
            position_id=intent.position_id,
            client_order_id=intent.client_order_id,
            order_side=TO_ORDER_SIDE[intent.side.closing],
            quantity=format_decimal(intent.quantity),
            status=_STANDINGS[news.standing],
            reason=intent.reason,
            order_id=intent.order_id or "",
            request_id=f"{intent.intent_id} {news.standing.name}",
        )
        await answer_of(self._stub.RecordOrder(request))


class PositionsKeys:
    """The keys in the custody of the positions service."""

    def __init__(self, channel: ServiceChannel) -> None:
        self._stub = AccountsServiceStub(channel)

    async def lease(self, account_id: str) -> KeyLease:
        """A key that may trade. Raises TradingNotEnabled, NotFound, ServiceUnavailable."""
        request = accounts_pb2.LeaseCredentialsRequest(account_id=account_id)
        answer = await answer_of(self._stub.LeaseCredentials(request))
        return KeyLease(Credentials(answer.api_key, answer.api_secret), read_time(answer.expires_at))
