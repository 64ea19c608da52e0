"""A private stream that turns deaf while its socket lives, at the sandbox: found out, opened anew, and heard again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from deploy.sandbox.server import running_sandbox
from services.common.clock import SystemClock
from services.common.exchange.budget import Lane
from services.common.exchange.credentials import Credentials
from services.common.exchange.feed import PriceFeed
from services.common.exchange.streams import AccountStream
from services.common.exchange.venues import open_venues
from services.common.trading.reading import PositionKey
from services.common.trading.side import PositionSide, Venue
from services.positions.domain.position import Position
from services.positions.readings import AccountReadings
from services.positions.store.streams import Streamed
from services.positions.streams.following import Cadence, FollowedAccount, Surroundings
from services.positions.streams.hearing import Booked, Patience
from services.positions.streams.marks import Marks
from tests.contract.exchange.conftest import open_world
from tests.contract.exchange.world import Sandbox, World, eventually

CLOCK = SystemClock()
QUICK = Patience(grace=timedelta(seconds=0.3), clocks=timedelta())


@dataclass
class Follower:
    """An account at the sandbox and the process that follows it. Its books are empty: whatever is open is stirred."""

    world: World
    patience: Patience
    stirred: list[str] = field(default_factory=list)
    deaf: list[Venue] = field(default_factory=list)

    def __post_init__(self) -> None:
        world = self.world
        self.readings = AccountReadings(world.reader, self, CLOCK, timedelta(seconds=5))
        around = Surroundings(
            clock=CLOCK,
            readings=self.readings,
            keys=self,
            marks=Marks(
                {venue: PriceFeed(world.venues, venue, lambda _: None) for venue in Venue}, timedelta(seconds=5)
            ),
            open_stream=partial(AccountStream, world.venues),
            booked=self._booked,
            stir=self._stir,
            on_deaf=self.deaf.append,
            cadence=Cadence(settle=0, repeats=(3600,)),
            patience=self.patience,
        )
        self.following = FollowedAccount(Streamed("a", "u", world.venue, 1), around)

    async def credentials(self, account_id: str) -> Credentials:
        assert account_id == "a"
        return self.world.credentials

    async def _booked(self, _account_id: str) -> list[Position]:
        return []

    async def _stir(self, account: Streamed) -> None:
        self.stirred.append(account.account_id)

    def shown(self) -> Decimal | None:
        """What a view shows as the size of the position without asking anybody; None where it has to ask."""
        known = self.readings.followed("a")
        return None if known is None else sum((one.quantity for one in known.positions), Decimal(0))

    def shows(self, quantity: int) -> bool:
        return self.shown() == quantity

    async def reconcile(self) -> None:
        """Read the account as the reconciler has it read."""
        await self.readings.read_now(self.world.venue, "a", Lane.RECONCILIATION)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.following.run())
        try:
            await eventually(lambda: self.shown() == 0)
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    directory: Path = tmp_path_factory.mktemp("deaf-streams")
    async with (
        running_sandbox(directory, binance_weight=10**6, bybit_requests=10**6) as url,
        aiohttp.ClientSession() as http,
    ):
        yield Sandbox(url, http)


@pytest.fixture(params=list(Venue), ids=str)
async def world(sandbox: Sandbox, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with open_venues(sandbox.settings) as venues:
        yield await open_world(sandbox, venues, Venue(request.param))


async def turn_deaf(follower: Follower) -> None:
    """Open a position that the stream tells, and close it when the stream tells nothing any more."""
    world = follower.world
    await world.trade("buy", "1")
    await eventually(lambda: follower.shown() == 1)
    await world.fault("stream_deaf")
    await eventually(lambda: follower.shown() == 1)
    await world.trade("sell", "1")
    assert follower.shown() == 1, "nobody can know"


async def hears_again(follower: Follower) -> None:
    await eventually(lambda: follower.shown() == 0)
    assert follower.deaf == [follower.world.venue]
    stirred = len(follower.stirred)
    await follower.world.trade("buy", "2")
    await eventually(lambda: follower.shown() == 2)
    await eventually(lambda: len(follower.stirred) > stirred)


async def test_the_reconcilers_reading_finds_it_out(world: World) -> None:
    follower = Follower(world, QUICK)
    async with follower.running():
        await turn_deaf(follower)
        await follower.reconcile()
        assert follower.shown() is None
        await hears_again(follower)


async def test_a_close_that_another_replica_booked_finds_it_out(world: World) -> None:
    follower = Follower(world, QUICK)
    async with follower.running():
        await turn_deaf(follower)
        fill = (await world.reader.read_fills(world.venue, world.credentials, world.symbol, world.before)).fills[-1]
        follower.following.tell(Booked(PositionKey(world.symbol, PositionSide.BOTH), Decimal(0), fill.executed_at))
        assert follower.shown() is None
        await hears_again(follower)


async def test_a_stream_that_tells_what_happens_is_left_alone(world: World) -> None:
    follower = Follower(world, Patience())
    async with follower.running():
        for number in range(1, 4):
            await asyncio.gather(world.trade("buy", "1"), *(follower.reconcile() for _ in range(4)))
            await eventually(partial(follower.shows, number))
        assert follower.deaf == []
