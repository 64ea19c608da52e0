"""How all processes of a service stand with the venues, as a gateway hears of it over a real NATS."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import pytest

from deploy.local.nats import NatsServer
from protos.positions.v1.types_pb2 import EXCHANGE_BINANCE
from protos.venue.v1.events_pb2 import VenueStanding
from protos.venue.v1.status_pb2 import Budget, VenueStatus
from services.common.clock import SystemClock
from services.common.errors import ServiceUnavailable
from services.common.standing import tell_standing
from services.gateway.clients import HeardVenues, Standing
from tests.contract.common.conftest import bus_of, running, until
from tests.fakes.clock import FixedClock

NOW = datetime(2025, 10, 21, 12, tzinfo=UTC)
AGAIN_SECONDS = 0.02


class Asked:
    """The one process that answers when it is asked, or none."""

    def __init__(self) -> None:
        self.answers: Sequence[Standing] | None = None

    async def read(self) -> Sequence[Standing]:
        if self.answers is None:
            raise ServiceUnavailable(service="monitor")
        return self.answers


class Gateway:
    """A gateway that hears of the monitors, with a clock of its own."""

    def __init__(self) -> None:
        self.clock = FixedClock(NOW)
        self.asked = Asked()
        self.heard = HeardVenues("monitor", self.asked, self.clock)

    async def used(self) -> dict[str, int]:
        """What each process has used of Binance's window."""
        return {standing.replica: standing.venues[0].budget.used for standing in await self.heard.read()}

    async def hears(self, expected: dict[str, int]) -> None:
        async def as_expected() -> bool:
            return await self.used() == expected

        await until(as_expected)


@pytest.fixture
async def gateway(stream: NatsServer) -> AsyncIterator[Gateway]:
    made = Gateway()
    made.asked.answers = []
    bus = bus_of(stream, "gateway")
    subscription = bus.subscribe_ephemeral(made.heard.subjects, made.heard.hear)
    async with running(bus, subscription):
        await subscription.started()
        yield made


@asynccontextmanager
async def telling(server: NatsServer, service: str, replica: str, used: int) -> AsyncIterator[None]:
    """A process of a service, for as long as the block lasts."""
    bus = bus_of(server, service)
    status = VenueStatus(exchange=EXCHANGE_BINANCE, budget=Budget(used=used))
    async with running(bus):
        await bus.wait_connected()
        told = asyncio.create_task(
            tell_standing(
                *(service, replica, lambda: [status], bus.publish_ephemeral, SystemClock()), again_seconds=AGAIN_SECONDS
            )
        )
        yield
        told.cancel()
        await asyncio.wait([told])


async def test_every_process_is_known_by_its_name_and_no_other_service_is(gateway: Gateway, stream: NatsServer) -> None:
    async with AsyncExitStack() as processes:
        for service, replica, used in (
            ("monitor", "pod.b-1", 7),
            ("positions", "pod.c-1", 9),
            ("monitor", "pod.a-1", 5),
        ):
            await processes.enter_async_context(telling(stream, service, replica, used))
        await gateway.hears({"pod.a-1": 5, "pod.b-1": 7})
        assert list(await gateway.used()) == ["pod.a-1", "pod.b-1"]


async def test_what_a_process_said_last_holds(gateway: Gateway, stream: NatsServer) -> None:
    for used in (1, 2):
        async with telling(stream, "monitor", "pod-1", used):
            await gateway.hears({"pod-1": used})


async def test_who_falls_silent_is_gone_and_where_nobody_is_left_one_is_asked(
    gateway: Gateway, stream: NatsServer
) -> None:
    async with telling(stream, "monitor", "pod-1", 1):
        await gateway.hears({"pod-1": 1})
    gateway.asked.answers = [Standing("pod-2", [VenueStatus(budget=Budget(used=3))])]
    assert await gateway.used() == {"pod-1": 1}
    gateway.clock.advance(7)
    assert await gateway.used() == {"pod-2": 3}
    gateway.asked.answers = None
    with pytest.raises(ServiceUnavailable):
        await gateway.used()


async def test_a_service_cannot_speak_for_another(gateway: Gateway, stream: NatsServer) -> None:
    positions = bus_of(stream, "positions")
    forged = VenueStanding(replica="pod-9", venues=[VenueStatus(budget=Budget(used=4))])
    async with running(positions):
        await positions.wait_connected()
        (subject,) = gateway.heard.subjects
        await positions.publish_ephemeral(subject.replace("*", "pod-9"), forged.SerializeToString())
        await positions.last_sequence()  # the server has seen it by now, and hands on what comes later after it
        async with telling(stream, "monitor", "pod-1", 1):
            await gateway.hears({"pod-1": 1})
