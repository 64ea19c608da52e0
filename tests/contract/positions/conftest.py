"""The positions service's commands and queries over a real Postgres; the venue is a fake, the clock stands still."""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.certificates import CertificateFiles
from services.common.database import create_engine, transaction
from services.common.exchange.credentials import Credentials
from services.common.migration import migrate_schema
from services.common.trading.side import Venue
from services.positions.commands.accounts import AccountCommands
from services.positions.commands.decisions import DecisionCommands
from services.positions.commands.fills import FillCommands
from services.positions.commands.journal import Journal
from services.positions.commands.levels import LevelCommands
from services.positions.commands.openings import OpeningCommands
from services.positions.commands.orders import OrderCommands
from services.positions.commands.requests import Requests
from services.positions.commands.trigger_prices import TriggerPriceCommands
from services.positions.config import PositionsSettings
from services.positions.custody import Custodian
from services.positions.domain.account import Account
from services.positions.domain.decision import Adopt, Decision, DecisionResult
from services.positions.guards import Guards
from services.positions.keys import KeptKeys
from services.positions.prices import TriggerPrices
from services.positions.queries.books import BookQueries
from services.positions.queries.documents import DocumentQueries
from services.positions.queries.live import LiveQueries
from services.positions.queries.observation import ObservationQueries
from services.positions.readings import AccountReadings
from tests.factories import at, make_seen
from tests.fakes.clock import FixedClock
from tests.fakes.venue_reader import FakeVenueReader

ENCRYPTION_KEYS = json.dumps({"active": "k1", "keys": {"k1": base64.b64encode(b"k" * 32).decode()}})


@dataclass
class Books:
    """The whole of it, as a test uses it."""

    engine: AsyncEngine
    reader: FakeVenueReader
    clock: FixedClock
    announced: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        custodian = Custodian(ENCRYPTION_KEYS)
        self.keys = KeptKeys(self.engine, custodian, self.clock)
        self.readings = AccountReadings(self.reader, self.keys, self.clock, timedelta(seconds=5))
        journal = Journal(self.engine, lambda: self.announced.append(1))
        self.guards = Guards(timedelta(seconds=5))
        self.accounts = AccountCommands(
            journal, self.reader, custodian, self.readings, self.clock, timedelta(minutes=5), self.keys
        )
        prices = TriggerPrices(self.reader)
        self.trigger_prices = TriggerPriceCommands(journal, self.accounts, prices, self.clock)
        self.decisions = DecisionCommands(journal, self.readings, prices, self.clock)
        self.levels = LevelCommands(journal, self.readings, prices, self.clock)
        self.observation = ObservationQueries(self.engine, self.readings, self.reader, self.keys)
        self.fills = FillCommands(journal, self.readings, self.clock, self.observation)
        self.openings = OpeningCommands(journal, self.readings, prices, self.clock)
        self.orders = OrderCommands(journal, self.clock)
        self.requests = Requests(self.engine, self.clock)
        self.documents = DocumentQueries(self.engine)
        self.queries = BookQueries(self.engine, self.clock)
        self.live = LiveQueries(self.engine, self.readings, self.guards, self.clock)

    async def apply(self, account: Account, *acts: object, run_id: str | None = None) -> list[DecisionResult]:
        """Carry out acts as one run of the reconciler."""
        numbers = count(1)
        decisions = [Decision(str(next(numbers)), act, "as the test says") for act in acts]  # type: ignore[arg-type]
        return await self.decisions.apply(run_id or str(uuid4()), account.account_id, decisions)

    async def adopt(self, account: Account, **changes: object) -> str:
        """A position in the books, adopted from a reading asked for ten seconds after noon."""
        [result] = await self.apply(account, Adopt(make_seen(**changes), at(10), at(10.2)))
        assert result.position_id
        return result.position_id

    async def events(self, aggregate_id: str) -> list[str]:
        """The facts in the outbox about a position or an account, in order of version."""
        async with transaction(self.engine) as connection:
            rows = await connection.execute(
                text("SELECT subject FROM outbox WHERE aggregate_id = :id ORDER BY version, place"),
                {"id": aggregate_id},
            )
            return [row.subject.split(".")[2] for row in rows]


@pytest.fixture(scope="module")
def settings(service_databases: dict[str, str], certificates: dict[str, CertificateFiles]) -> PositionsSettings:
    own = certificates["positions"]
    return PositionsSettings(
        database_url=service_databases["positions"],
        nats_url="nats://127.0.0.1:4222",
        admin_listen="127.0.0.1:0",
        grpc_listen="127.0.0.1:0",
        tls_cert_file=own.certificate,
        tls_key_file=own.key,
        tls_ca_file=own.authority,
        encryption_keys=ENCRYPTION_KEYS,
    )


@pytest.fixture(scope="module")
async def engine(settings: PositionsSettings) -> AsyncIterator[AsyncEngine]:
    await migrate_schema(settings, "services.positions")
    engine = create_engine(settings.database_url, settings.service)
    yield engine
    await engine.dispose()


@pytest.fixture
def books(engine: AsyncEngine) -> Books:
    return Books(engine, FakeVenueReader(), FixedClock(at(20)))


NewAccount = Callable[..., Awaitable[Account]]


@pytest.fixture
def new_account(books: Books) -> NewAccount:
    """An account of a user that no other test has."""

    async def create(user_id: str | None = None, *, trading_enabled: bool = True) -> Account:
        name = uuid4().hex
        return await books.accounts.add(
            user_id or f"user-{name}",
            Venue.BINANCE,
            "Main",
            Credentials(name, "s3cret"),
            trading_enabled=trading_enabled,
        )

    return create


@pytest.fixture
async def account(new_account: NewAccount) -> Account:
    return await new_account()
