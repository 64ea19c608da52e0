"""The outbox and its relay on a real Postgres and NATS: order, once in effect, outages, and death in between."""

import asyncio
import json
import os
import sys
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.nats import NatsServer
from services.common.bus import Bus, PublishRefused, Received
from services.common.database import create_engine, transaction
from services.common.errors import BusUnavailable, LeaseLost
from services.common.outbox import OutboxEvent, append
from services.common.relay import Relay
from services.common.subjects import subject
from services.common.telemetry import Instruments
from tests.contract.common.conftest import running, until


class RecordingPublisher:
    """Stands in for the bus where a test needs to see or to fail a single publish; keeps one message per id."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.sent: list[bytes] = []
        self.refused: set[bytes] = set()
        self.down = False

    async def publish(self, subject: str, payload: bytes, message_id: str, *, trace_parent: str | None = None) -> int:
        self.sent.append(payload)
        if self.down:
            raise BusUnavailable
        if payload in self.refused:
            raise PublishRefused("as told")
        self.kept.setdefault(message_id, payload)
        return len(self.kept)

    @property
    def payloads(self) -> list[str]:
        return [payload.decode() for payload in self.kept.values()]


@pytest.fixture
async def outbox(engine: AsyncEngine) -> AsyncEngine:
    """The engine, with an empty outbox."""
    async with transaction(engine) as connection:
        await connection.execute(text("TRUNCATE outbox"))
    return engine


@pytest.fixture
def instruments() -> Instruments:
    return Instruments(CollectorRegistry())


async def write(engine: AsyncEngine, *events: tuple[str, int], user: str = "demo") -> None:
    async with transaction(engine) as connection:
        for aggregate, version in events:
            name = subject("positions", "position_opened", user)
            await append(connection, OutboxEvent(aggregate, version, name, f"{aggregate}:{version}".encode()))


async def unpublished(engine: AsyncEngine) -> int:
    async with transaction(engine) as connection:
        statement = text("SELECT count(*) FROM outbox WHERE published_at IS NULL")
        return int((await connection.execute(statement)).scalar_one())


async def all_published(engine: AsyncEngine) -> bool:
    return await unpublished(engine) == 0


async def test_what_was_committed_is_published_in_order_and_what_was_not_is_not(
    outbox: AsyncEngine, instruments: Instruments
) -> None:
    publisher = RecordingPublisher()
    await write(outbox, ("a", 2), ("a", 1), ("b", 1))
    with pytest.raises(LeaseLost):
        async with transaction(outbox) as connection:
            await append(connection, OutboxEvent("a", 3, subject("positions", "x", "demo"), b"never"))
            raise LeaseLost(key="x")
    async with running(Relay(outbox, publisher, instruments, poll_seconds=0.05)):
        await until(lambda: all_published(outbox))
    assert sorted(publisher.payloads) == ["a:1", "a:2", "b:1"]
    assert publisher.payloads.index("a:1") < publisher.payloads.index("a:2")
    assert instruments.registry.get_sample_value("tandem_outbox_published_total") == 3


async def test_events_of_one_version_go_in_order_of_append(outbox: AsyncEngine, instruments: Instruments) -> None:
    publisher = RecordingPublisher()
    name = subject("positions", "x", "demo")
    async with transaction(outbox) as connection:
        for payload in (b"first", b"second", b"third"):
            await append(connection, OutboxEvent("a", 1, name, payload))
    async with running(Relay(outbox, publisher, instruments, poll_seconds=0.05)):
        await until(lambda: all_published(outbox))
    assert publisher.payloads == ["first", "second", "third"]


async def test_a_subject_outside_the_stream_is_refused_at_append(outbox: AsyncEngine) -> None:
    with pytest.raises(ValueError, match="not a subject of the stream"):
        async with transaction(outbox) as connection:
            await append(connection, OutboxEvent("a", 1, "positions.ephemeral.v1.x.demo", b""))


async def test_a_notified_relay_does_not_wait_for_its_poll(outbox: AsyncEngine, instruments: Instruments) -> None:
    publisher = RecordingPublisher()
    relay = Relay(outbox, publisher, instruments, poll_seconds=3600)
    async with running(relay):
        await write(outbox, ("a", 1))
        relay.notify()
        await until(lambda: publisher.payloads == ["a:1"])
        await write(outbox, ("a", 2))
        relay.notify()
        await until(lambda: publisher.payloads == ["a:1", "a:2"])


async def test_one_aggregate_that_is_refused_delays_no_other_and_keeps_its_order(
    outbox: AsyncEngine, instruments: Instruments
) -> None:
    publisher = RecordingPublisher()
    publisher.refused.add(b"a:1")
    await write(outbox, ("a", 1), ("a", 2), ("b", 1), ("b", 2))
    async with running(Relay(outbox, publisher, instruments, poll_seconds=0.05)):
        await until(lambda: publisher.payloads == ["b:1", "b:2"])
        await until(lambda: instruments.registry.get_sample_value("tandem_outbox_depth") == 2)
        assert (instruments.registry.get_sample_value("tandem_outbox_oldest_seconds") or 0) > 0
        assert b"a:2" not in publisher.sent
        publisher.refused.clear()
        await until(lambda: publisher.payloads == ["b:1", "b:2", "a:1", "a:2"])
    assert instruments.registry.get_sample_value("tandem_outbox_failures_total") == publisher.sent.count(b"a:1") - 1


async def test_an_outage_of_the_bus_is_waited_out(outbox: AsyncEngine, instruments: Instruments) -> None:
    publisher = RecordingPublisher()
    publisher.down = True
    await write(outbox, ("a", 1), ("a", 2), ("b", 1))
    async with running(Relay(outbox, publisher, instruments, poll_seconds=0.05)):
        await until(lambda: len(publisher.sent) > 4)
        assert publisher.payloads == []
        publisher.down = False
        await until(lambda: all_published(outbox))
    assert sorted(publisher.payloads) == ["a:1", "a:2", "b:1"]


async def test_only_one_relay_publishes_and_another_takes_over(
    outbox: AsyncEngine, service_databases: dict[str, str], instruments: Instruments
) -> None:
    first, second = RecordingPublisher(), RecordingPublisher()
    other = create_engine(service_databases["positions"], "positions", 2)
    leading = asyncio.create_task(Relay(outbox, first, instruments, poll_seconds=0.05).run())
    await write(outbox, ("a", 1))
    await until(lambda: first.payloads == ["a:1"])
    async with running(Relay(other, second, Instruments(CollectorRegistry()), poll_seconds=0.05)):
        await write(outbox, ("a", 2))
        await until(lambda: first.payloads == ["a:1", "a:2"])
        assert second.sent == []
        leading.cancel()
        await asyncio.wait([leading])
        await write(outbox, ("a", 3))
        await until(lambda: second.payloads == ["a:3"])
    await other.dispose()


async def test_a_relay_whose_connection_was_killed_goes_on(outbox: AsyncEngine, instruments: Instruments) -> None:
    publisher = RecordingPublisher()
    async with running(Relay(outbox, publisher, instruments, poll_seconds=0.05)):
        await write(outbox, ("a", 1))
        await until(lambda: publisher.payloads == ["a:1"])
        async with transaction(outbox) as connection:
            holder = text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
            assert (await connection.execute(holder)).all()
        await write(outbox, ("a", 2))
        await until(lambda: publisher.payloads == ["a:1", "a:2"])


async def test_published_rows_are_pruned_and_others_never(outbox: AsyncEngine, instruments: Instruments) -> None:
    publisher = RecordingPublisher()
    publisher.refused.add(b"b:1")
    await write(outbox, ("a", 1), ("b", 1))
    async with transaction(outbox) as connection:
        old = text("UPDATE outbox SET created_at = now() - interval '9 days'")
        await connection.execute(old)
        await write_published(connection)
    async with running(Relay(outbox, publisher, instruments, poll_seconds=0.05, keep_published_seconds=3600)):

        async def pruned() -> bool:
            async with transaction(outbox) as connection:
                rows = await connection.execute(text("SELECT aggregate_id FROM outbox ORDER BY aggregate_id"))
                return [row.aggregate_id for row in rows] == ["a", "b"]

        await until(pruned)


async def write_published(connection: object) -> None:
    """A row that was published two hours ago."""
    statement = text(
        "INSERT INTO outbox (id, aggregate_id, version, subject, payload, published_at)"
        " VALUES (:id, 'c', 1, 's', '', now() - interval '2 hours')"
    )
    await connection.execute(statement, {"id": uuid.uuid4()})  # type: ignore[attr-defined]


async def test_a_backlog_of_many_aggregates_goes_out_in_order(outbox: AsyncEngine, instruments: Instruments) -> None:
    publisher = RecordingPublisher()
    async with transaction(outbox) as connection:
        for version in range(1, 21):
            for aggregate in range(100):
                event = OutboxEvent(
                    str(aggregate), version, subject("positions", "x", "demo"), b"%d:%d" % (aggregate, version)
                )
                await append(connection, event)
    async with running(Relay(outbox, publisher, instruments, poll_seconds=0.05)):
        await until(lambda: all_published(outbox), 60)
    versions: dict[str, list[int]] = defaultdict(list)
    for payload in publisher.payloads:
        aggregate_id, version_text = payload.split(":")
        versions[aggregate_id].append(int(version_text))
    assert len(versions) == 100
    assert all(each == list(range(1, 21)) for each in versions.values())
    assert len(publisher.sent) == 2000


@asynccontextmanager
async def relay_process(environment: dict[str, str]) -> AsyncIterator[None]:
    """A process that relays until the end of the block, where it is killed with SIGKILL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.contract.common.relay_process", env=environment
    )
    try:
        yield
        assert process.returncode is None, "the relay ended by itself"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_relay_killed_at_any_moment_loses_nothing_and_keeps_each_event_once_and_in_order(
    outbox: AsyncEngine, service_databases: dict[str, str], stream: NatsServer, positions_bus: Bus
) -> None:
    """A process of its own publishes to the real NATS and is killed with SIGKILL, again and again, until all is out."""
    aggregates, versions = 8, 40
    user = uuid.uuid4().hex
    received: list[str] = []

    async def remember(fact: Received) -> None:
        received.append(fact.payload.decode())

    follower = positions_bus.follow([subject("positions", "position_opened", user)], remember)
    async with running(follower):
        await follower.started()
        await write(
            outbox,
            *((f"{number}", version) for version in range(1, versions + 1) for number in range(aggregates)),
            user=user,
        )
        environment = {
            **os.environ,
            "RELAY": json.dumps({"database": service_databases["positions"], "nats": stream.url, "user": "positions"}),
        }
        kills = 0
        while not await all_published(outbox):
            before = len(received)

            async def enough(before: int = before, kills: int = kills) -> bool:
                # The first are killed as soon as something new has arrived: somewhere between publish and mark.
                return (kills < 4 and len(received) > before) or await all_published(outbox)

            async with relay_process(environment):
                await until(enough)
            kills += 1
        await until(lambda: len(received) >= aggregates * versions)
    assert len(received) == len(set(received)) == aggregates * versions
    for number in range(aggregates):
        mine = [int(payload.split(":")[1]) for payload in received if payload.startswith(f"{number}:")]
        assert mine == list(range(1, versions + 1))
