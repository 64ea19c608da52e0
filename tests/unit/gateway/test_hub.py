"""Fan-out: order, separation of users, and what becomes of a reader that is too slow."""

import asyncio

from services.gateway.hub import Ending, Hub


async def test_a_user_gets_what_concerns_that_user_in_order() -> None:
    hub = Hub(backlog=10, per_user=3)
    one, two, other = hub.attach("alice"), hub.attach("alice"), hub.attach("bob")
    for message in ("1", "2", "3"):
        hub.publish("alice", message)
    hub.publish("bob", "4")
    for reader in (one, two):
        assert [await reader.next() for _ in range(3)] == ["1", "2", "3"]
    assert await other.next() == "4"


async def test_a_reader_waits_for_what_is_not_there_yet() -> None:
    hub = Hub(backlog=10, per_user=3)
    reader = hub.attach("alice")
    waiting = asyncio.create_task(reader.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    hub.publish("alice", "now")
    assert await waiting == "now"


async def test_a_slow_reader_is_dropped_with_a_reason_and_slows_nobody() -> None:
    hub = Hub(backlog=2, per_user=3)
    slow, quick = hub.attach("alice"), hub.attach("alice")
    for n in range(5):
        hub.publish("alice", str(n))
        assert await quick.next() == str(n)
    assert await slow.ended() is Ending.SLOW_CLIENT
    assert quick.ending is None
    assert hub.size == 1


async def test_what_is_detached_is_forgotten() -> None:
    hub = Hub(backlog=2, per_user=3)
    reader = hub.attach("alice")
    hub.detach(reader)
    hub.detach(reader)
    hub.publish("alice", "1")
    assert hub.size == 0


async def test_closing_ends_everybody_and_everybody_who_comes_later() -> None:
    hub = Hub(backlog=2, per_user=3)
    before = hub.attach("alice")
    hub.close()
    after = hub.attach("bob")
    assert [await before.ended(), await after.ended()] == [Ending.RESTART, Ending.RESTART]
    assert hub.size == 0
    assert not before.put("late")


async def test_everybody_can_be_told() -> None:
    hub = Hub(backlog=2, per_user=3)
    readers = [hub.attach("alice"), hub.attach("bob")]
    hub.publish_to_all("read anew")
    assert [await reader.next() for reader in readers] == ["read anew"] * 2


async def test_of_marks_only_the_latest_of_each_waits() -> None:
    hub = Hub(backlog=2, per_user=3)
    reader = hub.attach("alice")
    for n in range(100):
        hub.publish_mark("alice", "one", f"one {n}")
        hub.publish_mark("alice", "other", f"other {n}")
    hub.publish("alice", "fact", 7)
    assert [await reader.next() for _ in range(3)] == ["fact", "one 99", "other 99"]
    assert reader.ending is None


async def test_a_held_reader_is_given_the_past_first_and_nothing_twice() -> None:
    hub = Hub(backlog=5, per_user=3)
    reader = hub.attach("alice", held=True)
    for sequence in (4, 5, 6):
        hub.publish("alice", f"live {sequence}", sequence)
    reader.put("pong")
    reading = asyncio.create_task(reader.next())
    await asyncio.sleep(0)
    assert not reading.done()
    reader.resume(["ready", "past 4", "past 5"], 5)
    assert await reading == "ready"
    assert [await reader.next() for _ in range(4)] == ["past 4", "past 5", "live 6", "pong"]


async def test_a_user_has_so_many_readers_and_no_more() -> None:
    hub = Hub(backlog=2, per_user=2)
    kept = [hub.attach("alice"), hub.attach("alice")]
    assert await hub.attach("alice").ended() is Ending.TOO_MANY
    hub.detach(kept[0])
    assert hub.attach("alice").ending is None
    assert (hub.size, sorted(hub.users), hub.watches("bob")) == (2, ["alice"], False)


async def test_a_fact_that_was_read_from_the_past_is_not_given_again_when_it_comes() -> None:
    hub = Hub(backlog=10, per_user=3)
    reader = hub.attach("alice", held=True)
    reader.resume(["ready", "6", "7"], 7)
    for sequence in (6, 7, 8):
        hub.publish("alice", str(sequence), sequence)
    hub.publish("alice", "pong")
    assert [await reader.next() for _ in range(5)] == ["ready", "6", "7", "8", "pong"]


async def test_after_a_resync_the_places_of_before_mean_nothing() -> None:
    hub = Hub(backlog=10, per_user=3)
    reader = hub.attach("alice", held=True)
    reader.resume(["ready"], 7)
    hub.publish_to_all("resync_required")
    hub.publish("alice", "1", 1)
    assert [await reader.next() for _ in range(3)] == ["ready", "resync_required", "1"]
