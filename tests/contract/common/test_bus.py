"""The bus on a real NATS: publishing, durable consumers, followers and ephemeral facts."""

import asyncio

import nats
import pytest
from nats.js.errors import NotFoundError
from structlog.testing import capture_logs

from deploy.local.nats import NatsServer
from services.common.bus import Bus, PublishRefused, Received
from services.common.errors import BusUnavailable, ServiceUnavailable
from services.common.subjects import STREAM, all_users, all_users_ephemeral, ephemeral_subject, subject
from tests.contract.common.conftest import declare, running, until
from tests.contract.common.listening import Handler, publish


async def test_a_message_sent_twice_is_kept_once(positions_bus: Bus, gateway_bus: Bus, fact: str) -> None:
    handler = Handler()
    first = await publish(positions_bus, fact, "a")
    assert await publish(positions_bus, fact, "a") == first
    (last,) = await publish(positions_bus, fact, "b")
    async with running(gateway_bus.follow([all_users("positions", fact)], handler, start=first[0])):
        await until(lambda: len(handler.seen) == 2)
    assert handler.seen == ["a", "b"]
    assert handler.facts[1].sequence == last
    assert handler.facts[1].message_id == f"{fact}-b"
    assert handler.facts[1].subject == f"positions.v1.{fact}.demo"
    assert handler.facts[1].time.utcoffset() is not None


async def test_a_message_carries_the_trace_in_which_it_came_about(
    positions_bus: Bus, gateway_bus: Bus, fact: str
) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    handler = Handler()
    sequence = await positions_bus.publish(subject("positions", fact, "demo"), b"a", fact, trace_parent=parent)
    async with running(gateway_bus.follow([all_users("positions", fact)], handler, start=sequence)):
        await until(lambda: bool(handler.seen))
    assert handler.facts[0].trace_parent == parent


async def test_a_kept_fact_is_published_under_a_kept_subject_only(positions_bus: Bus) -> None:
    with pytest.raises(ValueError, match="not a subject of the stream"):
        await positions_bus.publish("positions.ephemeral.v1.x.demo", b"", "id")
    with pytest.raises(ValueError, match="subject of the stream"):
        await positions_bus.publish_ephemeral("positions.v1.x.demo", b"")


async def test_what_is_too_large_is_refused(positions_bus: Bus, fact: str) -> None:
    with pytest.raises(PublishRefused):
        await positions_bus.publish(subject("positions", fact, "demo"), bytes(1024 * 1024 + 1), "large")
    await publish(positions_bus, fact, "and the connection is none the worse")


async def test_a_service_cannot_speak_for_another(gateway_bus: Bus, fact: str) -> None:
    with pytest.raises(BusUnavailable):
        await gateway_bus.publish(subject("positions", fact, "demo"), b"forged", "id", timeout_seconds=0.5)


async def test_a_durable_consumer_goes_on_where_it_was(positions_bus: Bus, gateway_bus: Bus, fact: str) -> None:
    first, second = Handler(), Handler()
    subjects = [all_users("positions", fact)]
    consumer = gateway_bus.subscribe_durable(f"gateway-{fact}", subjects, first)
    async with running(consumer):
        await consumer.started()
        await publish(positions_bus, fact, "a", "b")
        await until(lambda: first.seen == ["a", "b"])
    await publish(positions_bus, fact, "c")
    async with running(gateway_bus.subscribe_durable(f"gateway-{fact}", subjects, second)):
        await until(lambda: second.seen == ["c"])


async def test_replicas_share_a_durable_consumer(positions_bus: Bus, gateway_bus: Bus, fact: str) -> None:
    handler = Handler()
    subjects = [all_users("positions", fact)]
    one, other = (gateway_bus.subscribe_durable(f"gateway-{fact}", subjects, handler) for _ in range(2))
    async with running(one, other):
        await asyncio.gather(one.started(), other.started())
        await publish(positions_bus, fact, *map(str, range(20)))
        await until(lambda: len(handler.seen) >= 20)
    assert sorted(handler.seen, key=int) == list(map(str, range(20)))


async def test_what_is_unavailable_is_waited_for_beyond_any_limit(
    positions_bus: Bus, gateway_bus: Bus, fact: str
) -> None:
    handler = Handler(ServiceUnavailable(service="x"), ServiceUnavailable(service="x"))
    consumer = gateway_bus.subscribe_durable(f"gateway-{fact}", [all_users("positions", fact)], handler, max_failures=1)
    async with running(consumer):
        await consumer.started()
        await publish(positions_bus, fact, "a")
        await until(lambda: handler.seen == ["a"])
    assert handler.calls == 3
    assert handler.facts[0].deliveries == 3


async def test_a_poison_message_is_given_up_and_the_next_is_handled(
    positions_bus: Bus, gateway_bus: Bus, fact: str
) -> None:
    handler = Handler(RuntimeError("poison"), RuntimeError("poison"))
    consumer = gateway_bus.subscribe_durable(f"gateway-{fact}", [all_users("positions", fact)], handler, max_failures=2)
    async with running(consumer):
        await consumer.started()
        await publish(positions_bus, fact, "a")
        await until(lambda: handler.calls == 2)
        await publish(positions_bus, fact, "b")
        await until(lambda: handler.seen == ["b"])
    assert handler.calls == 3


