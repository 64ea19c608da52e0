"""Reconciliation: bring the books in step now, and the schedule of it."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from protos.reconciler.v1 import reconciler_pb2
from services.gateway.clients import Reconciliation
from services.gateway.http import examples, words
from services.gateway.http.body import NoBody
from services.gateway.http.identity import Authenticate, Caller
from services.gateway.http.json import Document, optional_instant, respond
from services.gateway.http.openapi import documented
from services.gateway.http.writes import Action, Writes


class RunDocument(Document, kw_only=True, frozen=True):
    """What reconciling one account came to: `result` in_step, pending or failed, and the `reason` where not in step.

    `trigger`: schedule, request or prompt. `completed` counts estimated exits that fills made exact.
    """

    run_id: str
    user_id: str | None
    account_id: str
    exchange: str
    result: str
    adopted: int
    closed: int
    adjusted: int
    pending: int
    completed: int
    trigger: str | None
    reason: str | None
    started_at: str | None
    finished_at: str | None


class SyncAnswer(Document, kw_only=True, frozen=True):
    """A reconciliation that was carried out. `inSync`: every account is in step now."""

    success: bool = True
    in_sync: bool
    runs: list[RunDocument]


class AccountScheduleDocument(Document, kw_only=True, frozen=True):
    """How one account stands: `failures` in a row make it be tried ever more seldom."""

    account_id: str
    exchange: str
    last_result: str | None
    last_reason: str | None
    failures: int
    last_run: str | None
    next_run: str | None
    pending_absences: int
    suspicious_since: str | None
    estimated_exits: int


class ScheduleDocument(Document, kw_only=True, frozen=True):
    """The schedule. `interval` and `lag` are in milliseconds; `lastRun` is null before the first run."""

    is_running: bool
    interval: int
    last_run: str | None
    next_run: str | None
    lag: int
    last_result: str | None
    discrepancies_found: int
    discrepancies_repaired: int
    accounts: list[AccountScheduleDocument]


class ScheduleAnswer(Document, kw_only=True, frozen=True):
    """The schedule of reconciliation."""

    success: bool = True
    status: ScheduleDocument


def reconciliation_router(reconciliation: Reconciliation, authenticate: Authenticate, writes: Writes) -> APIRouter:
    router = APIRouter(tags=["real-time"])

    @router.post(
        "/api/positions/sync",
        summary="Reconcile my accounts now",
        **documented(SyncAnswer, examples.SYNC, write=True),
    )
    async def sync(request: Request, caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        async def command(_: NoBody, request_id: str) -> Document:
            return sync_answer(
                await reconciliation.sync_now(
                    reconciler_pb2.SyncNowRequest(user_id=caller.user_id, request_id=request_id)
                )
            )

        return await writes.perform(request, caller, Action("sync"), NoBody, command)

    @router.get(
        "/api/positions/status",
        summary="The schedule of reconciliation",
        **documented(ScheduleAnswer, examples.SCHEDULE),
    )
    async def status(caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        schedule = await reconciliation.get_status(caller.user_id)
        return respond(ScheduleAnswer(status=_schedule(schedule)))

    return router


def _schedule(schedule: reconciler_pb2.GetStatusResponse) -> ScheduleDocument:
    return ScheduleDocument(
        is_running=schedule.is_running,
        interval=schedule.interval_milliseconds,
        last_run=optional_instant(schedule.last_run, present=schedule.HasField("last_run")),
        next_run=optional_instant(schedule.next_run, present=schedule.HasField("next_run")),
        lag=schedule.lag_milliseconds,
        last_result=_worst([account.last_result for account in schedule.accounts]),
        discrepancies_found=schedule.discrepancies_found,
        discrepancies_repaired=schedule.discrepancies_repaired,
        accounts=[account_schedule_document(account) for account in schedule.accounts],
    )


def account_schedule_document(account: reconciler_pb2.AccountSchedule) -> AccountScheduleDocument:
    return AccountScheduleDocument(
        account_id=account.account_id,
        exchange=account.exchange,
        last_result=_worst([account.last_result]),
        last_reason=account.last_reason or None,
        failures=account.failures,
        last_run=optional_instant(account.last_run, present=account.HasField("last_run")),
        next_run=optional_instant(account.next_run, present=account.HasField("next_run")),
        pending_absences=account.pending_absences,
        suspicious_since=optional_instant(account.suspicious_since, present=account.HasField("suspicious_since")),
        estimated_exits=account.estimated_exits,
    )


def _worst(results: Sequence[reconciler_pb2.RunResult.ValueType]) -> str | None:
    """failed before pending before in_step; None where nothing was looked at."""
    worst = max(results, default=reconciler_pb2.RUN_RESULT_UNSPECIFIED)
    return None if worst == reconciler_pb2.RUN_RESULT_UNSPECIFIED else words.run_result(worst)


def sync_answer(runs: Sequence[reconciler_pb2.AccountRun]) -> SyncAnswer:
    documents = [run_document(run) for run in runs]
    return SyncAnswer(in_sync=all(run.result == "in_step" for run in documents), runs=documents)


def run_document(run: reconciler_pb2.AccountRun) -> RunDocument:
    return RunDocument(
        run_id=run.run_id,
        user_id=run.user_id or None,
        account_id=run.account_id,
        exchange=run.exchange,
        result=words.run_result(run.result),
        adopted=run.adopted,
        closed=run.closed,
        adjusted=run.adjusted,
        pending=run.pending,
        completed=run.completed,
        trigger=run.trigger or None,
        reason=run.reason or None,
        started_at=optional_instant(run.started_at, present=run.HasField("started_at")),
        finished_at=optional_instant(run.finished_at, present=run.HasField("finished_at")),
    )
