"""MonitorService over gRPC."""

from decimal import Decimal
from typing import Any

import grpc

from protos.monitor.v1 import monitor_pb2
from protos.monitor.v1.monitor_pb2_grpc import MonitorServiceServicer, add_MonitorServiceServicer_to_server
from services.common.errors import FieldInvalid
from services.common.identity import AccessTable
from services.common.server import Registration
from services.common.trading.money import format_decimal, parse_decimal
from services.monitor.closing.manual import ManualCloses

FULL_NAME = "monitor.v1.MonitorService"
ACCESS: AccessTable = {FULL_NAME: frozenset({"gateway"})}


class MonitorRpc(MonitorServiceServicer):
    """Answers the gateway."""

    def __init__(self, manual: ManualCloses) -> None:
        self._manual = manual

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


def _quantity(text: str) -> Decimal | None:
    if not text:
        return None
    try:
        return parse_decimal(text)
    except ValueError as error:
        raise FieldInvalid(field="quantity", problem=str(error)) from error


def registrations(manual: ManualCloses) -> tuple[Registration, ...]:
    """What the monitor's server serves."""
    return (Registration(add_MonitorServiceServicer_to_server, MonitorRpc(manual), FULL_NAME),)
