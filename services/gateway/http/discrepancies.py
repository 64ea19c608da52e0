"""What reconciliation did: finished runs and what they found, for a user or, for administrators, for everybody."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from protos.reconciler.v1 import reconciler_pb2
from services.gateway.clients import Reconciliation
from services.gateway.http import reconciliation_examples as examples
from services.gateway.http.identity import Authenticate, Caller
from services.gateway.http.json import Document, optional_instant, respond
from services.gateway.http.openapi import documented
from services.gateway.http.positions import Cursor, Limit
from services.gateway.http.reconciliation import RunDocument, run_document

AccountFilter = Annotated[str, Query(pattern=r"^[\x21-\x7e]{0,64}$", description="one account; all if empty")]


class RunsAnswer(Document, kw_only=True, frozen=True):
    """Finished runs, the latest first. `nextCursor` asks for what follows; null at the end."""

    success: bool = True
    runs: list[RunDocument]
    count: int
    next_cursor: str | None


class DiscrepancyDocument(Document, kw_only=True, frozen=True):
    """Where the books and the venue differed, on what evidence, and what was decided upon it.

    `known`: an earlier run had found it already. `decisions`: adopt, close, adjust, close_estimated.
    """

    run_id: str
    user_id: str
    account_id: str
    exchange: str
    found_at: str | None
    kind: str
    symbol: str
    position_side: str
    position_id: str | None
    evidence: str
    repaired: bool
    known: bool
    decisions: list[str]


class DiscrepanciesAnswer(Document, kw_only=True, frozen=True):
    """What runs found, the latest first. `nextCursor` asks for what follows; null at the end."""

    success: bool = True
    discrepancies: list[DiscrepancyDocument]
    count: int
    next_cursor: str | None


TYPES = (RunsAnswer, DiscrepanciesAnswer)


def discrepancies_router(reconciliation: Reconciliation, authenticate: Authenticate) -> APIRouter:
    """A user's own. Include it before the router of /api/positions/{id}."""
    router = APIRouter(prefix="/api/positions/reconciliation", tags=["real-time"])

    @router.get("/runs", summary="How my accounts were reconciled", **documented(RunsAnswer, examples.RUNS))
    async def list_runs(
        caller: Annotated[Caller, Depends(authenticate)],
        account: AccountFilter = "",
        limit: Limit = 50,
        cursor: Cursor = "",
    ) -> Response:
        request = reconciler_pb2.ListRunsRequest(
            user_id=caller.user_id, account_id=account, page_size=limit, page_token=cursor
        )
        return respond(await runs_page(reconciliation, request))

    @router.get(
        "/discrepancies",
        summary="Where my books and a venue differed",
        **documented(DiscrepanciesAnswer, examples.DISCREPANCIES),
    )
    async def list_discrepancies(
        caller: Annotated[Caller, Depends(authenticate)],
        account: AccountFilter = "",
        limit: Limit = 50,
        cursor: Cursor = "",
    ) -> Response:
        request = reconciler_pb2.ListDiscrepanciesRequest(
            user_id=caller.user_id, account_id=account, page_size=limit, page_token=cursor
        )
        return respond(await discrepancies_page(reconciliation, request))

    return router


async def runs_page(reconciliation: Reconciliation, request: reconciler_pb2.ListRunsRequest) -> RunsAnswer:
    """One page of runs."""
    page = await reconciliation.list_runs(request)
    rows = [run_document(run) for run in page.runs]
    return RunsAnswer(runs=rows, count=len(rows), next_cursor=page.next_page_token or None)


async def discrepancies_page(
    reconciliation: Reconciliation, request: reconciler_pb2.ListDiscrepanciesRequest
) -> DiscrepanciesAnswer:
    """One page of what was found."""
    page = await reconciliation.list_discrepancies(request)
    rows = [_discrepancy(found) for found in page.discrepancies]
    return DiscrepanciesAnswer(discrepancies=rows, count=len(rows), next_cursor=page.next_page_token or None)


def _discrepancy(found: reconciler_pb2.FoundDiscrepancy) -> DiscrepancyDocument:
    return DiscrepancyDocument(
        run_id=found.run_id,
        user_id=found.user_id,
        account_id=found.account_id,
        exchange=found.exchange,
        found_at=optional_instant(found.found_at, present=found.HasField("found_at")),
        kind=found.kind,
        symbol=found.symbol,
        position_side=found.position_side,
        position_id=found.position_id or None,
        evidence=found.evidence,
        repaired=found.repaired,
        known=found.known,
        decisions=list(found.decisions),
    )
