"""VenueStatusService as positions and the monitor serve it: what their budgets say, to the gateway alone."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from deploy.local.certificates import CertificateFiles
from protos.positions.v1.types_pb2 import EXCHANGE_BINANCE, EXCHANGE_BYBIT
from protos.venue.v1.status_pb2 import VenueStatus
from services.common.channels import open_channel
from services.common.errors import CallerRefused
from services.common.exchange.budget import Budget, BudgetLimits, Lane
from services.common.exchange.prices import FeedMode
from services.common.health import HealthRegistry
from services.common.identity import AccessTable
from services.common.server import GrpcServer, Registration
from services.common.standing import registration
from services.common.telemetry import Instruments
from services.common.trading.side import Venue
from services.gateway.clients import VenuesClient
from services.monitor.prices.watch import FeedStanding
from services.monitor.rpc import status as of_monitor
from services.positions.access import ACCESS as POSITIONS_ACCESS
from services.positions.rpc import status as of_positions
from tests.contract.common.settings import RpcSettings

NOW = datetime(2025, 10, 21, 12, tzinfo=UTC)
FEEDS = {
    Venue.BINANCE: FeedStanding(FeedMode.POLLING, timedelta(seconds=0.4), 12),
    Venue.BYBIT: FeedStanding(FeedMode.DOWN, timedelta(0), 0),
}
Reach = Callable[[str], AbstractAsyncContextManager[VenuesClient]]


@pytest.fixture
def budgets() -> dict[Venue, Budget]:
    return {
        Venue.BINANCE: Budget(Venue.BINANCE, BudgetLimits(60, 1200, share=0.5), seconds=NOW.timestamp),
        Venue.BYBIT: Budget(Venue.BYBIT, BudgetLimits(1, 100), seconds=NOW.timestamp),
    }


@pytest.fixture(params=["positions", "monitor"])
def served(request: pytest.FixtureRequest, budgets: dict[Venue, Budget]) -> Iterator[tuple[str, Registration]]:
    """A service that serves it, and how."""
    if request.param == "positions":
        yield "positions", registration("host-7", of_positions.reading(budgets.__getitem__))
    else:
        yield "monitor", registration("host-7", of_monitor.reading(budgets.__getitem__, FEEDS.__getitem__))


@pytest.fixture
async def reach(served: tuple[str, Registration], certificates: dict[str, CertificateFiles]) -> AsyncIterator[Reach]:
    """A client with the certificate of a caller."""
    service, answering = served
    access: AccessTable = POSITIONS_ACCESS if service == "positions" else of_monitor.ACCESS
    instruments = Instruments(CollectorRegistry())
    server = GrpcServer(RpcSettings.of(certificates[service]), (answering,), access, HealthRegistry(), instruments)
    host, port = await server.start()

    @asynccontextmanager
    async def of(caller: str) -> AsyncIterator[VenuesClient]:
        target = f"ipv4:{host}:{port}"
        async with open_channel(RpcSettings.of(certificates[caller]), target, service, instruments) as channel:
            yield VenuesClient(channel)

    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.drain, 0)
        yield of


async def test_the_gateway_is_told_of_budgets_bans_and_the_monitors_feeds(
    reach: Reach, served: tuple[str, Registration], budgets: dict[Venue, Budget]
) -> None:
    await budgets[Venue.BINANCE].acquire(40, Lane.LIVE)
    budgets[Venue.BINANCE].observe_used(90)
    budgets[Venue.BYBIT].apply_ban(NOW + timedelta(minutes=3), "too many visits")
    async with reach("gateway") as gateway:
        (standing,) = await gateway.read()
    assert standing.replica == "host-7"
    binance, bybit = standing.venues
    assert (binance.exchange, bybit.exchange) == (EXCHANGE_BINANCE, EXCHANGE_BYBIT)
    budget = binance.budget
    assert (budget.limit, budget.used, budget.unit, budget.share) == (1200, 90, "weight a minute", 0.5)
    assert (bybit.budget.limit, bybit.budget.used, bybit.budget.unit) == (100, 0, "requests a second")
    assert (binance.HasField("banned_until"), binance.ban_reason) == (False, "")
    assert bybit.banned_until.ToDatetime(tzinfo=UTC) == NOW + timedelta(minutes=3)
    assert bybit.ban_reason == "too many visits"
    if served[0] == "positions":
        assert (binance.HasField("feed"), bybit.HasField("feed")) == (False, False)
    else:
        _assert_feeds(binance, bybit)


def _assert_feeds(binance: VenueStatus, bybit: VenueStatus) -> None:
    feed = binance.feed
    assert (feed.up, feed.polling, feed.price_age_seconds, feed.symbols) == (True, True, 0.4, 12)
    assert (bybit.feed.up, bybit.feed.polling, bybit.feed.symbols) == (False, False, 0)
    assert (bybit.HasField("feed"), bybit.feed.HasField("price_age_seconds")) == (True, False)


@pytest.mark.parametrize("caller", ["reconciler", "positions", "monitor"])
async def test_nobody_else_is(reach: Reach, caller: str) -> None:
    async with reach(caller) as refused:
        with pytest.raises(CallerRefused):
            await refused.read()
