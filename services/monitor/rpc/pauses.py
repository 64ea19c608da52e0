"""PausesService over gRPC."""

from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from protos.monitor.v1 import pauses_pb2
from protos.monitor.v1.pauses_pb2_grpc import PausesServiceServicer, add_PausesServiceServicer_to_server
from services.common.errors import FieldInvalid
from services.common.identity import AccessTable
from services.common.server import Registration
from services.monitor.domain.pause import Pause
from services.monitor.pauses.switch import PauseSwitch

FULL_NAME = "monitor.v1.PausesService"
ACCESS: AccessTable = {FULL_NAME: frozenset({"gateway"})}


class PausesRpc(PausesServiceServicer):
    """Answers the gateway, which lets administrators alone stop everybody."""

    def __init__(self, switch: PauseSwitch) -> None:
        self._switch = switch

    async def GetPause(
        self, request: pauses_pb2.GetPauseRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pauses_pb2.GetPauseResponse:
        """The pauses that hold for a user."""
        user, everybody = await self._switch.get(request.user_id)
        return pauses_pb2.GetPauseResponse(user=_write(user), everybody=_write(everybody))

    async def SetPause(
        self, request: pauses_pb2.SetPauseRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pauses_pb2.SetPauseResponse:
        """Set a user's pause, or everybody's."""
        if not request.set_by:
            raise FieldInvalid(field="set_by", problem="is empty")
        wanted = Pause(request.user_id, request.opening_paused, request.closing_paused, request.reason, request.set_by)
        return pauses_pb2.SetPauseResponse(pause=_write(await self._switch.set(wanted, request.confirmation)))


def registration(switch: PauseSwitch) -> Registration:
    """How a server serves it."""
    return Registration(add_PausesServiceServicer_to_server, PausesRpc(switch), FULL_NAME)


def _write(pause: Pause) -> pauses_pb2.Pause:
    set_at = None
    if pause.set_at is not None:
        set_at = Timestamp()
        set_at.FromDatetime(pause.set_at)
    return pauses_pb2.Pause(
        user_id=pause.user_id,
        opening_paused=pause.opening,
        closing_paused=pause.closing,
        reason=pause.reason,
        set_by=pause.set_by,
        set_at=set_at,
    )
