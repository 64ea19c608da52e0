"""The schedule over a real Postgres: who is due when, who looks, and what happens to those that fail."""

import asyncio
from datetime import timedelta

import pytest

from services.common.errors import LeaseLost, ServiceUnavailable, TransactionConflict
from services.common.trading.side import Venue
from services.reconciler.domain.errors import AccountNotScheduled
from services.reconciler.domain.observation import ObservableAccount
from services.reconciler.domain.run import RunResult, Trigger
from services.reconciler.store.accounts import Claim
from tests.contract.common.conftest import until
from tests.contract.reconciler.conftest import INTERVAL, LEASE, Replica
from tests.factories import at
from tests.fakes.clock import FixedClock
from tests.fakes.observatory import Books, FakeObservatory, VenueAccount, make_account


def add_account(observatory: FakeObservatory, account_id: str, user_id: str = "demo") -> None:
    observatory.listed.append(make_account(account_id, user_id))
    observatory.venues[account_id], observatory.books[account_id] = VenueAccount(), Books()


async def claim_due(replica: Replica, limit: int) -> list[Claim]:
    return await replica.reconciliation.claim_due(Venue.BINANCE, limit)


async def test_every_account_is_due_at_start_and_then_once_an_interval(replica: Replica, clock: FixedClock) -> None:
    await replica.pass_over()
    assert len(replica.observatory.observed) == 1
    await replica.pass_over()
    for looks in (1, 2, 3):
        due = (await replica.status("demo")).next_run
        assert due is not None
        clock.set(due - timedelta(milliseconds=1))
        await replica.pass_over()
        assert len(replica.observatory.observed) == looks
        clock.set(due)
        await replica.pass_over()
        assert len(replica.observatory.observed) == looks + 1


async def test_a_process_that_starts_looks_at_once_at_what_another_has_scheduled(
    replica: Replica, other: Replica
) -> None:
    await replica.pass_over()
    await other.pass_over()
    assert len(replica.observatory.observed) == 2


async def test_positions_being_away_at_start_is_waited_for(replica: Replica, observatory: FakeObservatory) -> None:
    observatory.failure = ServiceUnavailable(service="positions")
    with pytest.raises(ServiceUnavailable):
        await replica.schedule.turn()
    assert not replica.begun
    assert not replica.schedule.is_running
    observatory.failure = None
    await replica.pass_over()
    assert replica.begun == [True]
    assert len(observatory.observed) == 1


async def test_known_accounts_are_looked_at_while_positions_cannot_list_them(
    replica: Replica, observatory: FakeObservatory, clock: FixedClock
) -> None:
    await replica.pass_over()
    clock.advance(INTERVAL.total_seconds())
    observatory.failure = ServiceUnavailable(service="positions")
    await replica.pass_over()
    run = await replica.runs.latest(observatory.listed[0].account_id)
    assert run is not None
    assert (run.findings.result, run.finished_at) == (RunResult.FAILED, clock.now())


async def test_an_account_that_fails_backs_off_alone(
    replica: Replica, observatory: FakeObservatory, clock: FixedClock
) -> None:
    add_account(observatory, "healthy")
    failing = observatory.listed[0].account_id
    await replica.pass_over()
    observatory.failure = ServiceUnavailable(service="positions")
    clock.advance(INTERVAL.total_seconds())
    await replica.pass_over()
    observatory.failure = None
    observatory.venues.pop("healthy")
    clock.advance(4)
    await replica.pass_over()
    seen = len(observatory.observed)
    clock.advance(1)
    await replica.pass_over()
    assert sorted(observatory.observed[seen:]) == sorted([failing, "healthy"])


async def test_new_accounts_are_found_and_old_ones_forgotten(
    replica: Replica, observatory: FakeObservatory, clock: FixedClock
) -> None:
    first = observatory.listed[0]
    await replica.pass_over()
    add_account(observatory, "newer")
    observatory.listed.remove(first)
    clock.advance(60)
    await replica.pass_over()
    assert observatory.observed == [first.account_id, "newer"]
    with pytest.raises(AccountNotScheduled):
        await replica.accounts.claim_account(first.account_id, "me", clock.now(), LEASE)


