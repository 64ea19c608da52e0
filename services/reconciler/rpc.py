"""reconciler.v1.ReconcilerService: messages in, messages out, and who may call."""

from datetime import timedelta
from typing import Any

from protos.reconciler.v1 import reconciler_pb2 as pb
from protos.reconciler.v1.reconciler_pb2_grpc import (
    ReconcilerServiceServicer,
    add_ReconcilerServiceServicer_to_server,
)
from services.common.errors import FieldInvalid
from services.common.identity import AccessTable
from services.common.server import Registration
from services.reconciler.commands import SyncUser
from services.reconciler.events import write_run, write_time
from services.reconciler.queries import StatusQuery

SERVICE = pb.DESCRIPTOR.services_by_name["ReconcilerService"].full_name
ACCESS: AccessTable = {SERVICE: frozenset({"gateway"})}


class ReconcilerRpc(ReconcilerServiceServicer):
    """Every call is about one user, whom the gateway has authenticated."""

    def __init__(self, sync: SyncUser, status: StatusQuery) -> None:
        self._sync = sync
        self._status = status

    async def SyncNow(self, request: pb.SyncNowRequest, context: Any) -> pb.SyncNowResponse:
        """Reconcile the accounts of a user now."""
        runs = await self._sync(_user(request.user_id))
        return pb.SyncNowResponse(runs=[write_run(run) for run in runs])

    async def GetStatus(self, request: pb.GetStatusRequest, context: Any) -> pb.GetStatusResponse:
        """The schedule as it concerns one user."""
        status = await self._status(_user(request.user_id))
        return pb.GetStatusResponse(
            is_running=status.is_running,
            interval_milliseconds=status.interval // timedelta(milliseconds=1),
            last_run=None if status.last_run is None else write_time(status.last_run),
            next_run=None if status.next_run is None else write_time(status.next_run),
        )


def registration(servicer: ReconcilerRpc) -> Registration:
    """The service as a gRPC server takes it."""
    return Registration(add_ReconcilerServiceServicer_to_server, servicer, SERVICE)


def _user(user_id: str) -> str:
    if not user_id:
        raise FieldInvalid(field="user_id", problem="expected a user")
    return user_id
