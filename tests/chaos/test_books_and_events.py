"""The positions service killed with SIGKILL between the write and the publish, and anywhere else.

The process is the one that runs in production, with proxies of ours before Postgres and NATS that hold it at exactly
the step at which it is to die. After its restart every event is delivered, in order, and none twice in effect.
"""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from deploy.local.certificates import CertificateFiles
from deploy.local.nats import NatsServer
from deploy.local.ports import choose_port
from protos.positions.v1 import events_pb2, observation_pb2, observation_pb2_grpc
from services.common.bus import Bus, Received, subject
from services.common.channels import ServiceChannel, open_channel
from services.common.database import transaction
from services.common.errors import DomainError
from services.common.status import RemoteFailure
from services.common.telemetry import Instruments
from services.positions.config import PositionsSettings
from services.positions.domain.account import Account
from services.positions.rpc.messages import venue_position_to_proto
from services.positions.rpc.vocabulary import stamp_of
from tests.contract.common.conftest import gateway_bus, running, stream, until
from tests.contract.positions.conftest import ENCRYPTION_KEYS, Books, account, books, engine, new_account, settings
from tests.factories import at, make_seen
from tests.proxy import Proxy, proxy_to

__all__ = ["account", "books", "engine", "gateway_bus", "new_account", "settings", "stream"]

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60


@dataclass
class Service:
    """The positions service as a process of its own, started as often as a test kills it."""

    environment: dict[str, str]
    database: Proxy
    nats: Proxy
    process: asyncio.subprocess.Process | None = None

    @property
    def target(self) -> str:
        return f"ipv4:{self.environment['GRPC_LISTEN']}"

    async def start(self) -> None:
        """Return once it is ready."""
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.positions", "serve"),
            env=self.environment,
            cwd=ROOT,
            stdout=asyncio.subprocess.DEVNULL,
        )
        await until(self._ready, START_SECONDS)

    async def kill(self) -> None:
        """SIGKILL: nothing of it runs on."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.returncode is None, "the service ended by itself"
        return await asyncio.to_thread(self._answers)

    def _answers(self) -> bool:
        try:
            with urlopen(f"http://{self.environment['ADMIN_LISTEN']}/readyz", timeout=1):
                return True
        except OSError:
            return False


@dataclass
class Heard:
    """What a consumer of the events has been told, in order."""

    events: list[tuple[str, int]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    async def hear(self, fact: Received) -> None:
        event = events_pb2.PositionOpened.FromString(fact.payload)
        self.events.append((event.position.position_id, event.position.version))
        self.ids.append(fact.message_id)


@pytest.fixture
async def service(
    settings: PositionsSettings, certificates: dict[str, CertificateFiles], stream: NatsServer, books: Books
) -> AsyncIterator[Service]:
    own = certificates["positions"]
    url = settings.database_url.get_secret_value()
    async with proxy_to(url) as database, proxy_to(stream.url) as nats:
        made = Service(
            {
                "PATH": os.environ["PATH"],
                "DATABASE_URL": database.url(url),
                "NATS_URL": nats.url(stream.url),
                "NATS_USER": "positions",
                "NATS_PASSWORD": stream.passwords["positions"],
                "ENCRYPTION_KEYS": ENCRYPTION_KEYS,
                "EXCHANGE_MODE": "sandbox",
                "EXCHANGE_SANDBOX_URL": f"http://127.0.0.1:{choose_port()}",
                "MONITOR_TARGET": f"ipv4:127.0.0.1:{choose_port()}",
                "GRPC_LISTEN": f"127.0.0.1:{choose_port()}",
                "ADMIN_LISTEN": f"127.0.0.1:{choose_port()}",
                "TLS_CERT_FILE": str(own.certificate),
                "TLS_KEY_FILE": str(own.key),
                "TLS_CA_FILE": str(own.authority),
            },
            database,
            nats,
        )
        try:
            yield made
        finally:
            await made.kill()


@asynccontextmanager
async def reconciler_channel(
    service: Service, settings: PositionsSettings, certificates: dict[str, CertificateFiles]
) -> AsyncIterator[ServiceChannel]:
    own = certificates["reconciler"]
    theirs = settings.model_copy(
        update={"tls_cert_file": own.certificate, "tls_key_file": own.key, "tls_ca_file": own.authority}
    )
    channel = open_channel(theirs, service.target, "positions", Instruments(CollectorRegistry()))
    try:
        yield channel
    finally:
        await channel.close()


@asynccontextmanager
async def listening(bus: Bus, account: Account) -> AsyncIterator[Heard]:
    """A consumer of the account's events that is never killed."""
    heard = Heard()
    follower = bus.follow([subject("positions", "position_opened", account.user_id)], heard.hear, "all")
    async with running(follower):
        await follower.started()
        yield heard