async def test_an_account_that_was_just_verified_is_due_at_once(
    replica: Replica, observatory: FakeObservatory, clock: FixedClock
) -> None:
    await replica.pass_over()
    add_account(observatory, "fresh")
    await replica.schedule.account_verified(observatory.listed[-1])
    await replica.pass_over()
    assert observatory.observed[-1] == "fresh"
    await replica.schedule.account_unverified("fresh")
    clock.advance(INTERVAL.total_seconds() * 2)
    observatory.listed.pop()
    await replica.pass_over()
    assert observatory.observed.count("fresh") == 1


async def test_an_account_added_after_the_list_was_asked_for_is_kept(replica: Replica, clock: FixedClock) -> None:
    await replica.accounts.add(make_account("late"), at(10))
    await replica.accounts.replace([], at(10))
    assert await replica.accounts.claim_account("late", "me", at(11), LEASE) is not None


async def test_an_account_that_positions_no_longer_knows_leaves_the_schedule(
    replica: Replica, observatory: FakeObservatory, clock: FixedClock
) -> None:
    gone = observatory.listed[0].account_id
    observatory.venues.pop(gone)
    await replica.pass_over()
    with pytest.raises(AccountNotScheduled):
        await replica.accounts.claim_account(gone, "me", clock.now(), LEASE)


async def test_two_replicas_share_the_accounts_and_neither_looks_twice(replica: Replica, other: Replica) -> None:
    for number in range(6):
        add_account(replica.observatory, f"more-{number}")
    await replica.accounts.replace(replica.observatory.listed, at(0))
    mine, theirs = await asyncio.gather(claim_due(replica, 4), claim_due(other, 4))
    claimed = [claim.account.account_id for claim in (*mine, *theirs)]
    assert sorted(claimed) == sorted(account.account_id for account in replica.observatory.listed)


async def test_a_dead_replicas_account_comes_free_and_its_late_run_is_not_kept(
    replica: Replica, other: Replica, clock: FixedClock
) -> None:
    await replica.accounts.replace(replica.observatory.listed, clock.now())
    [stalled] = await claim_due(replica, 1)
    clock.advance(LEASE.total_seconds() - 1)
    assert await claim_due(other, 1) == []
    clock.advance(1)
    await other.pass_over()
    assert len(replica.observatory.observed) == 1
    with pytest.raises(LeaseLost):
        await replica.reconciliation.start(stalled, Trigger.SCHEDULE)
    run = await replica.runs.latest(stalled.account.account_id)
    assert run is not None
    assert await replica.facts() == ["reconciliation_finished"]


async def test_a_run_that_is_cut_short_leaves_its_account_due(
    replica: Replica, other: Replica, clock: FixedClock
) -> None:
    observing = asyncio.Event()

    async def never_ends(account_id: str, **options: object) -> None:
        observing.set()
        await asyncio.Event().wait()

    replica.observatory.observe = never_ends  # type: ignore[assignment,method-assign]
    await replica.schedule.turn()
    await observing.wait()
    await replica.reconciliation.drain(grace_seconds=0)
    assert replica.reconciliation.under_way == 0
    assert len(await claim_due(other, 5)) == 1


async def test_the_status_of_a_user_is_of_that_user_alone(replica: Replica, clock: FixedClock) -> None:
    before = await replica.status("demo")
    assert (before.is_running, before.last_run, before.next_run) == (False, None, None)
    await replica.pass_over()
    mine, theirs = await replica.status("demo"), await replica.status("somebody else")
    assert (mine.is_running, mine.interval) == (True, INTERVAL)
    assert mine.last_run == at(0)
    assert mine.next_run is not None
    assert at(0) < mine.next_run <= at(300)
    assert (theirs.is_running, theirs.last_run, theirs.next_run) == (True, None, None)


async def test_a_subscription_before_the_first_list_does_not_stand_in_for_it(
    replica: Replica, observatory: FakeObservatory
) -> None:
    replica.schedule.relist()
    observatory.failure = ServiceUnavailable(service="positions")
    with pytest.raises(ServiceUnavailable):
        await replica.schedule.turn()
    assert not replica.begun


async def test_accounts_are_listed_anew_once_events_are_heard(replica: Replica, observatory: FakeObservatory) -> None:
    await replica.pass_over()
    add_account(observatory, "missed")
    replica.schedule.relist()
    await replica.pass_over()
    assert observatory.observed[-1] == "missed"


