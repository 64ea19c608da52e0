"""Who may look at which account: one suite over the store in Postgres and over the one in memory of simulations."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.errors import LeaseLost
from services.common.trading.reading import ReadingStatus
from services.common.trading.side import Venue
from services.reconciler.domain.errors import AccountNotScheduled
from services.reconciler.domain.observation import ObservableAccount
from services.reconciler.domain.run import AccountRun, Findings, RunResult, Trigger
from services.reconciler.store.accounts import AccountStore, Claim
from services.reconciler.store.runs import RunStore
from tests.contract.reconciler.conftest import LEASE
from tests.factories import at
from tests.fakes.claims import MemoryAccounts
from tests.fakes.observatory import make_account

ME, OTHER = "replica-1", "replica-2"


class Claims(Protocol):
    async def schedule(self, accounts: Iterable[ObservableAccount], now: datetime) -> None: ...
    async def prompt(self, account_id: str, now: datetime) -> bool: ...
    async def renew(self, claims: Iterable[Claim], expires_at: datetime) -> None: ...
    async def claim_due(
        self, owner: str, now: datetime, lease: timedelta, limit: int, exchange: Venue
    ) -> list[Claim]: ...
    async def claim_prompted(self, owner: str, now: datetime, lease: timedelta, limit: int) -> list[Claim]: ...
    async def claim_account(self, account_id: str, owner: str, now: datetime, lease: timedelta) -> Claim | None: ...
    async def release(self, claim: Claim) -> None: ...
    async def finish(
        self, claim: Claim, started_at: datetime, due_at: datetime, *, read_whole: bool = True
    ) -> None: ...
    async def next_due(self, exchange: Venue) -> datetime | None: ...


class InPostgres(AccountStore):
    """The schedule's store, and the part of the runs' that frees an account."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine)
        self._runs = RunStore(engine)

    async def schedule(self, accounts: Iterable[ObservableAccount], now: datetime) -> None:
        await self.replace(accounts, now)

    async def finish(self, claim: Claim, started_at: datetime, due_at: datetime, *, read_whole: bool = True) -> None:
        findings = Findings(
            RunResult.IN_STEP if read_whole else RunResult.FAILED,
            reading=ReadingStatus.COMPLETE if read_whole else ReadingStatus.FAILED,
        )
        run = AccountRun(uuid4(), claim.account, Trigger.SCHEDULE, findings, started_at, started_at)
        await self._runs.finish(claim, run, due_at, ())


@dataclass
class InMemory:
    """The same questions, asked of what simulations use."""

    accounts: MemoryAccounts

    async def schedule(self, accounts: Iterable[ObservableAccount], now: datetime) -> None:
        self.accounts.schedule(accounts, now)

    async def prompt(self, account_id: str, now: datetime) -> bool:
        return self.accounts.prompt(account_id, now)

    async def renew(self, claims: Iterable[Claim], expires_at: datetime) -> None:
        self.accounts.renew(claims, expires_at)

    async def claim_due(self, owner: str, now: datetime, lease: timedelta, limit: int, exchange: Venue) -> list[Claim]:
        return self.accounts.claim_due(owner, now, lease, limit, exchange)

    async def claim_prompted(self, owner: str, now: datetime, lease: timedelta, limit: int) -> list[Claim]:
        return self.accounts.claim_prompted(owner, now, lease, limit)

    async def claim_account(self, account_id: str, owner: str, now: datetime, lease: timedelta) -> Claim | None:
        return self.accounts.claim_account(account_id, owner, now, lease)

    async def release(self, claim: Claim) -> None:
        self.accounts.release(claim)

    async def finish(self, claim: Claim, started_at: datetime, due_at: datetime, *, read_whole: bool = True) -> None:
        self.accounts.finish(claim, started_at, due_at, read_whole=read_whole)

    async def next_due(self, exchange: Venue) -> datetime | None:
        return self.accounts.next_due(exchange)


@pytest.fixture(params=["postgres", "memory"])
def claims(request: pytest.FixtureRequest, engine: AsyncEngine) -> Claims:
    return InPostgres(engine) if request.param == "postgres" else InMemory(MemoryAccounts())


def ids(claims: Iterable[Claim]) -> list[str]:
    return [claim.account.account_id for claim in claims]


async def due(claims: Claims, owner: str, second: float, limit: int = 10) -> list[Claim]:
    return await claims.claim_due(owner, at(second), LEASE, limit, Venue.BINANCE)


async def test_what_one_holds_no_other_gets_until_the_lease_is_over(claims: Claims) -> None:
    await claims.schedule([make_account("a")], at(0))
    assert await due(claims, ME, -1) == []
    assert ids(await due(claims, ME, 0)) == ["a"]
    assert await due(claims, OTHER, 29) == []
    assert await claims.claim_account("a", OTHER, at(29), LEASE) is None
    assert await claims.next_due(Venue.BINANCE) == at(30)
    [taken] = await due(claims, OTHER, 30)
    assert (taken.owner, taken.epoch) == (OTHER, 2)