async def test_a_handler_that_hangs_is_cancelled_and_tried_again(
    positions_bus: Bus, gateway_bus: Bus, fact: str
) -> None:
    calls: list[int] = []

    async def hang_once(message: Received) -> None:
        calls.append(message.deliveries)
        if len(calls) == 1:
            await asyncio.Event().wait()

    consumer = gateway_bus.subscribe_durable(
        f"gateway-{fact}", [all_users("positions", fact)], hang_once, handle_timeout_seconds=0.2
    )
    async with running(consumer):
        await consumer.started()
        await publish(positions_bus, fact, "a")
        await until(lambda: calls == [1, 2])


async def test_a_follower_sees_everything_after_it_started_in_order(
    positions_bus: Bus, gateway_bus: Bus, fact: str
) -> None:
    await publish(positions_bus, fact, "before")
    one, other = Handler(), Handler()
    followers = [gateway_bus.follow([all_users("positions", fact)], handler) for handler in (one, other)]
    async with running(*followers):
        await asyncio.gather(*(follower.started() for follower in followers))
        expected = list(map(str, range(600)))
        await publish(positions_bus, fact, *expected)
        await until(lambda: len(one.seen) == len(other.seen) == 600)
    assert one.seen == other.seen == expected


async def test_a_follower_waits_for_what_is_unavailable_and_keeps_the_order(
    positions_bus: Bus, gateway_bus: Bus, fact: str
) -> None:
    handler = Handler(ServiceUnavailable(service="x"), RuntimeError("once"))
    follower = gateway_bus.follow([all_users("positions", fact)], handler)
    async with running(follower):
        await follower.started()
        await publish(positions_bus, fact, "a", "b")
        await until(lambda: handler.seen == ["a", "b"])


async def test_a_follower_that_cannot_handle_a_message_takes_a_snapshot_and_goes_on(
    positions_bus: Bus, gateway_bus: Bus, fact: str
) -> None:
    handler = Handler(RuntimeError("poison"))
    order = handler.seen

    async def snapshot() -> None:
        order.append("snapshot")

    follower = gateway_bus.follow([all_users("positions", fact)], handler, on_gap=snapshot, max_failures=1)
    async with running(follower):
        await follower.started()
        await publish(positions_bus, fact, "a", "b")
        await until(lambda: order == ["snapshot", "b"])


async def test_a_snapshot_that_is_unavailable_is_taken_later_and_before_the_next_message(
    positions_bus: Bus, gateway_bus: Bus, fact: str
) -> None:
    handler = Handler(RuntimeError("poison"))
    attempts: list[int] = []

    async def snapshot() -> None:
        attempts.append(len(handler.seen))
        if len(attempts) == 1:
            raise ServiceUnavailable(service="positions")

    follower = gateway_bus.follow([all_users("positions", fact)], handler, on_gap=snapshot, max_failures=1)
    async with running(follower):
        await follower.started()
        await publish(positions_bus, fact, "a", "b")
        await until(lambda: handler.seen == ["b"])
    assert attempts == [0, 0]


async def test_a_follower_without_a_snapshot_ends_loudly(positions_bus: Bus, gateway_bus: Bus, fact: str) -> None:
    follower = gateway_bus.follow([all_users("positions", fact)], Handler(RuntimeError("poison")), max_failures=1)
    task = asyncio.create_task(follower.run())
    await follower.started()
    await publish(positions_bus, fact, "a")
    with pytest.raises(RuntimeError, match="poison"):
        await asyncio.wait_for(task, 10)


async def test_ephemeral_facts_reach_who_listens_and_are_not_kept(
    positions_bus: Bus, gateway_bus: Bus, fact: str, stream: NatsServer
) -> None:
    handler = Handler(RuntimeError("the first is lost and nothing else"))
    listener = gateway_bus.subscribe_ephemeral([all_users_ephemeral("positions", fact)], handler)
    async with running(listener):
        await listener.started()
        for payload in ("lost", "mark"):
            assert await positions_bus.publish_ephemeral(ephemeral_subject("positions", fact, "a.b"), payload.encode())
        await until(lambda: handler.seen == ["mark"])
    admin = await nats.connect(stream.admin_url)
    with pytest.raises(NotFoundError):
        await admin.jetstream().get_last_msg(STREAM, handler.facts[0].subject)
    await admin.close()


async def test_declaring_the_stream_again_keeps_its_messages(positions_bus: Bus, stream: NatsServer, fact: str) -> None:
    (sequence,) = await publish(positions_bus, fact, "a")
    await declare(stream)
    admin = await nats.connect(stream.admin_url)
    info = await admin.jetstream().stream_info(STREAM)
    await admin.close()
    assert info.state.last_seq >= sequence
    assert info.config.duplicate_window == 600
    assert info.config.max_age == 7 * 86_400


async def test_a_burst_while_messages_are_handled_disturbs_nobody(
    positions_bus: Bus, gateway_bus: Bus, fact: str
) -> None:
    """What was fetched already is handled, not left to be delivered again; nobody has to begin anew."""
    shared, followed = Handler(), Handler()
    subjects = [all_users("positions", fact)]
    payloads = list(map(str, range(300)))
    consumer = gateway_bus.subscribe_durable(f"gateway-{fact}", subjects, shared)
    follower = gateway_bus.follow(subjects, followed)
    with capture_logs() as logs:
        async with running(consumer, follower):
            await asyncio.gather(consumer.started(), follower.started())
            for start in range(0, len(payloads), 20):
                await asyncio.gather(*(publish(positions_bus, fact, one) for one in payloads[start : start + 20]))
            await until(lambda: len(shared.seen) >= 300 and len(followed.seen) >= 300)
    assert sorted(followed.seen, key=int) == payloads
    assert {one.deliveries for one in shared.facts} == {1}
    assert [line for line in logs if "again" in line["event"]] == []
