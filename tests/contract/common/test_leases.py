"""Leases, inbox: who may act, and that an event takes effect once."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.common import inbox, leases
from services.common.database import transaction
from services.common.errors import LeaseLost
from services.common.leases import Lease
from tests.contract.common.conftest import until

KEYS = [f"partition:{number}" for number in range(8)]


@pytest.fixture
async def keys(engine: AsyncEngine) -> AsyncEngine:
    """The engine, with eight leases that nobody holds."""
    async with transaction(engine) as connection:
        await connection.execute(text("TRUNCATE leases, inbox"))
        await leases.ensure(connection, KEYS)
    return engine


async def claim(
    engine: AsyncEngine, owner: str, *, ttl_seconds: float = 60, limit: int | None = None, only: list[str] | None = None
) -> list[Lease]:
    async with transaction(engine) as connection:
        return await leases.claim(connection, owner, ttl_seconds, keys=only, limit=limit)


async def expire(engine: AsyncEngine, key: str) -> None:
    async with transaction(engine) as connection:
        await connection.execute(text("UPDATE leases SET expires_at = now() WHERE key = :key"), {"key": key})


async def test_claims_share_out_what_nobody_holds(keys: AsyncEngine) -> None:
    one = await claim(keys, "one", limit=5)
    other = await claim(keys, "other")
    assert len(one) == 5
    assert {lease.key for lease in one} | {lease.key for lease in other} == set(KEYS)
    assert {lease.key for lease in one}.isdisjoint(lease.key for lease in other)
    assert await claim(keys, "third") == []
    async with transaction(keys) as connection:
        assert await leases.owners(connection) == {"one": 5, "other": 3}
        assert await leases.held_by(connection, "other") == other


async def test_concurrent_claims_never_give_a_key_to_two(keys: AsyncEngine) -> None:
    claims = await asyncio.gather(*(claim(keys, f"owner {number}", limit=3) for number in range(4)))
    taken = [lease.key for each in claims for lease in each]
    assert len(taken) == len(set(taken))


async def test_only_the_keys_that_are_asked_for_are_claimed(keys: AsyncEngine) -> None:
    assert [lease.key for lease in await claim(keys, "one", only=[KEYS[3], "unknown"])] == [KEYS[3]]
    assert await claim(keys, "one", only=[]) == []


async def test_an_expired_lease_goes_to_the_next_with_a_new_epoch_and_fences_the_last(keys: AsyncEngine) -> None:
    (old,) = await claim(keys, "old", only=[KEYS[0]])
    await expire(keys, KEYS[0])
    (new,) = await claim(keys, "new", only=[KEYS[0]])
    assert (old.epoch, new.epoch) == (1, 2)
    async with transaction(keys) as connection:
        assert not await leases.holds(connection, old.key, old.owner, old.epoch)
        await leases.assert_held(connection, new.key, new.owner, new.epoch)
        assert await leases.renew(connection, [old], 60) == []
        with pytest.raises(LeaseLost, match=KEYS[0]):
            await leases.assert_held(connection, old.key, old.owner, old.epoch)


async def test_an_owner_that_claims_its_own_expired_lease_gets_a_new_epoch(keys: AsyncEngine) -> None:
    (first,) = await claim(keys, "one", only=[KEYS[0]])
    await expire(keys, KEYS[0])
    (second,) = await claim(keys, "one", only=[KEYS[0]])
    assert second.epoch == first.epoch + 1


async def test_an_expired_lease_is_neither_held_nor_renewed_though_nobody_took_it(keys: AsyncEngine) -> None:
    (lease,) = await claim(keys, "one", only=[KEYS[0]])
    await expire(keys, KEYS[0])
    async with transaction(keys) as connection:
        assert await leases.renew(connection, [lease], 60) == []
        assert not await leases.holds(connection, lease.key, lease.owner, lease.epoch)
        assert await leases.owners(connection) == {}


async def test_renewal_prolongs_what_is_held(keys: AsyncEngine) -> None:
    mine = await claim(keys, "one", ttl_seconds=30, limit=2)
    async with transaction(keys) as connection:
        renewed = await leases.renew(connection, mine, 90)
    assert [(lease.key, lease.epoch) for lease in renewed] == [(lease.key, lease.epoch) for lease in mine]
    assert all(after.expires_at > before.expires_at for before, after in zip(mine, renewed, strict=True))


async def test_release_gives_back_at_once_and_never_what_another_holds(keys: AsyncEngine) -> None:
    (old,) = await claim(keys, "old", only=[KEYS[0]])
    async with transaction(keys) as connection:
        await leases.release(connection, [old])
    (new,) = await claim(keys, "new", only=[KEYS[0]])
    async with transaction(keys) as connection:
        await leases.release(connection, [old])
        await leases.assert_held(connection, new.key, new.owner, new.epoch)


async def test_a_takeover_waits_for_the_transaction_that_was_told_that_it_holds(keys: AsyncEngine) -> None:
    (old,) = await claim(keys, "old", only=[KEYS[0]], ttl_seconds=1)
    async with transaction(keys) as connection:
        await leases.assert_held(connection, old.key, old.owner, old.epoch)

        async def expired() -> bool:
            statement = text("SELECT expires_at <= clock_timestamp() FROM leases WHERE key = :key")
            async with transaction(keys) as other:
                return bool((await other.execute(statement, {"key": old.key})).scalar_one())

        await until(expired)
        assert await claim(keys, "new", only=[KEYS[0]]) == []  # passed over while it is being relied on
    assert [lease.epoch for lease in await claim(keys, "new", only=[KEYS[0]])] == [2]


async def test_ensure_leaves_held_leases_alone(keys: AsyncEngine) -> None:
    (lease,) = await claim(keys, "one", only=[KEYS[0]])
    async with transaction(keys) as connection:
        await leases.ensure(connection, [*KEYS, "more"])
        await leases.ensure(connection, [])
        await leases.assert_held(connection, lease.key, lease.owner, lease.epoch)


async def test_a_message_is_taken_once_per_consumer(keys: AsyncEngine) -> None:
    async with transaction(keys) as connection:
        assert await inbox.take(connection, "audit", "m-1")
        assert not await inbox.take(connection, "audit", "m-1")
        assert await inbox.take(connection, "push", "m-1")


async def test_a_message_whose_effect_rolled_back_can_be_taken_again(keys: AsyncEngine) -> None:
    with pytest.raises(LeaseLost):
        async with transaction(keys) as connection:
            assert await inbox.take(connection, "audit", "m-2")
            raise LeaseLost(key="x")
    async with transaction(keys) as connection:
        assert await inbox.take(connection, "audit", "m-2")


async def test_two_takers_at_once_do_not_both_succeed(keys: AsyncEngine) -> None:
    both = asyncio.Barrier(2)

    async def take() -> bool:
        async with transaction(keys) as connection:
            await both.wait()
            return await inbox.take(connection, "audit", "m-3")

    assert sorted(await asyncio.gather(take(), take())) == [False, True]


async def test_old_rows_are_pruned(keys: AsyncEngine) -> None:
    async with transaction(keys) as connection:
        await inbox.take(connection, "audit", "old")
        await inbox.take(connection, "audit", "new")
        await connection.execute(text("UPDATE inbox SET taken_at = now() - interval '8 days' WHERE message_id = 'old'"))
        assert await inbox.prune(connection, older_than_days=7) == 1
        assert not await inbox.take(connection, "audit", "new")