async def test_a_lease_that_is_renewed_lasts_on(claims: Claims) -> None:
    await claims.schedule([make_account("a")], at(0))
    held = await due(claims, ME, 0)
    await claims.renew(held, at(50))
    assert await due(claims, OTHER, 49) == []
    [taken] = await due(claims, OTHER, 50)
    await claims.renew(held, at(500))
    assert ids(await due(claims, ME, 80)) == ["a"]
    with pytest.raises(LeaseLost):
        await claims.finish(taken, at(50), at(300))


async def test_the_longest_due_come_first_and_no_more_than_asked_for(claims: Claims) -> None:
    for number in range(4):
        await claims.schedule([make_account(f"a{other}") for other in range(number + 1)], at(-number))
    order = [claim for _ in range(4) for claim in await due(claims, ME, 5, 1)]
    assert len(set(ids(order))) == 4
    for place, claim in enumerate(reversed(order)):
        await claims.finish(claim, at(5), at(10 + place))
    assert [ids(await due(claims, ME, 20, 1)) for _ in order] == [[one] for one in reversed(ids(order))]


async def test_a_run_that_is_over_makes_its_account_due_when_it_says(claims: Claims) -> None:
    await claims.schedule([make_account("a")], at(0))
    [claim] = await due(claims, ME, 0)
    await claims.finish(claim, at(0), at(7), read_whole=False)
    assert await claims.next_due(Venue.BINANCE) == at(7)
    assert await due(claims, OTHER, 6) == []
    [claim] = await due(claims, OTHER, 7)
    assert (claim.failures, claim.due_at) == (1, None)
    with pytest.raises(LeaseLost):
        await claims.finish(Claim(claim.account, ME, 1, 0, claim.ordinal, None, None), at(0), at(9))
    await claims.finish(claim, at(7), at(300))
    [claim] = await due(claims, ME, 301)
    assert (claim.failures, claim.due_at) == (0, at(300))


async def test_an_account_that_is_given_up_stays_due(claims: Claims) -> None:
    await claims.schedule([make_account("a")], at(0))
    [claim] = await due(claims, ME, 3)
    await claims.release(claim)
    assert await claims.next_due(Venue.BINANCE) == at(0)
    assert ids(await due(claims, OTHER, 3)) == ["a"]
    await claims.release(claim)
    assert await due(claims, ME, 4) == []


async def test_each_venue_has_a_queue_of_its_own(claims: Claims) -> None:
    await claims.schedule([make_account("a"), ObservableAccount("b", "demo", Venue.BYBIT)], at(0))
    assert ids(await due(claims, ME, 0)) == ["a"]
    assert await claims.next_due(Venue.BYBIT) == at(0)
    assert ids(await claims.claim_due(ME, at(0), LEASE, 5, Venue.BYBIT)) == ["b"]


async def test_what_is_asked_for_goes_ahead_of_what_is_due(claims: Claims) -> None:
    await claims.schedule([make_account(f"a{number}") for number in range(3)], at(0))
    for claim in await due(claims, ME, 0):
        await claims.finish(claim, at(0), at(100))
    assert await claims.claim_prompted(ME, at(1), LEASE, 5) == []
    assert await claims.prompt("a1", at(1))
    assert await claims.next_due(Venue.BINANCE) == at(1)
    [claim] = await claims.claim_prompted(ME, at(1), LEASE, 5)
    assert (claim.account.account_id, claim.prompted, claim.due_at) == ("a1", True, None)
    await claims.finish(claim, at(2), at(100))
    assert await claims.claim_prompted(ME, at(3), LEASE, 5) == []
    assert await due(claims, ME, 99) == []


async def test_who_is_asked_for_while_being_looked_at_is_looked_at_again(claims: Claims) -> None:
    await claims.schedule([make_account("a")], at(0))
    [claim] = await due(claims, ME, 0)
    assert await claims.prompt("a", at(2))
    assert await claims.claim_prompted(OTHER, at(2), LEASE, 5) == []
    await claims.finish(claim, at(0), at(300))
    assert await claims.next_due(Venue.BINANCE) == at(0)
    [claim] = await claims.claim_prompted(OTHER, at(3), LEASE, 5)
    await claims.finish(claim, at(3), at(300))
    assert await claims.next_due(Venue.BINANCE) == at(300)


async def test_an_account_that_is_not_known_is_nobodys(claims: Claims) -> None:
    assert not await claims.prompt("a", at(0))
    assert await claims.next_due(Venue.BINANCE) is None
    with pytest.raises(AccountNotScheduled):
        await claims.claim_account("a", ME, at(0), LEASE)
