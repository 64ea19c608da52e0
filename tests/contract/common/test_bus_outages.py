"""The bus while NATS is not there yet, restarts, loses its stream, or closes a connection."""

import asyncio
from pathlib import Path
from typing import Any

import nats
import pytest

from deploy.local.nats import NatsServer, running_nats
from deploy.local.ports import choose_port
from services.common.bus import Received
from services.common.errors import BusUnavailable
from services.common.subjects import STREAM, all_users, all_users_ephemeral, ephemeral_subject, subject
from tests.contract.common.conftest import bus_of, declare, running, until
from tests.contract.common.listening import Handler, publish


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """The directory and port of a NATS that a test starts and stops by itself."""
    return tmp_path_factory.mktemp("nats"), choose_port()


async def test_a_process_starts_without_nats_and_connects_once_it_is_there(place: tuple[Path, int], fact: str) -> None:
    directory, port = place
    absent = NatsServer(pid=0, port=port, passwords={"positions": "positions"})
    bus = bus_of(absent, "positions")
    handler = Handler()
    follower = bus.follow([all_users("positions", fact)], handler, start="all")
    async with running(bus, follower):
        with pytest.raises(BusUnavailable):
            await bus.publish(subject("positions", fact, "demo"), b"x", "x", timeout_seconds=0.2)
        assert not await bus.publish_ephemeral(ephemeral_subject("positions", fact, "demo"), b"x")
        assert not bus.connected
        async with running_nats(directory, port=port) as server:
            await asyncio.wait_for(bus.wait_connected(), 20)
            with pytest.raises(BusUnavailable):  # no stream yet
                await bus.publish(subject("positions", fact, "demo"), b"x", "x", timeout_seconds=0.5)
            await declare(server)
            await publish(bus, fact, "a")
            await until(lambda: handler.seen == ["a"])


async def test_nothing_is_lost_over_a_restart_of_the_server(place: tuple[Path, int], fact: str) -> None:
    directory, port = place
    follow, durable, marks = Handler(), Handler(), Handler()
    async with running_nats(directory, port=port) as server:
        await declare(server)
        positions, gateway = bus_of(server, "positions"), bus_of(server, "gateway")
        parts: list[Any] = [
            gateway.follow([all_users("positions", fact)], follow),
            gateway.subscribe_durable(f"gateway-{fact}", [all_users("positions", fact)], durable),
            gateway.subscribe_ephemeral([all_users_ephemeral("positions", fact)], marks),
        ]
        tasks = [asyncio.create_task(part.run()) for part in (positions, gateway, *parts)]
        await asyncio.gather(*(part.started() for part in parts))
        await publish(positions, fact, "a")
        await until(lambda: follow.seen == durable.seen == ["a"])
    await until(lambda: not positions.connected and not gateway.connected)
    async with running_nats(directory, port=port):
        await asyncio.wait_for(positions.wait_connected(), 20)
        await publish(positions, fact, "b", "c")
        await until(lambda: follow.seen == durable.seen == ["a", "b", "c"])

        async def marked() -> bool:
            await positions.publish_ephemeral(ephemeral_subject("positions", fact, "demo"), b"m")
            return bool(marks.seen)

        await until(marked)
        for task in reversed(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_handler_that_outlives_the_connection_does_not_end_its_consumer(
    place: tuple[Path, int], fact: str
) -> None:
    directory, port = place
    entered, leave = asyncio.Event(), asyncio.Event()
    seen: list[str] = []

    async def handler(message: Received) -> None:
        entered.set()
        await leave.wait()
        seen.append(message.payload.decode())

    async with running_nats(directory, port=port) as server:
        await declare(server)
        bus = bus_of(server, "positions")
        consumer = bus.subscribe_durable(f"positions-{fact}", [all_users("positions", fact)], handler)
        tasks = [asyncio.create_task(part.run()) for part in (bus, consumer)]
        await consumer.started()
        await publish(bus, fact, "a")
        await entered.wait()
    await until(lambda: not bus.connected)
    leave.set()
    async with running_nats(directory, port=port):
        await asyncio.wait_for(bus.wait_connected(), 20)
        await publish(bus, fact, "b")
        await until(lambda: "b" in seen)
        assert not any(task.done() for task in tasks)
        for task in reversed(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_stream_that_was_made_anew_is_a_gap(place: tuple[Path, int], fact: str) -> None:
    directory, port = place
    handler = Handler()

    async def snapshot() -> None:
        handler.seen.append("snapshot")

    async with running_nats(directory, port=port) as server:
        await declare(server)
        bus = bus_of(server, "positions")
        follower = bus.follow([all_users("positions", fact)], handler, on_gap=snapshot)
        async with running(bus, follower):
            await follower.started()
            await publish(bus, fact, "a", "b")
            await until(lambda: handler.seen == ["a", "b"])
            admin = await nats.connect(server.admin_url)
            await admin.jetstream().delete_stream(STREAM)
            await declare(server)
            await admin.close()
            await publish(bus, fact, "c")
            await until(lambda: handler.seen == ["a", "b", "snapshot", "c"])


async def test_a_connection_that_the_server_closed_for_good_is_replaced(place: tuple[Path, int], fact: str) -> None:
    directory, port = place
    wrong = dict.fromkeys(("positions", "reconciler", "monitor", "gateway", "admin"), "changed")
    handler = Handler()
    async with running_nats(directory, port=port) as server:
        await declare(server)
        bus = bus_of(server, "positions")
        follower = bus.follow([all_users("positions", fact)], handler)
        tasks = [asyncio.create_task(part.run()) for part in (bus, follower)]
        await follower.started()
    await until(lambda: not bus.connected)
    async with running_nats(directory, port=port, passwords=wrong):
        with pytest.raises(BusUnavailable):
            await bus.publish(subject("positions", fact, "demo"), b"x", "x", timeout_seconds=2)
        assert not any(task.done() for task in tasks)
    async with running_nats(directory, port=port):
        await asyncio.wait_for(bus.wait_connected(), 20)
        await publish(bus, fact, "a")
        await until(lambda: handler.seen == ["a"])
        for task in reversed(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
