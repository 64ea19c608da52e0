"""The reconciler over a real Postgres; positions is a fake, the clock stands still."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.certificates import CertificateFiles
from services.common.database import create_engine, transaction
from services.common.migration import migrate_schema
from services.reconciler.commands import Cadence, ConfirmAbsence, Reconciliation, SyncUser
from services.reconciler.config import ReconcilerSettings
from services.reconciler.domain.absence import AbsencePolicy
from services.reconciler.events import announce
from services.reconciler.examination import Examination
from services.reconciler.queries import HistoryQuery, StatusQuery
from services.reconciler.schedule import Schedule
from services.reconciler.store.accounts import AccountStore
from services.reconciler.store.confirmations import ConfirmationStore
from services.reconciler.store.history import HistoryStore
from services.reconciler.store.runs import RunStore
from tests.factories import at
from tests.fakes.clock import FixedClock
from tests.fakes.observatory import FakeObservatory, make_account

INTERVAL = timedelta(seconds=300)
LEASE = timedelta(seconds=30)


@dataclass
class Replica:
    """One process of the reconciler, as far as its database is concerned."""

    engine: AsyncEngine
    observatory: FakeObservatory
    clock: FixedClock
    name: str = "replica-1"
    begun: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.accounts, self.runs = AccountStore(self.engine), RunStore(self.engine)
        self.reconciliation = Reconciliation(
            examination=Examination(self.observatory, AbsencePolicy(timedelta(seconds=20)), self.runs.expect_exits),
            accounts=self.accounts,
            runs=self.runs,
            clock=self.clock,
            owner=self.name,
            cadence=Cadence(interval=INTERVAL, lease=LEASE),
            announce=announce,
            finished=lambda run: None,
        )
        self.sync = SyncUser(
            observatory=self.observatory,
            accounts=self.accounts,
            reconciliation=self.reconciliation,
            clock=self.clock,
        )
        self.schedule = Schedule(
            observatory=self.observatory,
            accounts=self.accounts,
            reconciliation=self.reconciliation,
            clock=self.clock,
            refresh_every=timedelta(seconds=60),
            concurrency=4,
            pace=timedelta(0),
            begun=lambda: self.begun.append(True),
        )
        history = HistoryStore(self.engine)
        self.history = HistoryQuery(history)
        self.status = StatusQuery(history, self.clock, INTERVAL, lambda: self.schedule.is_running)
        self.confirm = ConfirmAbsence(ConfirmationStore(self.engine), self.accounts, self.clock)

    async def pass_over(self) -> None:
        """One turn of the schedule, and the runs that it started."""
        await self.schedule.turn()
        await self.reconciliation.drain(grace_seconds=10)

    async def facts(self) -> list[str]:
        """What is in the outbox, oldest first."""
        async with transaction(self.engine) as connection:
            rows = await connection.execute(text("SELECT subject FROM outbox ORDER BY place"))
            return [row.subject.split(".")[2] for row in rows]


@pytest.fixture(scope="module")
def settings(service_databases: dict[str, str], certificates: dict[str, CertificateFiles]) -> ReconcilerSettings:
    own = certificates["reconciler"]
    return ReconcilerSettings(
        database_url=service_databases["reconciler"],
        nats_url="nats://127.0.0.1:4222",
        admin_listen="127.0.0.1:0",
        grpc_listen="127.0.0.1:0",
        positions_target="ipv4:127.0.0.1:1",
        tls_cert_file=own.certificate,
        tls_key_file=own.key,
        tls_ca_file=own.authority,
    )


@pytest.fixture(scope="module")
async def migrated(settings: ReconcilerSettings) -> AsyncIterator[AsyncEngine]:
    await migrate_schema(settings, "services.reconciler")
    engine = create_engine(settings.database_url, settings.service)
    yield engine
    await engine.dispose()


@pytest.fixture
async def engine(migrated: AsyncEngine) -> AsyncEngine:
    """Empty tables: the schedule is of all accounts, so tests cannot keep out of one another's way."""
    async with transaction(migrated) as connection:
        await connection.execute(
            text("TRUNCATE accounts, runs, discrepancies, pending_absences, confirmations, estimated_exits, outbox")
        )
    return migrated


@pytest.fixture
def observatory() -> FakeObservatory:
    """One account on Binance of one user."""
    return FakeObservatory(make_account(f"account-{uuid4().hex}"))


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(at(0))


@pytest.fixture
def replica(engine: AsyncEngine, observatory: FakeObservatory, clock: FixedClock) -> Replica:
    return Replica(engine, observatory, clock)


@pytest.fixture
def other(engine: AsyncEngine, observatory: FakeObservatory, clock: FixedClock) -> Replica:
    """A second process over the same database."""
    return Replica(engine, observatory, clock, "replica-2")
