"""Partitions over a real Postgres: even shares, takeover, handover."""

from collections.abc import Callable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.database import transaction
from services.common.trading.partition import PARTITIONS
from services.monitor.partitions.holding import PartitionHolder


async def balance(*holders: PartitionHolder) -> None:
    """Enough turns for shares to settle: one to be seen, one to give away, one to take."""
    for _ in range(3):
        for holder in holders:
            await holder.balance()


async def expire(engine: AsyncEngine, owner: str) -> None:
    async with transaction(engine) as connection:
        await connection.execute(
            text("UPDATE leases SET expires_at = now() - interval '1 second' WHERE owner = :owner"), {"owner": owner}
        )


def assert_all_held_once(*holders: PartitionHolder) -> None:
    held = [partition for holder in holders for partition in holder.claims()]
    assert sorted(held) == list(range(PARTITIONS))


async def test_one_replica_holds_all(engine: AsyncEngine) -> None:
    taken: list[int] = []
    one = PartitionHolder(engine, "one", on_taken=taken.extend)
    await one.balance()
    assert_all_held_once(one)
    assert sorted(taken) == list(range(PARTITIONS))


async def test_replicas_share_evenly_and_take_over_the_dead(engine: AsyncEngine) -> None:
    one, two, three = (PartitionHolder(engine, name) for name in ("one", "two", "three"))
    await balance(one, two, three)
    assert_all_held_once(one, two, three)
    assert sorted(len(holder.claims()) for holder in (one, two, three)) == [21, 21, 22]
    before = {**one.claims(), **two.claims(), **three.claims()}
    await expire(engine, "three")
    await balance(one, two)
    assert_all_held_once(one, two)
    after = {**one.claims(), **two.claims()}
    assert all(
        after[partition].epoch > before[partition].epoch
        for partition in before
        if after[partition].owner != before[partition].owner
    )


async def test_a_drained_replica_hands_over_at_once_and_takes_nothing_again(engine: AsyncEngine) -> None:
    one, two = PartitionHolder(engine, "one"), PartitionHolder(engine, "two")
    await balance(one, two)
    await one.release()
    await one.balance()
    assert not one.claims()
    await two.balance()
    assert_all_held_once(two)


async def test_a_replica_that_cannot_renew_stops_acting_before_its_leases_lapse(engine: AsyncEngine) -> None:
    now = [100.0]
    one = PartitionHolder(engine, "one", ttl_seconds=6, monotonic=_reader(now))
    await one.balance()
    now[0] = 105.9
    assert len(one.claims()) == PARTITIONS
    now[0] = 106.0
    assert not one.claims()


def _reader(values: list[float]) -> Callable[[], float]:
    return lambda: values[0]
