"""For administrators: the state of everything, another user's positions and plan, and who did what.

Invariant: every route here needs the role admin.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Protocol

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from protos.positions.v1 import accounts_pb2, positions_pb2
from services.common.errors import DomainError, FieldInvalid
from services.common.status import RemoteFailure
from services.gateway.audit import AuditPage, AuditQuery, read_cursor
from services.gateway.clients import SERVING, UNREACHABLE, Accounts, Books, Reconciliation, VenueStatuses
from services.gateway.http import examples, words
from services.gateway.http.body import check_percent, in_utc
from services.gateway.http.identity import Authenticate, Caller, require_admin
from services.gateway.http.json import Body, Document, instant, number, respond
from services.gateway.http.openapi import documented
from services.gateway.http.positions import (
    Cursor,
    ExchangeName,
    Limit,
    PositionsAnswer,
    StatusFilter,
    Symbol,
    list_page,
)
from services.gateway.http.reconciliation_admin import OverviewDocument, overview_document
from services.gateway.http.status import StatusBoard
from services.gateway.http.venues_admin import VenueDocument, read_venues
from services.gateway.http.writes import Action, Writes
from services.gateway.own import OwnState

UserId = Annotated[str, Path(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["demo"])]
_UserFilter = Annotated[str, Query(max_length=128, description="writes of one user; of all if empty")]
_ActionFilter = Annotated[str, Query(pattern=r"^[a-z_]{0,64}$", description="such as close; every action if empty")]


class OwnStates(Protocol):
    """The gateway's own state."""

    async def read(self) -> OwnState: ...


class AuditLog(Protocol):
    """The audit log, as it is read."""

    async def list_audit(self, query: AuditQuery) -> AuditPage:
        """Raises DatabaseUnavailable."""
        ...


class ServiceDocument(Document, kw_only=True, frozen=True):
    """A service: active, degraded or unreachable, and what each of its parts says."""

    status: str
    parts: dict[str, str]


class GatewayDocument(Document, kw_only=True, frozen=True):
    """This gateway process: its sockets, and how many facts of the stream it has yet to look at (null: not known)."""

    replica: str
    sockets: int
    users: int
    bus_connected: bool
    lag: int | None
    parts: dict[str, str]


class AdminStatusAnswer(Document, kw_only=True, frozen=True):
    """The state of everything. `reconciliation` is the schedule over all users; null while that cannot be had.

    `venues` is how each process of positions and the monitor stands with each venue, as it said in the last seconds.
    """

    success: bool = True
    status: str
    services: dict[str, ServiceDocument]
    gateway: GatewayDocument
    venues: list[VenueDocument]
    reconciliation: OverviewDocument | None
    timestamp: str


