"""Postgres or NATS away for a while: calls fail fast and by name, writes go on, all without a restart."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from deploy.local.certificates import CertificateFiles
from deploy.local.nats import NatsServer
from protos.positions.v1 import events_pb2, history_pb2, history_pb2_grpc
from services.common.bus import Bus, Received, subject
from services.common.channels import open_channel
from services.common.database import create_engine
from services.common.errors import DatabaseUnavailable
from services.common.health import HealthRegistry
from services.common.relay import Relay
from services.common.server import GrpcServer
from services.common.telemetry import Instruments
from services.common.trading.level import LevelKind, Pinned
from services.positions.access import ACCESS
from services.positions.config import PositionsSettings
from services.positions.domain.account import Account
from services.positions.rpc import history
from tests.contract.common.conftest import bus_of, gateway_bus, running, stream, until
from tests.contract.common.settings import NatsSettings
from tests.contract.positions.conftest import Books
from tests.factories import at, make_fill, make_reading, make_seen
from tests.proxy import Proxy, proxy_to

__all__ = ["bus_of", "gateway_bus", "stream"]


@dataclass
class Served:
    """The service, with a proxy before its database."""

    database: Proxy
    books: Books
    history: Any


@pytest.fixture
async def served(
    books: Books, settings: PositionsSettings, certificates: dict[str, CertificateFiles]
) -> AsyncIterator[Served]:
    async with proxy_to(settings.database_url.get_secret_value()) as database:
        url = database.url(settings.database_url.get_secret_value())
        engine = create_engine(url, "positions", 3, statement_timeout_seconds=1)
        own = Books(engine, books.reader, books.clock)
        instruments = Instruments(CollectorRegistry())
        services = [
            history.registration(history.HistoryRpc(own.queries, own.clock)),
        ]
        server = GrpcServer(settings, services, ACCESS, HealthRegistry(), instruments)
        _, port = await server.start()
        theirs = certificates["gateway"]
        caller = settings.model_copy(
            update={"tls_cert_file": theirs.certificate, "tls_key_file": theirs.key, "tls_ca_file": theirs.authority}
        )
        channel = open_channel(caller, f"ipv4:127.0.0.1:{port}", "positions", instruments)
        yield Served(database, own, history_pb2_grpc.HistoryServiceStub(channel))
        await channel.close()
        await server.drain(0)
        await engine.dispose()


@pytest.mark.parametrize("trouble", ["cut", "stall"])
async def test_without_postgres_calls_fail_fast_and_by_name_and_then_work_again(
    served: Served, books: Books, account: Account, trouble: str
) -> None:
    """Cut: refused at once. Stalled: within the statement's own timeout, however many calls wait."""
    position_id = await books.adopt(account)
    listing = history_pb2.ListHistoryRequest(user_id=account.user_id)
    analyze = history_pb2.GetAnalyticsRequest(user_id=account.user_id)
    assert not (await served.history.ListHistory(listing)).positions
    getattr(served.database, trouble)()
    # Bounded by the settings (here 1 s + 2 s for a statement, 5 s for a place in the pool), not by the caller.
    async with asyncio.timeout(20):
        answers = await asyncio.gather(
            *(served.history.ListHistory(listing, timeout=60) for _ in range(2)),
            served.history.GetAnalytics(analyze, timeout=60),
            served.books.fills.record_fills(position_id, [make_fill(executed_at=at(15))], "intent"),
            return_exceptions=True,
        )
    assert {type(answer) for answer in answers} == {DatabaseUnavailable}, answers
    served.database.restore()

    async def closes() -> bool:
        try:
            closed = await served.books.fills.record_fills(position_id, [make_fill(executed_at=at(15))], "intent")
        except DatabaseUnavailable:
            return False
        return not closed.is_open

    await until(closes)
    assert len((await served.history.ListHistory(listing)).positions) == 1
    assert (await served.history.GetAnalytics(analyze)).total_trades == 1


@pytest.mark.parametrize("trouble", ["cut", "stall"])
async def test_without_nats_writes_go_on_and_their_events_follow_in_order(
    books: Books, account: Account, stream: NatsServer, gateway_bus: Bus, trouble: str
) -> None:
    """Ten changes of two positions while NATS is away: none is refused, and each arrives once, in order."""
    heard: list[tuple[str, int]] = []

    async def hear(fact: Received) -> None:
        event = events_pb2.PositionLevelsChanged.FromString(fact.payload)
        heard.append((event.position.position_id, event.position.version))

    facts = [subject("positions", fact, account.user_id) for fact in ("position_opened", "position_levels_changed")]
    follower = gateway_bus.follow(facts, hear, "all")
    instruments = Instruments(CollectorRegistry())
    async with proxy_to(stream.url) as nats:
        bus = Bus(NatsSettings.of(nats.url(stream.url), "positions", "positions"), "positions", instruments)
        relay = Relay(books.engine, bus, instruments, poll_seconds=0.05)
        async with running(bus, relay, follower):
            await bus.wait_connected()
            await follower.started()
            ids = [await books.adopt(account, symbol=symbol) for symbol in ("BTCUSDT", "ETHUSDT")]
            relay.notify()
            await until(lambda: len(heard) == 2)
            getattr(nats, trouble)()
            credentials = await books.keys.credentials(account.account_id)
            seen = [make_seen(symbol=symbol) for symbol in ("BTCUSDT", "ETHUSDT")]
            books.reader.readings[credentials.api_key] = make_reading(*seen)
            for price in range(60000, 60005):
                for position_id in ids:
                    await books.levels.set_level(
                        account.user_id, position_id, LevelKind.STOP_LOSS, Pinned(Decimal(price)), None
                    )
                    relay.notify()
            assert len(heard) == 2
            nats.restore()
            await until(lambda: len(heard) >= 12, 40)
    for position_id in ids:
        assert [version for heard_id, version in heard if heard_id == position_id] == [1, 2, 3, 4, 5, 6]
    assert len(set(heard)) == len(heard) == 12