async def test_whatever_stands_in_the_way_of_a_turn_is_waited_for(
    replica: Replica, observatory: FakeObservatory
) -> None:
    """A refused certificate or a lost race for a row must not end the schedule of all accounts."""
    listing = asyncio.Event()
    list_accounts = observatory.accounts

    async def refused_once(user_id: str | None = None) -> tuple[ObservableAccount, ...]:
        observatory.accounts = list_accounts  # type: ignore[method-assign]
        listing.set()
        raise TransactionConflict

    observatory.accounts = refused_once  # type: ignore[method-assign]
    following = asyncio.create_task(replica.schedule.run())
    await listing.wait()
    replica.schedule.wake()
    await until(lambda: bool(replica.begun))
    following.cancel()
    await asyncio.wait([following])
    await replica.reconciliation.drain(grace_seconds=10)
    assert observatory.observed == [observatory.listed[0].account_id]


def hang(observatory: FakeObservatory, accounts: int) -> asyncio.Event:
    """So many accounts of a venue that does not answer until the event is set."""
    answers = asyncio.Event()
    for number in range(accounts):
        add_account(observatory, f"hanging-{number}")
        observatory.hanging[f"hanging-{number}"] = answers
    return answers


async def test_the_margin_is_asked_for_at_the_first_look_and_then_a_few_times_a_day(
    replica: Replica, observatory: FakeObservatory, clock: FixedClock
) -> None:
    for _ in range(2):
        await replica.pass_over()
        clock.advance(INTERVAL.total_seconds())
    assert (len(observatory.observed), len(observatory.with_margin)) == (2, 1)
    clock.advance(6 * 3600)
    await replica.pass_over()
    assert (len(observatory.observed), len(observatory.with_margin)) == (3, 2)


async def test_a_venue_that_does_not_answer_delays_no_other(replica: Replica, observatory: FakeObservatory) -> None:
    observatory.listed.clear()
    answers = hang(observatory, 9)
    observatory.listed.append(ObservableAccount("elsewhere", "demo", Venue.BYBIT))
    observatory.venues["elsewhere"], observatory.books["elsewhere"] = VenueAccount(), Books()
    await replica.schedule.turn()
    await until(lambda: len(observatory.observed) == 5)
    assert observatory.observed.count("elsewhere") == 1
    await replica.schedule.turn()
    assert replica.reconciliation.busy() == {Venue.BINANCE: 4}
    answers.set()
    await replica.reconciliation.drain(grace_seconds=10)


async def test_what_is_asked_for_waits_for_nothing_that_is_only_due(
    replica: Replica, observatory: FakeObservatory
) -> None:
    wanted = observatory.listed[0].account_id
    await replica.pass_over()
    answers = hang(observatory, 9)
    replica.schedule.relist()
    await replica.schedule.turn()
    await until(lambda: len(observatory.observed) == 5)
    await replica.schedule.account_prompted(wanted)
    await replica.schedule.turn()
    await until(lambda: observatory.observed[-1] == wanted)
    assert observatory.urgent == [wanted]
    answers.set()
    await replica.reconciliation.drain(grace_seconds=10)
    run = await replica.runs.latest(wanted)
    assert run is not None
    assert run.trigger is Trigger.PROMPT


async def test_a_prompt_during_a_look_is_followed_by_another_look(
    replica: Replica, observatory: FakeObservatory, clock: FixedClock
) -> None:
    wanted = observatory.listed[0].account_id
    answers = observatory.hanging[wanted] = asyncio.Event()
    await replica.schedule.turn()
    await until(lambda: observatory.observed == [wanted])
    clock.advance(1)
    await replica.schedule.account_prompted(wanted)
    await replica.schedule.turn()
    assert observatory.observed == [wanted]
    answers.set()
    await replica.reconciliation.drain(grace_seconds=10)
    clock.advance(1)
    await replica.pass_over()
    assert (observatory.observed, observatory.urgent) == ([wanted, wanted], [wanted])
    clock.advance(1)
    await replica.pass_over()
    assert len(observatory.observed) == 2


async def test_a_sync_is_urgent(replica: Replica, observatory: FakeObservatory) -> None:
    await replica.sync("demo")
    assert observatory.urgent == observatory.observed
