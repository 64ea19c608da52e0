"""MonitorService over gRPC."""

from decimal import Decimal
from typing import Any, Protocol

import grpc

from protos.monitor.v1 import monitor_pb2
from protos.monitor.v1.monitor_pb2_grpc import MonitorServiceServicer, add_MonitorServiceServicer_to_server
from protos.positions.v1 import types_pb2
from services.common.errors import FieldInvalid
from services.common.identity import AccessTable
from services.common.server import Registration
from services.common.trading.money import format_decimal, parse_decimal
from services.monitor.closing.manual import ManualCloses
from services.monitor.opening.manual import ManualOpens
from services.monitor.rpc.wishes import request_id_of, wish_of_opening

FULL_NAME = "monitor.v1.MonitorService"
ACCESS: AccessTable = {FULL_NAME: frozenset({"gateway"})}


class PositionMessages(Protocol):
    """Who tells a position as the books have it."""

    async def read(self, user_id: str, position_id: str) -> types_pb2.Position:
        """Raises PositionNotFound, for another user's as well."""
        ...


class MonitorRpc(MonitorServiceServicer):
    """Answers the gateway."""

    def __init__(self, manual: ManualCloses, opens: ManualOpens, books: PositionMessages) -> None:
        self._manual = manual
        self._opens = opens
        self._books = books

    async def ClosePosition(
        self, request: monitor_pb2.ClosePositionRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> monitor_pb2.ClosePositionResponse:
        """Close a position, or a part of it, at market."""
        closed = await self._manual.close(
            request.user_id, request.position_id, request.request_id, _quantity(request.quantity)
        )
        return monitor_pb2.ClosePositionResponse(
            intent_id=str(closed.intent_id),
            position_id=closed.position_id,
            exit_price=format_decimal(closed.exit_price),
            quantity=format_decimal(closed.quantity),
        )

    async def OpenPosition(
        self, request: monitor_pb2.OpenPositionRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> monitor_pb2.OpenPositionResponse:
        """Open a position at market, with its levels enforced."""
        wish = wish_of_opening(request)
        opened = await self._opens.open(wish, request_id_of(request.request_id))
        position = await self._books.read(wish.user_id, opened.position_id)
        return monitor_pb2.OpenPositionResponse(intent_id=str(opened.intent_id), position=position)


def _quantity(text: str) -> Decimal | None:
    if not text:
        return None
    try:
        return parse_decimal(text)
    except ValueError as error:
        raise FieldInvalid(field="quantity", problem=str(error)) from error


def registrations(manual: ManualCloses, opens: ManualOpens, books: PositionMessages) -> tuple[Registration, ...]:
    """What the monitor's server serves of trading."""
    return (Registration(add_MonitorServiceServicer_to_server, MonitorRpc(manual, opens, books), FULL_NAME),)
