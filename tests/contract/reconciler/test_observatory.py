"""One suite for every Observatory: the one in memory that other tests trust, and positions over gRPC.

The real one is positions' own commands over a real Postgres; the venue behind it is the one in memory.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from deploy.local.certificates import CertificateFiles
from protos.positions.v1.observation_pb2_grpc import add_ObservationServiceServicer_to_server
from services.common.channels import open_channel
from services.common.errors import NotFound, ServiceUnavailable
from services.common.exchange.credentials import Credentials
from services.common.health import HealthRegistry
from services.common.server import GrpcServer
from services.common.telemetry import Instruments
from services.common.trading.reading import ReadingStatus
from services.common.trading.side import Side, Venue
from services.positions.rpc.observation import ObservationRpc
from services.reconciler.clients.observatory import Observatory
from services.reconciler.clients.positions import PositionsObservatory
from services.reconciler.domain.absence import AbsencePolicy
from services.reconciler.domain.decision import DecisionOutcome
from services.reconciler.domain.diff import diff
from services.reconciler.domain.observation import ObservableAccount
from tests.contract.common.settings import RpcSettings
from tests.contract.positions.conftest import Books, books, engine, settings
from tests.fakes.observatory import FakeObservatory, VenueAccount, make_account

__all__ = ["books", "engine", "settings"]  # positions' fixtures, instead of the reconciler's

SERVICE = "positions.v1.ObservationService"
POLICY = AbsencePolicy(timedelta(seconds=20))


class World:
    """An Observatory, the account that it observes, and the venue where that account trades."""

    def __init__(self, observatory: Observatory, account: ObservableAccount, venue: VenueAccount) -> None:
        self.observatory, self.account, self.venue = observatory, account, venue
        self.status = ReadingStatus.COMPLETE

    def publish(self) -> None:
        """Show the venue's present state to whoever reads it."""


class PositionsWorld(World):
    def __init__(self, observatory: Observatory, account: ObservableAccount, books: Books, api_key: str) -> None:
        super().__init__(observatory, account, VenueAccount(books.clock.now()))
        self._books, self._api_key = books, api_key

    def publish(self) -> None:
        self._books.reader.readings[self._api_key] = self.venue.read()
        self._books.reader.fills[self._api_key] = list(self.venue.fills)
        self._books.clock.set(self.venue.now)


@pytest.fixture(params=["in memory", "positions"])
async def world(
    request: pytest.FixtureRequest, certificates: dict[str, CertificateFiles], books: Books
) -> AsyncIterator[World]:
    if request.param == "in memory":
        account = make_account()
        observatory = FakeObservatory(account)
        yield World(observatory, account, observatory.venues[account.account_id])
        return
    api_key = uuid4().hex
    added = await books.accounts.add(
        f"user-{api_key}", Venue.BINANCE, "Main", Credentials(api_key, "s3cret"), trading_enabled=False
    )
    instruments = Instruments(CollectorRegistry())
    servicer = ObservationRpc(books.observation, books.decisions)
    server = GrpcServer(
        RpcSettings.of(certificates["positions"]),
        [(add_ObservationServiceServicer_to_server, servicer, SERVICE)],
        {SERVICE: frozenset({"reconciler"})},
        HealthRegistry(),
        instruments,
    )
    _, port = await server.start()
    channel = open_channel(
        RpcSettings.of(certificates["reconciler"]), f"ipv4:127.0.0.1:{port}", "positions", instruments
    )
    account = ObservableAccount(added.account_id, added.user_id, added.venue)
    yield PositionsWorld(PositionsObservatory(channel, 5), account, books, api_key)
    await channel.close()
    await server.drain(grace_seconds=0)


async def reconcile(world: World) -> tuple[list[str], list[DecisionOutcome]]:
    """One round: what was decided, and what became of it."""
    world.publish()
    seen = await world.observatory.observe(world.account.account_id)
    decisions = diff(seen.booked, seen.reading, (), POLICY).decisions
    run_id = uuid4()
    results = await world.observatory.apply(run_id, world.account.account_id, decisions)
    assert await world.observatory.apply(run_id, world.account.account_id, decisions) == results
    assert [result.decision_id for result in results] == [decision.decision_id for decision in decisions]
    return [type(decision).__name__ for decision in decisions], [result.outcome for result in results]


APPLIED, STALE = DecisionOutcome.APPLIED, DecisionOutcome.STALE