class PlanBody(Body, kw_only=True, frozen=True):
    """What a user pays: percent of realised profit."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
    commission_percent: Decimal


class PlanAnswer(Document, kw_only=True, frozen=True):
    """The plan of a user."""

    success: bool = True
    user_id: str
    plan: str
    commission_percent: Decimal


class AuditRow(Document, kw_only=True, frozen=True):
    """A write: who asked for what, and how it ended. `status` is null where this was not seen."""

    timestamp: str
    user_id: str
    role: str
    action: str
    target: str | None
    details: dict[str, str | bool | None]
    request_id: str
    status: int | None
    code: str | None


class AuditAnswer(Document, kw_only=True, frozen=True):
    """Writes, the latest first. `nextCursor` asks for what follows; null at the end."""

    success: bool = True
    entries: list[AuditRow]
    count: int
    next_cursor: str | None


def admin_router(
    board: StatusBoard,
    own: OwnStates,
    audit: AuditLog,
    books: Books,
    accounts: Accounts,
    reconciliation: Reconciliation,
    venues: Mapping[str, VenueStatuses],
    authenticate: Authenticate,
    writes: Writes,
) -> APIRouter:
    router = APIRouter(tags=["admin"])
    admin = require_admin(authenticate)

    @router.get(
        "/api/admin/status",
        summary="The state of every service and of this gateway",
        **documented(AdminStatusAnswer, examples.ADMIN_STATUS, admin=True),
    )
    async def status(_: Annotated[Caller, Depends(admin)]) -> Response:
        detail, state, overview, standing = await asyncio.gather(
            board.detail(), own.read(), _overview(reconciliation), read_venues(venues)
        )
        services = {name: _service(parts) for name, parts in detail.items()}
        whole = all(service.status == "active" for service in services.values()) and state.bus_connected
        return respond(
            AdminStatusAnswer(
                status="operational" if whole else "degraded",
                services=services,
                gateway=GatewayDocument(
                    replica=state.replica,
                    sockets=state.sockets,
                    users=state.users,
                    bus_connected=state.bus_connected,
                    lag=state.lag,
                    parts=state.health,
                ),
                venues=standing,
                reconciliation=overview,
                timestamp=instant(board.now()),
            )
        )

    @router.get(
        "/api/admin/users/{user_id}/positions",
        summary="Positions of a user in the books",
        **documented(PositionsAnswer, examples.POSITIONS, admin=True),
    )
    async def positions(
        user_id: UserId,
        _: Annotated[Caller, Depends(admin)],
        status: StatusFilter = "all",
        exchange: ExchangeName | None = None,
        symbol: Symbol = "",
        limit: Limit = 50,
        cursor: Cursor = "",
    ) -> Response:
        request = positions_pb2.ListPositionsRequest(
            user_id=user_id,
            filter=words.FILTERS[status],
            exchange=words.optional_exchange(exchange),
            symbol=symbol,
            page_size=limit,
            page_token=cursor,
        )
        return respond(await list_page(books, request))

    @router.put(
        "/api/admin/users/{user_id}/plan",
        summary="Set what a user pays",
        **documented(PlanAnswer, examples.PLAN, body=PlanBody, body_example=examples.PLAN_BODY, write=True, admin=True),
    )
    async def set_plan(user_id: UserId, request: Request, caller: Annotated[Caller, Depends(admin)]) -> Response:
        async def command(body: PlanBody, request_id: str) -> Document:
            plan = await accounts.set_plan(
                accounts_pb2.SetPlanRequest(
                    user_id=user_id,
                    plan=accounts_pb2.Plan(
                        name=body.name, commission_percent=check_percent("commissionPercent", body.commission_percent)
                    ),
                    set_by=caller.user_id,
                    request_id=request_id,
                )
            )
            return PlanAnswer(user_id=user_id, plan=plan.name, commission_percent=number(plan.commission_percent))

        return await writes.perform(
            request,
            caller,
            Action("set_plan", user_id),
            PlanBody,
            command,
            lambda body: {
                "plan": body.name,
                "commissionPercent": check_percent("commissionPercent", body.commission_percent),
            },
        )

    @router.get("/api/admin/audit", summary="Who did what", **documented(AuditAnswer, examples.AUDIT, admin=True))
    async def list_audit(
        _: Annotated[Caller, Depends(admin)],
        user: _UserFilter = "",
        action: _ActionFilter = "",
        since: datetime | None = None,
        until: datetime | None = None,
        limit: Limit = 50,
        cursor: Cursor = "",
    ) -> Response:
        page = await audit.list_audit(
            AuditQuery(
                user_id=user or None,
                action=action or None,
                since=_aware("since", since),
                until=_aware("until", until),
                before=read_cursor(cursor) if cursor else None,
                limit=limit,
            )
        )
        rows = [
            AuditRow(
                timestamp=instant(entry.at),
                user_id=entry.user_id,
                role=entry.role,
                action=entry.action,
                target=entry.target,
                details=entry.details,
                request_id=entry.request_id,
                status=entry.status,
                code=entry.code,
            )
            for entry in page.entries
        ]
        return respond(AuditAnswer(entries=rows, count=len(rows), next_cursor=page.next_cursor))

    return router


async def _overview(reconciliation: Reconciliation) -> OverviewDocument | None:
    """The schedule; its absence must not hide the rest, which says why."""
    try:
        return overview_document(await reconciliation.get_overview())
    except (DomainError, RemoteFailure):
        return None


def _service(parts: Mapping[str, str]) -> ServiceDocument:
    said = set(parts.values())
    status = "active" if said <= {SERVING} else "unreachable" if said == {UNREACHABLE} else "degraded"
    return ServiceDocument(status=status, parts=dict(parts))


def _aware(field: str, moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise FieldInvalid(field=field, problem="expected a moment with its zone, such as 2025-10-21T12:00:00Z")
    return in_utc(field, moment)
