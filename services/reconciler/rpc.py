"""reconciler.v1.ReconcilerService: messages in, messages out, and who may call."""

from datetime import datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from protos.reconciler.v1 import reconciler_pb2 as pb
from protos.reconciler.v1.reconciler_pb2_grpc import (
    ReconcilerServiceServicer,
    add_ReconcilerServiceServicer_to_server,
)
from services.common.errors import FieldInvalid
from services.common.identity import AccessTable
from services.common.server import Registration
from services.reconciler.commands import ConfirmAbsence, SyncUser
from services.reconciler.domain.schedule import AccountSchedule
from services.reconciler.events import write_result, write_run, write_time
from services.reconciler.queries import HistoryQuery, StatusQuery
from services.reconciler.store.history import FoundDiscrepancy, Scope

SERVICE = pb.DESCRIPTOR.services_by_name["ReconcilerService"].full_name
ACCESS: AccessTable = {SERVICE: frozenset({"gateway"})}


class ReconcilerRpc(ReconcilerServiceServicer):
    """Every call is about one user, whom the gateway has authenticated, or an administrator's, as it has checked."""

    def __init__(self, sync: SyncUser, status: StatusQuery, history: HistoryQuery, confirm: ConfirmAbsence) -> None:
        self._sync = sync
        self._status = status
        self._history = history
        self._confirm = confirm

    async def SyncNow(self, request: pb.SyncNowRequest, context: Any) -> pb.SyncNowResponse:
        """Reconcile the accounts of a user now."""
        runs = await self._sync(_required(request.user_id, "user_id"), request.account_id)
        return pb.SyncNowResponse(runs=[write_run(run) for run in runs])

    async def GetStatus(self, request: pb.GetStatusRequest, context: Any) -> pb.GetStatusResponse:
        """The schedule as it concerns one user."""
        status = await self._status(_required(request.user_id, "user_id"))
        return pb.GetStatusResponse(
            is_running=status.is_running,
            interval_milliseconds=_milliseconds(status.interval),
            last_run=_optional_time(status.last_run),
            next_run=_optional_time(status.next_run),
            accounts=[_schedule(account) for account in status.accounts],
            lag_milliseconds=_milliseconds(status.lag),
            discrepancies_found=status.discrepancies_found,
            discrepancies_repaired=status.discrepancies_repaired,
        )

    async def ListRuns(self, request: pb.ListRunsRequest, context: Any) -> pb.ListRunsResponse:
        """Finished runs, the latest first."""
        page = await self._history.runs(_scope(request), request.page_size, request.page_token)
        return pb.ListRunsResponse(runs=[write_run(run) for run in page.items], next_page_token=page.next_token)

    async def ListDiscrepancies(
        self, request: pb.ListDiscrepanciesRequest, context: Any
    ) -> pb.ListDiscrepanciesResponse:
        """What runs found, the latest first."""
        page = await self._history.discrepancies(_scope(request), request.page_size, request.page_token)
        return pb.ListDiscrepanciesResponse(
            discrepancies=[_discrepancy(found) for found in page.items], next_page_token=page.next_token
        )

    async def GetOverview(self, request: pb.GetOverviewRequest, context: Any) -> pb.GetOverviewResponse:
        """The schedule over all users."""
        overview = await self._status.overview()
        return pb.GetOverviewResponse(
            is_running=self._status.is_running(),
            interval_milliseconds=_milliseconds(self._status.interval),
            accounts=overview.accounts,
            overdue=overview.overdue,
            lag_milliseconds=_milliseconds(overview.lag),
            failing=overview.failing,
            pending_absences=overview.pending_absences,
            suspicious=overview.suspicious,
            estimated_exits=overview.estimated_exits,
            runs={result.value: count for result, count in overview.runs.items()},
            replicas=dict(overview.replicas),
            discrepancies_found=overview.discrepancies_found,
            discrepancies_repaired=overview.discrepancies_repaired,
            attention=[_schedule(account) for account in overview.attention],
        )

    async def ConfirmAbsence(self, request: pb.ConfirmAbsenceRequest, context: Any) -> pb.ConfirmAbsenceResponse:
        """An operator states that positions are really gone."""
        confirmed = await self._confirm(
            _required(request.account_id, "account_id"),
            request.position_id,
            _required(request.operator_id, "operator_id"),
            request.note,
            request.request_id,
        )
        return pb.ConfirmAbsenceResponse(position_ids=confirmed)


def registration(servicer: ReconcilerRpc) -> Registration:
    """The service as a gRPC server takes it."""
    return Registration(add_ReconcilerServiceServicer_to_server, servicer, SERVICE)


def _schedule(account: AccountSchedule) -> pb.AccountSchedule:
    return pb.AccountSchedule(
        account_id=account.account_id,
        exchange=account.exchange,
        last_result=write_result(account.last_result),
        last_reason=account.last_reason,
        failures=account.failures,
        last_run=_optional_time(account.last_run),
        next_run=write_time(account.next_run),
        pending_absences=account.pending_absences,
        suspicious_since=_optional_time(account.suspicious_since),
        estimated_exits=account.estimated_exits,
    )


def _discrepancy(found: FoundDiscrepancy) -> pb.FoundDiscrepancy:
    return pb.FoundDiscrepancy(
        run_id=str(found.run_id),
        user_id=found.user_id,
        account_id=found.account_id,
        exchange=found.exchange,
        found_at=write_time(found.found_at),
        kind=found.kind,
        symbol=found.symbol,
        position_side=found.position_side,
        position_id=found.position_id,
        evidence=found.evidence,
        repaired=found.repaired,
        known=found.known,
        decisions=found.decisions,
    )


def _scope(request: pb.ListRunsRequest | pb.ListDiscrepanciesRequest) -> Scope:
    account_id = request.account_id or None
    if request.all_users:
        if request.user_id:
            raise FieldInvalid(field="user_id", problem="expected none together with all_users")
        return Scope(None, account_id)
    return Scope(_required(request.user_id, "user_id"), account_id)


def _required(value: str, field: str) -> str:
    if not value:
        raise FieldInvalid(field=field, problem="expected one")
    return value


def _milliseconds(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)


def _optional_time(moment: datetime | None) -> Timestamp | None:
    return None if moment is None else write_time(moment)
