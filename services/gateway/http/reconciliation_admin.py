"""For administrators: reconcile anybody now, what runs found, and the word that positions are really gone.

Invariant: every route here needs the role admin.
"""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from protos.reconciler.v1 import reconciler_pb2
from services.common.errors import FieldInvalid, NotFound
from services.gateway.clients import Reconciliation
from services.gateway.http import examples as common_examples
from services.gateway.http import reconciliation_examples as examples
from services.gateway.http.discrepancies import (
    AccountFilter,
    DiscrepanciesAnswer,
    RunsAnswer,
    discrepancies_page,
    runs_page,
)
from services.gateway.http.identity import Authenticate, Caller, require_admin
from services.gateway.http.json import Body, Document, respond
from services.gateway.http.openapi import documented
from services.gateway.http.positions import Cursor, Limit
from services.gateway.http.reconciliation import (
    AccountScheduleDocument,
    SyncAnswer,
    account_schedule_document,
    sync_answer,
)
from services.gateway.http.writes import Action, Details, Writes

_User = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
_Id = Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]{1,64}$")]
_UserFilter = Annotated[
    str, Query(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$", description="one user; everybody if empty")
]


class AccountNeverRun(NotFound):
    """Account {account_id} has never been reconciled: name its user as well."""


class ReconcileBody(Body, kw_only=True, frozen=True):
    """Whose accounts: all of a user's, one of a user's, or one account that has been reconciled before."""

    user_id: _User | None = None
    account_id: _Id | None = None


class ConfirmBody(Body, kw_only=True, frozen=True):
    """Positions that the venue no longer lists are really gone: one, or all that the account is missing.

    `note` says how that is known; it is kept.
    """

    account_id: _Id
    position_id: _Id | None = None
    note: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class ConfirmAnswer(Document, kw_only=True, frozen=True):
    """What the word covers. They are closed by the next complete reading that misses them too."""

    success: bool = True
    account_id: str
    position_ids: list[str]


class OverviewDocument(Document, kw_only=True, frozen=True):
    """The schedule over all users; `interval` and `lag` in milliseconds. `attention`: suspicious or failing accounts.

    `runs` counts those of the last interval by result; `replicas` the accounts that each process looks at now.
    """

    is_running: bool
    interval: int
    accounts: int
    overdue: int
    lag: int
    failing: int
    pending_absences: int
    suspicious: int
    estimated_exits: int
    runs: dict[str, int]
    replicas: dict[str, int]
    discrepancies_found: int
    discrepancies_repaired: int
    attention: list[AccountScheduleDocument]


class OverviewAnswer(Document, kw_only=True, frozen=True):
    """The schedule over all users."""

    success: bool = True
    reconciliation: OverviewDocument


TYPES = (ReconcileBody, ConfirmBody, ConfirmAnswer, OverviewAnswer)


def reconciliation_admin_router(
    reconciliation: Reconciliation, authenticate: Authenticate, writes: Writes
) -> APIRouter:
    router = APIRouter(prefix="/api/admin", tags=["admin"])
    admin = require_admin(authenticate)

    @router.post(
        "/reconcile",
        summary="Reconcile a user or an account now",
        **documented(
            SyncAnswer,
            common_examples.SYNC,
            body=ReconcileBody,
            body_example=examples.RECONCILE_BODY,
            write=True,
            admin=True,
        ),
    )
    async def reconcile(request: Request, caller: Annotated[Caller, Depends(admin)]) -> Response:
        async def command(body: ReconcileBody, request_id: str) -> Document:
            user_id = body.user_id or await _user_of(reconciliation, body.account_id or "")
            return sync_answer(
                await reconciliation.sync_now(
                    reconciler_pb2.SyncNowRequest(
                        user_id=user_id, account_id=body.account_id or "", request_id=request_id
                    )
                )
            )

        return await writes.perform(
            request, caller, Action("admin_reconcile"), ReconcileBody, command, _reconcile_details
        )

    @router.get(
        "/reconciliation",
        summary="The schedule over all users",
        **documented(OverviewAnswer, examples.OVERVIEW, admin=True),
    )
    async def overview(_: Annotated[Caller, Depends(admin)]) -> Response:
        return respond(OverviewAnswer(reconciliation=overview_document(await reconciliation.get_overview())))

    @router.get(
        "/reconciliation/runs",
        summary="How accounts were reconciled",
        **documented(RunsAnswer, examples.RUNS, admin=True),
    )
    async def list_runs(
        _: Annotated[Caller, Depends(admin)],
        user: _UserFilter = "",
        account: AccountFilter = "",
        limit: Limit = 50,
        cursor: Cursor = "",
    ) -> Response:
        request = reconciler_pb2.ListRunsRequest(
            user_id=user, all_users=not user, account_id=account, page_size=limit, page_token=cursor
        )
        return respond(await runs_page(reconciliation, request))

    @router.get(
        "/reconciliation/discrepancies",
        summary="Where books and venues differed",
        **documented(DiscrepanciesAnswer, examples.DISCREPANCIES, admin=True),
    )
    async def list_discrepancies(
        _: Annotated[Caller, Depends(admin)],
        user: _UserFilter = "",
        account: AccountFilter = "",
        limit: Limit = 50,
        cursor: Cursor = "",
    ) -> Response:
        request = reconciler_pb2.ListDiscrepanciesRequest(
            user_id=user, all_users=not user, account_id=account, page_size=limit, page_token=cursor
        )
        return respond(await discrepancies_page(reconciliation, request))

    @router.post(
        "/reconciliation/confirm-absence",
        summary="State that positions which a venue no longer lists are really gone",
        **documented(
            ConfirmAnswer,
            examples.CONFIRMED,
            body=ConfirmBody,
            body_example=examples.CONFIRM_BODY,
            write=True,
            admin=True,
        ),
    )
    async def confirm_absence(request: Request, caller: Annotated[Caller, Depends(admin)]) -> Response:
        async def command(body: ConfirmBody, request_id: str) -> Document:
            confirmed = await reconciliation.confirm_absence(
                reconciler_pb2.ConfirmAbsenceRequest(
                    account_id=body.account_id,
                    position_id=body.position_id or "",
                    operator_id=caller.user_id,
                    note=body.note,
                    request_id=request_id,
                )
            )
            return ConfirmAnswer(account_id=body.account_id, position_ids=list(confirmed))

        return await writes.perform(
            request,
            caller,
            Action("confirm_absence"),
            ConfirmBody,
            command,
            lambda body: {"accountId": body.account_id, "positionId": body.position_id, "note": body.note},
        )

    return router


def overview_document(overview: reconciler_pb2.GetOverviewResponse) -> OverviewDocument:
    return OverviewDocument(
        is_running=overview.is_running,
        interval=overview.interval_milliseconds,
        accounts=overview.accounts,
        overdue=overview.overdue,
        lag=overview.lag_milliseconds,
        failing=overview.failing,
        pending_absences=overview.pending_absences,
        suspicious=overview.suspicious,
        estimated_exits=overview.estimated_exits,
        runs=dict(overview.runs),
        replicas=dict(overview.replicas),
        discrepancies_found=overview.discrepancies_found,
        discrepancies_repaired=overview.discrepancies_repaired,
        attention=[account_schedule_document(account) for account in overview.attention],
    )


async def _user_of(reconciliation: Reconciliation, account_id: str) -> str:
    """Whose an account is, as its latest run says. Raises AccountNeverRun."""
    request = reconciler_pb2.ListRunsRequest(all_users=True, account_id=account_id, page_size=1)
    page = await reconciliation.list_runs(request)
    if not page.runs:
        raise AccountNeverRun(account_id=account_id)
    return page.runs[0].user_id


def _reconcile_details(body: ReconcileBody) -> Details:
    if body.user_id is None and body.account_id is None:
        raise FieldInvalid(field="userId", problem="required, or accountId")
    return {"userId": body.user_id, "accountId": body.account_id}
