"""What the gateway needs of the reconciler."""

from collections.abc import Sequence
from typing import Protocol

import grpc

from protos.reconciler.v1 import reconciler_pb2, reconciler_pb2_grpc


class Reconciliation(Protocol):
    """Reconciliation: now, its schedule, and what it found. Errors: those that ReconcilerService names."""

    async def sync_now(self, request: reconciler_pb2.SyncNowRequest) -> Sequence[reconciler_pb2.AccountRun]: ...

    async def get_status(self, user_id: str) -> reconciler_pb2.GetStatusResponse: ...

    async def list_runs(self, request: reconciler_pb2.ListRunsRequest) -> reconciler_pb2.ListRunsResponse: ...

    async def list_discrepancies(
        self, request: reconciler_pb2.ListDiscrepanciesRequest
    ) -> reconciler_pb2.ListDiscrepanciesResponse: ...

    async def get_overview(self) -> reconciler_pb2.GetOverviewResponse: ...

    async def confirm_absence(self, request: reconciler_pb2.ConfirmAbsenceRequest) -> Sequence[str]: ...


class ReconcilerClient:
    """Reconciliation over a channel to the reconciler."""

    def __init__(self, channel: grpc.aio.Channel, *, sync_timeout_seconds: float) -> None:
        self._reconciler = reconciler_pb2_grpc.ReconcilerServiceStub(channel)
        self._sync_timeout_seconds = sync_timeout_seconds

    async def sync_now(self, request: reconciler_pb2.SyncNowRequest) -> Sequence[reconciler_pb2.AccountRun]:
        return (await self._reconciler.SyncNow(request, timeout=self._sync_timeout_seconds)).runs

    async def get_status(self, user_id: str) -> reconciler_pb2.GetStatusResponse:
        return await self._reconciler.GetStatus(reconciler_pb2.GetStatusRequest(user_id=user_id))

    async def list_runs(self, request: reconciler_pb2.ListRunsRequest) -> reconciler_pb2.ListRunsResponse:
        return await self._reconciler.ListRuns(request)

    async def list_discrepancies(
        self, request: reconciler_pb2.ListDiscrepanciesRequest
    ) -> reconciler_pb2.ListDiscrepanciesResponse:
        return await self._reconciler.ListDiscrepancies(request)

    async def get_overview(self) -> reconciler_pb2.GetOverviewResponse:
        return await self._reconciler.GetOverview(reconciler_pb2.GetOverviewRequest())

    async def confirm_absence(self, request: reconciler_pb2.ConfirmAbsenceRequest) -> Sequence[str]:
        return (await self._reconciler.ConfirmAbsence(request)).position_ids