async def adopt(channel: ServiceChannel, account: Account, symbol: str, run_id: str) -> None:
    """One opening; the same run again is carried out once."""
    act = observation_pb2.Adopt(
        position=venue_position_to_proto(make_seen(symbol=symbol)),
        asked_at=stamp_of(at(10)),
        taken_at=stamp_of(at(10.2)),
    )
    request = observation_pb2.ApplyDecisionsRequest(
        run_id=run_id,
        account_id=account.account_id,
        decisions=[observation_pb2.Decision(decision_id="1", adopt=act, evidence="seen")],
    )
    await observation_pb2_grpc.ObservationServiceStub(channel).ApplyDecisions(request, timeout=4)


async def books_of(books: Books, account: Account) -> list[tuple[str, int, int]]:
    """Each position of the account with how many lines of timeline and events it has."""
    statement = text(
        "SELECT position_id, (SELECT count(*) FROM timeline t WHERE t.position_id = p.position_id) AS lines,"
        " (SELECT count(*) FROM outbox o WHERE o.aggregate_id = p.position_id) AS events"
        " FROM positions p WHERE account_id = :account_id ORDER BY position_id"
    )
    async with transaction(books.engine) as connection:
        return [tuple(row) for row in await connection.execute(statement, {"account_id": account.account_id})]


def when_seen(marker: bytes, act: Callable[[], None]) -> tuple[Callable[[bytes], None], asyncio.Event]:
    """A watcher that acts before the first piece of data with the marker is passed on, and says that it did."""
    reached = asyncio.Event()

    def watch(data: bytes) -> None:
        if marker in data and not reached.is_set():
            act()
            reached.set()

    return watch, reached


def after_bytes(left: int, act: Callable[[], None]) -> tuple[Callable[[bytes], None], asyncio.Event]:
    """A watcher that acts once so many bytes have come by, and says that it did."""
    reached = asyncio.Event()

    def watch(data: bytes) -> None:
        nonlocal left
        left -= len(data)
        if left < 0 and not reached.is_set():
            act()
            reached.set()

    return watch, reached


def die_before_publishing(service: Service) -> asyncio.Event:
    """Committed, and the publish is still on its way to NATS: it never gets there."""
    service.nats.to_server, reached = when_seen(b"PUB positions.v1.position_opened", service.nats.stall)
    return reached


def die_before_the_acknowledgement(service: Service) -> asyncio.Event:
    """The stream has it, and its acknowledgement is still on its way back."""
    service.nats.to_client, reached = when_seen(b'"stream":"EVENTS"', service.nats.stall)
    return reached


def die_before_it_is_marked(service: Service) -> asyncio.Event:
    """The relay knows that the stream has it, and the row does not say so yet."""
    service.nats.to_client, reached = when_seen(b'"stream":"EVENTS"', service.database.stall)
    return reached


def die_at_the_commit(service: Service) -> asyncio.Event:
    """The commit is still on its way to Postgres: nothing was written, nothing may be announced."""
    # asyncpg sends BEGIN and COMMIT as simple queries; the first COMMIT after a write of the outbox is the one.
    wrote = False

    def watch(data: bytes) -> None:
        nonlocal wrote
        wrote = wrote or b"position_opened" in data
        if wrote and b"COMMIT" in data and not reached.is_set():
            service.database.stall()
            reached.set()

    reached = asyncio.Event()
    service.database.to_server = watch
    return reached