async def test_accounts_are_listed_by_user_and_for_all(world: World) -> None:
    assert await world.observatory.accounts(world.account.user_id) == (world.account,)
    assert world.account in await world.observatory.accounts()
    assert await world.observatory.accounts("nobody") == ()


async def test_an_unknown_account_is_not_found(world: World) -> None:
    with pytest.raises(NotFound) as raised:
        await world.observatory.observe(str(uuid4()))
    assert raised.value.reason == "ACCOUNT_NOT_FOUND"


async def test_a_flat_account_is_a_complete_empty_reading(world: World) -> None:
    world.publish()
    seen = await world.observatory.observe(world.account.account_id)
    assert (seen.account, seen.booked, seen.reading.positions) == (world.account, (), ())
    assert seen.reading.complete
    assert seen.reading.asked_at <= seen.reading.taken_at


async def test_what_was_adopted_is_booked_as_the_venue_said(world: World) -> None:
    world.venue.trade("0.5", price="65000")
    assert await reconcile(world) == (["Adopt"], [APPLIED])
    seen = await world.observatory.observe(world.account.account_id)
    [row], [position] = seen.booked, seen.reading.positions
    assert (row.key, row.side, row.quantity) == (position.key, Side.LONG, Decimal("0.5"))
    assert (row.entry_price, row.leverage, row.version) == (Decimal(65000), Decimal(10), 1)
    assert row.settlement.since <= row.settlement.until <= seen.reading.taken_at
    assert (row.fills, row.fills_complete) == ((), True)
    assert await reconcile(world) == ([], [])


async def test_a_close_takes_its_fills_into_the_books(world: World) -> None:
    world.venue.trade("1")
    await reconcile(world)
    world.venue.trade("-0.4")
    world.venue.trade("-0.6")
    assert await reconcile(world) == (["Close"], [APPLIED])
    assert await reconcile(world) == ([], [])


async def test_size_and_leverage_are_adjusted(world: World) -> None:
    world.venue.trade("1")
    await reconcile(world)
    world.venue.trade("1", price="67000")
    assert await reconcile(world) == (["Adjust"], [APPLIED])
    [key] = world.venue.positions
    world.venue.positions[key] = replace(world.venue.positions[key], leverage=Decimal(20))
    assert await reconcile(world) == (["Adjust"], [APPLIED])
    assert await reconcile(world) == ([], [])
    # The fills that were booked with an adjustment are not taken for later ones.
    world.venue.trade("-2")
    assert await reconcile(world) == (["Close"], [APPLIED])


@pytest.mark.parametrize("trades", [("-3",), ("-1", "-2"), ("-1", "2", "-3")])
async def test_a_flip_is_a_close_and_an_adoption(world: World, trades: tuple[str, ...]) -> None:
    world.venue.trade("1")
    await reconcile(world)
    for trade in trades:
        world.venue.trade(trade)
    assert await reconcile(world) == (["Close", "Adopt"], [APPLIED, APPLIED])
    assert await reconcile(world) == ([], [])
    seen = await world.observatory.observe(world.account.account_id)
    assert [row.side for row in seen.booked] == [Side.SHORT]


async def test_closed_and_reopened_between_two_readings(world: World) -> None:
    world.venue.trade("1")
    await reconcile(world)
    world.venue.trade("-1")
    world.venue.trade("1", price="66500")
    assert await reconcile(world) == (["Close", "Adopt"], [APPLIED, APPLIED])
    world.venue.trade("-1")
    assert await reconcile(world) == (["Close"], [APPLIED])


async def test_a_row_that_moved_on_is_stale(world: World) -> None:
    world.venue.trade("1")
    await reconcile(world)
    world.venue.trade("1")
    world.publish()
    seen = await world.observatory.observe(world.account.account_id)
    decisions = diff(seen.booked, seen.reading, (), POLICY).decisions
    [first] = await world.observatory.apply(uuid4(), world.account.account_id, decisions)
    [second] = await world.observatory.apply(uuid4(), world.account.account_id, decisions)
    assert (first.outcome, second.outcome) == (APPLIED, STALE)


async def test_nobody_at_the_other_end_is_service_unavailable(certificates: dict[str, CertificateFiles]) -> None:
    instruments = Instruments(CollectorRegistry())
    files = certificates["reconciler"]
    async with open_channel(RpcSettings.of(files), "ipv4:127.0.0.1:1", "positions", instruments) as channel:
        with pytest.raises(ServiceUnavailable):
            await PositionsObservatory(channel, 1).accounts()
