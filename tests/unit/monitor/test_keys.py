"""Keys are kept while their lease lasts, renewed at half of it, and forgotten when the account changes."""

import pytest

from services.common.errors import ServiceUnavailable, TradingNotEnabled
from services.monitor.closing.keys import KeyRing
from tests.fakes.books import FakeKeys
from tests.fakes.clock import FixedClock

HALF_SECONDS = 1800


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def keys(clock: FixedClock) -> FakeKeys:
    return FakeKeys(clock)


@pytest.fixture
def ring(keys: FakeKeys, clock: FixedClock) -> KeyRing:
    return KeyRing(keys, clock)


async def test_a_key_is_asked_for_once_and_again_at_half_its_life(
    ring: KeyRing, keys: FakeKeys, clock: FixedClock
) -> None:
    await ring.credentials("a")
    clock.advance(HALF_SECONDS - 1)
    await ring.credentials("a")
    assert len(keys.leases) == 1
    clock.advance(1)
    await ring.keep(["a"])
    assert len(keys.leases) == 2


async def test_a_key_serves_to_the_end_of_its_lease_while_positions_is_away(
    ring: KeyRing, keys: FakeKeys, clock: FixedClock
) -> None:
    first = await ring.credentials("a")
    keys.down = True
    clock.advance(HALF_SECONDS * 2 - 1)
    assert await ring.credentials("a") == first
    assert not ring.trouble("a")
    clock.advance(1)
    assert ring.trouble("a") == "NO_TRADING_KEY"
    with pytest.raises(ServiceUnavailable):
        await ring.credentials("a")


async def test_an_account_that_may_not_trade_is_told_and_asked_again_later(
    ring: KeyRing, keys: FakeKeys, clock: FixedClock
) -> None:
    keys.refused.add("a")
    with pytest.raises(TradingNotEnabled):
        await ring.credentials("a")
    assert ring.trouble("a") == "TRADING_NOT_ENABLED"
    keys.refused.clear()
    await ring.keep(["a"])
    assert not keys.leases
    clock.advance(30)
    await ring.keep(["a"])
    assert not ring.trouble("a")


async def test_a_change_of_the_account_is_asked_about_at_once(ring: KeyRing, keys: FakeKeys) -> None:
    await ring.credentials("a")
    keys.refused.add("a")
    ring.forget("a")
    with pytest.raises(TradingNotEnabled):
        await ring.credentials("a")


async def test_keys_of_accounts_that_need_none_are_not_kept(ring: KeyRing) -> None:
    await ring.keep(["a", "b"])
    await ring.keep(["b"])
    assert ring.trouble("a") == "NO_TRADING_KEY"
    assert not ring.trouble("b")
