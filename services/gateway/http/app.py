"""The public application: every route, its errors and its documentation, wired from parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from fastapi import FastAPI
from pydantic import SecretStr
from starlette.middleware.cors import CORSMiddleware

from services.common.clock import Clock
from services.common.interceptors import REQUEST_ID
from services.common.tracing import TRACE_PARENT
from services.gateway.clients import (
    Accounts,
    Alerts,
    Books,
    Closing,
    Evaluations,
    Flows,
    History,
    LivePositions,
    Opening,
    Pauses,
    Reconciliation,
    Transactions,
    VenueStatuses,
)
from services.gateway.http import (
    admin,
    advisor,
    alerts,
    discrepancies,
    exports,
    flows,
    history,
    keys,
    levels,
    opening,
    operations,
    pauses,
    performance,
    portfolio,
    positions,
    reconciliation,
    reconciliation_admin,
    status,
    transactions,
    webhooks,
)
from services.gateway.http.docs import docs_router
from services.gateway.http.documents import LevelAnswer, PositionAnswer
from services.gateway.http.errors import install_error_handlers
from services.gateway.http.headers import EXPOSED, Headers
from services.gateway.http.identity import Authenticate, Verifier
from services.gateway.http.limits import RateLimits
from services.gateway.http.observation import HttpInstruments, Observation
from services.gateway.http.openapi import install_openapi
from services.gateway.http.web import install_website
from services.gateway.http.writes import KEY_HEADER, WriteLog, Writes
from services.gateway.stream import EventStream

_TYPES = (
    operations.OperationsAnswer,
    PositionAnswer,
    LevelAnswer,
    positions.PositionsAnswer,
    positions.TimelineAnswer,
    levels.LevelBody,
    levels.ManageBody,
    levels.ReleaseBody,
    levels.CloseBody,
    levels.CloseAnswer,
    transactions.TransactionsAnswer,
    transactions.TransactionAnswer,
    portfolio.PortfolioAnswer,
    reconciliation.SyncAnswer,
    reconciliation.ScheduleAnswer,
    history.HistoryAnswer,
    history.AnalyticsAnswer,
    performance.EquityAnswer,
    performance.BreakdownAnswer,
    keys.KeyBody,
    keys.KeyAnswer,
    keys.KeysAnswer,
    keys.KeyChanges,
    keys.KeyRemoved,
    admin.AdminStatusAnswer,
    admin.PlanBody,
    admin.PlanAnswer,
    admin.AuditAnswer,
    status.StatusAnswer,
    *alerts.TYPES,
    *webhooks.TYPES,
    *discrepancies.TYPES,
    *reconciliation_admin.TYPES,
    *opening.TYPES,
    *flows.TYPES,
    *advisor.TYPES,
    *pauses.TYPES,
)
_DESCRIPTION = """Positions of crypto futures: what the exchange says is true now, and what the books say happened.

Every answer has `success`; a failure is `{"success": false, "error": "…", "code": "…"}`. The WebSocket is at `/ws`:
show a token as the subprotocol `tandem.jwt.<token>` beside `tandem`, or in a first message
`{"type": "auth", "token": "…", "lastSequence": 17}`; with the highest `sequence` that you have seen you are given what
you missed, or `{"type": "resync_required"}` where that cannot be had any more.

Each user has a limit of reads and of writes a minute, counted by each gateway process for itself: `RateLimit-Limit`,
`RateLimit-Remaining` and `RateLimit-Reset` (seconds until it is whole again) are on every answer to a user,
`Retry-After` on a 429. A write that carries an `Idempotency-Key` is done once, however often it is sent."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the application is made of."""

    live: LivePositions
    books: Books
    transactions: Transactions
    history: History
    accounts: Accounts
    reconciliation: Reconciliation
    closing: Closing
    opening: Opening
    alerts: Alerts
    flows: Flows
    evaluations: Evaluations
    pauses: Pauses
    venues: Mapping[str, VenueStatuses]
    board: status.StatusBoard
    verifier: Verifier
    limits: RateLimits
    write_log: WriteLog
    audit: admin.AuditLog
    own: admin.OwnStates
    stream: EventStream
    clock: Clock
    instruments: HttpInstruments
    cors_origins: Sequence[str] = ()
    demo_token: SecretStr | None = None


def create_app(parts: Parts) -> FastAPI:
    """The application. Static routes come before those with an id, so that they win."""
    app = FastAPI(title="Tandem", version=status.API_VERSION, docs_url=None, redoc_url=None, redirect_slashes=False)
    authenticate = Authenticate(parts.verifier, parts.limits)
    writes = Writes(parts.write_log, parts.clock)
    # What is asked for most is looked for first.
    app.include_router(positions.live_router(parts.live, authenticate, parts.clock))
    app.include_router(status.status_router(parts.board))
    app.include_router(reconciliation.reconciliation_router(parts.reconciliation, authenticate, writes))
    app.include_router(history.history_router(parts.history, authenticate))
    app.include_router(performance.performance_router(parts.history, authenticate))
    app.include_router(exports.exports_router(parts.history, authenticate, parts.clock))
    app.include_router(discrepancies.discrepancies_router(parts.reconciliation, authenticate))
    app.include_router(opening.opening_router(parts.opening, authenticate, writes))
    app.include_router(keys.keys_router(parts.accounts, authenticate, writes))
    app.include_router(positions.books_router(parts.books, parts.live, authenticate))
    app.include_router(levels.levels_router(parts.books, parts.closing, authenticate, writes))
    app.include_router(transactions.transactions_router(parts.transactions, authenticate))
    app.include_router(portfolio.portfolio_router(parts.live, authenticate, parts.clock))
    app.include_router(
        admin.admin_router(
            parts.board,
            parts.own,
            parts.audit,
            parts.books,
            parts.accounts,
            parts.reconciliation,
            parts.venues,
            authenticate,
            writes,
        )
    )
    app.include_router(reconciliation_admin.reconciliation_admin_router(parts.reconciliation, authenticate, writes))
    app.include_router(webhooks.webhooks_router(parts.alerts, authenticate, writes))
    app.include_router(alerts.alerts_router(parts.alerts, authenticate, writes))
    app.include_router(flows.flows_router(parts.flows, authenticate, writes))
    app.include_router(advisor.advisor_router(parts.evaluations, authenticate, writes))
    app.include_router(pauses.pauses_router(parts.pauses, authenticate, writes))
    app.include_router(docs_router())
    app.add_api_websocket_route("/ws", parts.stream.serve)
    shared = partial(
        CORSMiddleware,
        allow_origins=list(parts.cors_origins),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", KEY_HEADER, REQUEST_ID, TRACE_PARENT],
        expose_headers=[*EXPOSED, REQUEST_ID],
        max_age=600,
    )
    if parts.cors_origins:
        app.add_middleware(shared)
        app.add_middleware(Observation, instruments=parts.instruments, around=shared)
    else:
        app.add_middleware(Observation, instruments=parts.instruments)
    app.add_middleware(Headers)  # the outermost: what Observation answers has them as well
    install_error_handlers(app)
    install_openapi(app, _TYPES, _DESCRIPTION)
    install_website(app, demo_token=parts.demo_token)
    return app
