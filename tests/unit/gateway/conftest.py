"""The gateway's application over fakes, with a clock that stands still and tokens that fit it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from services.gateway.events import Replay
from services.gateway.http.app import Parts, create_app
from services.gateway.http.identity import SharedSecret, SigningKeys, TokenVerifier
from services.gateway.http.limits import Limit, RateLimits
from services.gateway.http.observation import HttpInstruments
from services.gateway.http.server import HttpServer
from services.gateway.http.status import StatusBoard
from services.gateway.hub import Hub
from services.gateway.stream import EventStream, SocketInstruments
from tests.fakes.clock import FixedClock
from tests.fakes.gateway_clients import (
    FakeAccounts,
    FakeBooks,
    FakeHealth,
    FakeHistory,
    FakeLivePositions,
    FakeOwnState,
    FakePast,
    FakeReconciliation,
    FakeTransactions,
    FakeVenues,
)
from tests.fakes.gateway_monitor import FakeMonitor
from tests.fakes.write_log import FakeWriteLog

NOW = datetime(2025, 10, 21, 12, tzinfo=UTC)
SECRET = "a secret of the unit tests, long enough"
BACKLOG = 8
SOCKETS = 4


@dataclass
class World:
    """Everything around the application, to be set and looked at."""

    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    live: FakeLivePositions = field(default_factory=FakeLivePositions)
    books: FakeBooks = field(default_factory=FakeBooks)
    history: FakeHistory = field(default_factory=FakeHistory)
    accounts: FakeAccounts = field(default_factory=FakeAccounts)
    reconciliation: FakeReconciliation = field(default_factory=FakeReconciliation)
    monitor: FakeMonitor = field(default_factory=FakeMonitor)
    health: dict[str, FakeHealth] = field(
        default_factory=lambda: {name: FakeHealth() for name in ("positions", "reconciler", "monitor")}
    )
    venues: dict[str, FakeVenues] = field(
        default_factory=lambda: {name: FakeVenues() for name in ("positions", "monitor")}
    )
    write_log: FakeWriteLog = field(default_factory=FakeWriteLog)
    transactions: FakeTransactions = field(default_factory=FakeTransactions)
    past: FakePast = field(default_factory=FakePast)
    own: FakeOwnState = field(default_factory=FakeOwnState)
    place: int = 5
    reads: int = 0
    writes: int = 0
    cors_origins: tuple[str, ...] = ()
    stall_seconds: float = 20
    signing_keys: SigningKeys | None = None
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    hub: Hub = field(default_factory=lambda: Hub(BACKLOG, per_user=SOCKETS))
    auth_seconds: float = 5
    ping_seconds: float = 20

    def verifier(self) -> TokenVerifier:
        keys = self.signing_keys or SharedSecret(SecretStr(SECRET))
        return TokenVerifier(keys, issuer="tandem", audience="tandem", clock=self.clock)

    def token(self, user_id: str = "demo", **claims: Any) -> str:
        return sign({"sub": user_id, "exp": self.clock.now() + timedelta(hours=1), **claims})

    def app(self) -> Any:
        verifier = self.verifier()
        return create_app(
            Parts(
                live=self.live,
                books=self.books,
                transactions=self.transactions,
                history=self.history,
                accounts=self.accounts,
                reconciliation=self.reconciliation,
                closing=self.monitor,
                opening=self.monitor,
                alerts=self.monitor,
                flows=self.monitor,
                evaluations=self.monitor,
                pauses=self.monitor,
                venues=self.venues,
                board=StatusBoard(self.health, self.clock),
                verifier=verifier,
                limits=RateLimits(Limit("reads", self.reads), Limit("writes", self.writes)),
                write_log=self.write_log,
                audit=self.write_log,
                own=self.own,
                stream=EventStream(
                    self.hub,
                    verifier,
                    Replay(self.past, limit=20),
                    self.clock,
                    place=lambda: self.place,
                    auth_seconds=self.auth_seconds,
                    stall_seconds=self.stall_seconds,
                    instruments=SocketInstruments(self.registry),
                ),
                cors_origins=self.cors_origins,
                clock=self.clock,
                instruments=HttpInstruments(self.registry),
            )
        )

    def server(self) -> HttpServer:
        return HttpServer(self.app(), host="127.0.0.1", port=0, ping_seconds=self.ping_seconds, drain_seconds=2)


def sign(claims: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> str:
    """A token with our issuer, audience and role, unless the claims say otherwise; a claim of None is left out."""
    whole = {"iss": "tandem", "aud": "tandem", "role": "user", **claims}
    return jwt.encode({name: value for name, value in whole.items() if value is not None}, secret, algorithm)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def gateway_settings(tmp_path: Path) -> dict[str, object]:
    """Settings that a gateway starts with, but for how it verifies tokens."""
    file = tmp_path / "file"
    file.touch()
    return {
        "database_url": "postgresql://gateway:pw@127.0.0.1/tandem",
        "nats_url": "nats://127.0.0.1:4222",
        "admin_listen": "127.0.0.1:0",
        **dict.fromkeys(("tls_cert_file", "tls_key_file", "tls_ca_file"), file),
        **dict.fromkeys(("positions_target", "reconciler_target", "monitor_target"), "ipv4:127.0.0.1:1"),
    }


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application with the token of the user `demo`."""
    transport = httpx.ASGITransport(app=world.app())
    headers = {"Authorization": f"Bearer {world.token()}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
        yield client
