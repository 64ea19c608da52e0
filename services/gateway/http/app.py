"""The public application: every route, its errors and its documentation, wired from parts."""

from dataclasses import dataclass

from fastapi import FastAPI
from pydantic import SecretStr

from services.common.clock import Clock
from services.gateway.clients import Accounts, Books, Closing, History, LivePositions, Reconciliation
from services.gateway.http import history, keys, operations, positions, reconciliation, status
from services.gateway.http.documents import LevelAnswer, PositionAnswer
from services.gateway.http.errors import install_error_handlers
from services.gateway.http.identity import Authenticate, Verifier
from services.gateway.http.observation import HttpInstruments, Observation
from services.gateway.http.openapi import install_openapi
from services.gateway.http.web import install_website
from services.gateway.http.writes import WriteLog, Writes
from services.gateway.stream import EventStream

_TYPES = (
    operations.OperationsAnswer,
    PositionAnswer,
    LevelAnswer,
    positions.LevelBody,
    positions.CloseAnswer,
    reconciliation.SyncAnswer,
    reconciliation.ScheduleAnswer,
    history.HistoryAnswer,
    history.AnalyticsAnswer,
    keys.KeyBody,
    keys.KeyAnswer,
    keys.KeysAnswer,
    status.StatusAnswer,
    status.AliveAnswer,
)
_DESCRIPTION = """Positions of crypto futures: what the exchange says is true now, and what the books say happened.

Every answer has `success`; a failure is `{"success": false, "error": "…", "code": "…"}`. The WebSocket is at `/ws`:
show a token as the subprotocol `tandem.jwt.<token>` beside `tandem`, or in a first message
`{"type": "auth", "token": "…"}`."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the application is made of."""

    live: LivePositions
    books: Books
    history: History
    accounts: Accounts
    reconciliation: Reconciliation
    closing: Closing
    board: status.StatusBoard
    verifier: Verifier
    write_log: WriteLog
    stream: EventStream
    clock: Clock
    instruments: HttpInstruments
    demo_token: SecretStr | None = None


def create_app(parts: Parts) -> FastAPI:
    """The application. Static routes come before those with an id, so that they win."""
    app = FastAPI(title="Tandem", version=status.API_VERSION, redoc_url=None, redirect_slashes=False)
    authenticate = Authenticate(parts.verifier)
    writes = Writes(parts.write_log, parts.clock)
    app.include_router(status.status_router(parts.board))
    app.include_router(positions.live_router(parts.live, authenticate, parts.clock))
    app.include_router(reconciliation.reconciliation_router(parts.reconciliation, authenticate, writes))
    app.include_router(history.history_router(parts.history, authenticate))
    app.include_router(keys.keys_router(parts.accounts, authenticate, writes))
    app.include_router(positions.books_router(parts.books, parts.live, parts.closing, authenticate, writes))
    app.add_api_websocket_route("/ws", parts.stream.serve)
    app.add_middleware(Observation, instruments=parts.instruments)
    install_error_handlers(app)
    install_openapi(app, _TYPES, _DESCRIPTION)
    install_website(app, demo_token=parts.demo_token)
    return app