@pytest.mark.parametrize(
    "step", [die_at_the_commit, die_before_publishing, die_before_the_acknowledgement, die_before_it_is_marked]
)
async def test_killed_between_the_write_and_the_publish(
    service: Service,
    settings: PositionsSettings,
    certificates: dict[str, CertificateFiles],
    books: Books,
    account: Account,
    gateway_bus: Bus,
    step: Callable[[Service], asyncio.Event],
) -> None:
    """The reconciler's call is repeated after the restart, as it would be: it takes effect once."""
    run_id = str(uuid4())
    await service.start()
    async with listening(gateway_bus, account) as heard, reconciler_channel(service, settings, certificates) as channel:
        await _wait_for_the_relay(books)
        reached = step(service)
        asking = asyncio.create_task(adopt(channel, account, "BTCUSDT", run_id))
        await asyncio.wait_for(reached.wait(), 20)
        await service.kill()
        await asyncio.wait([asking])
        service.nats.restore()
        service.database.restore()
        if step is die_at_the_commit:
            assert await books_of(books, account) == []
        await service.start()
        await _adopted(channel, account, run_id)
        await until(lambda: len(heard.events) == 1)
        # One more makes sure that nothing of the first is still to come.
        await adopt(channel, account, "ETHUSDT", str(uuid4()))
        await until(lambda: len(heard.events) >= 2)
        await until(lambda: _all_published(books))
    assert len(set(heard.events)) == len(heard.events) == 2
    assert sorted(position_id for position_id, _ in heard.events) == [row[0] for row in await books_of(books, account)]
    assert {(lines, events) for _, lines, events in await books_of(books, account)} == {(1, 1)}


async def test_killed_again_and_again_at_any_moment(
    service: Service,
    settings: PositionsSettings,
    certificates: dict[str, CertificateFiles],
    books: Books,
    account: Account,
    gateway_bus: Bus,
) -> None:
    """Writers that never stop asking, and a service that dies after a different number of bytes each time."""
    chance = random.Random(11)  # noqa: S311 - moments to die at
    runs = {f"S{number}USDT": str(uuid4()) for number in range(60)}
    done: set[str] = set()
    async with listening(gateway_bus, account) as heard, reconciler_channel(service, settings, certificates) as channel:

        async def write() -> None:
            for symbol, run_id in runs.items():
                await _adopted(channel, account, run_id, symbol)
                done.add(symbol)

        writing = asyncio.create_task(write())
        for kill in range(4):
            await service.start()
            target = 12 * (kill + 1) - chance.randrange(6)
            await until(lambda target=target: len(done) >= target or writing.done())  # type: ignore[misc]
            service.database.to_server, reached = after_bytes(chance.randrange(200, 6_000), service.database.stall)
            await until(lambda reached=reached: reached.is_set() or writing.done())  # type: ignore[misc]
            await service.kill()
            service.database.restore()
        await service.start()
        await writing
        await until(lambda: len(heard.events) >= len(runs), 40)
        await until(lambda: _all_published(books))
    kept = await books_of(books, account)
    assert len(kept) == len(runs)
    assert {(lines, events) for _, lines, events in kept} == {(1, 1)}
    assert sorted(position_id for position_id, _ in heard.events) == [row[0] for row in kept]


async def _adopted(channel: ServiceChannel, account: Account, run_id: str, symbol: str = "BTCUSDT") -> None:
    """Ask until it is done, under the same run."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            try:
                await adopt(channel, account, symbol, run_id)
            except (DomainError, RemoteFailure):
                await asyncio.sleep(0.05)
            else:
                return


async def _wait_for_the_relay(books: Books) -> None:
    """Until a process holds the lock under which it publishes, and has nothing left to publish."""

    async def leads() -> bool:
        async with transaction(books.engine) as connection:
            held = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")
            return bool((await connection.execute(held)).scalar_one())

    await until(leads)
    await until(lambda: _all_published(books))


async def _all_published(books: Books) -> bool:
    async with transaction(books.engine) as connection:
        waiting = text("SELECT count(*) FROM outbox WHERE published_at IS NULL")
        return bool((await connection.execute(waiting)).scalar_one() == 0)
