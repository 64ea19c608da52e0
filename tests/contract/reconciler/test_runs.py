"""Runs on demand, what is kept of them, and what is announced."""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from protos.reconciler.v1 import events_pb2
from services.common.database import transaction
from services.common.errors import LeaseLost, NoVerifiedApiKeys, ServiceUnavailable
from services.common.trading.side import Side
from services.reconciler.domain.discrepancy import DiscrepancyKind
from services.reconciler.domain.observation import Observation
from services.reconciler.domain.run import AccountRun, RunResult, Trigger
from services.reconciler.store.tables import OUTBOX
from tests.contract.common.conftest import until
from tests.contract.reconciler.conftest import Replica
from tests.factories import at
from tests.fakes.clock import FixedClock
from tests.fakes.observatory import Books, FakeObservatory, VenueAccount, make_account


class Gate:
    """Holds every observation until it is opened."""

    def __init__(self, observatory: FakeObservatory) -> None:
        self.waiting, self.open = asyncio.Event(), asyncio.Event()
        self._observe = observatory.observe
        observatory.observe = self.observe  # type: ignore[method-assign]

    async def observe(
        self, account_id: str, *, with_margin: bool = True, estimated: Collection[str] = (), urgent: bool = False
    ) -> Observation:
        observation = await self._observe(account_id, with_margin=with_margin, estimated=estimated, urgent=urgent)
        self.waiting.set()
        await self.open.wait()
        return observation


async def test_a_user_without_accounts_is_told_so(replica: Replica) -> None:
    with pytest.raises(NoVerifiedApiKeys, match=r"^No verified API keys found$") as raised:
        await replica.sync("somebody else")
    assert raised.value.reason == "NO_VERIFIED_API_KEYS"


async def test_positions_being_away_is_said(replica: Replica, observatory: FakeObservatory) -> None:
    observatory.failure = ServiceUnavailable(service="positions")
    with pytest.raises(ServiceUnavailable):
        await replica.sync("demo")


async def test_a_sync_brings_the_users_accounts_into_step_and_keeps_the_evidence(
    replica: Replica, observatory: FakeObservatory, clock: FixedClock
) -> None:
    account = observatory.listed[0]
    observatory.venues[account.account_id].trade("0.5")
    [run] = await replica.sync("demo")
    assert (run.account, run.trigger) == (account, Trigger.REQUEST)
    assert (run.findings.result, run.findings.adopted) == (RunResult.IN_STEP, 1)
    kept = await replica.runs.latest(account.account_id)
    assert kept is not None
    assert (kept.run_id, kept.findings.adopted, kept.started_at) == (run.run_id, 1, at(0))
    [finding] = kept.findings.findings
    assert (finding.discrepancy.kind, finding.repaired) == (DiscrepancyKind.OPENED_EXTERNALLY, True)
    assert "BTCUSDT (both) long 0.5" in finding.discrepancy.evidence
    status = await replica.status("demo")
    assert status.next_run is not None
    assert at(0) < status.next_run <= at(300)


async def test_accounts_of_one_user_at_one_venue_keep_apart(replica: Replica, observatory: FakeObservatory) -> None:
    first, second = observatory.listed[0], make_account("another")
    observatory.listed.append(second)
    observatory.venues["another"], observatory.books["another"] = VenueAccount(), Books()
    observatory.venues[first.account_id].trade("1")
    observatory.venues["another"].trade("-2")
    await replica.sync("demo")
    observatory.venues["another"].trade("2", price="65000")
    runs = {run.account.account_id: run.findings for run in await replica.sync("demo")}
    assert (runs["another"].closed, runs[first.account_id].closed) == (1, 0)
    [row] = observatory.books[first.account_id].rows.values()
    assert (row.side, row.quantity) == (Side.LONG, Decimal(1))


async def test_events_say_what_was_found_and_that_it_is_over(replica: Replica, observatory: FakeObservatory) -> None:
    observatory.venues[observatory.listed[0].account_id].trade("0.5")
    [run] = await replica.sync("demo")
    async with transaction(replica.engine) as connection:
        rows = (await connection.execute(select(OUTBOX).order_by(OUTBOX.c.place))).all()
    assert [row.subject for row in rows] == [
        "reconciler.v1.discrepancy_found.demo",
        "reconciler.v1.reconciliation_finished.demo",
    ]
    found = events_pb2.DiscrepancyFound.FromString(rows[0].payload)
    assert (found.kind, found.symbol, found.repaired) == ("opened_externally", "BTCUSDT", True)
    finished = events_pb2.ReconciliationFinished.FromString(rows[1].payload)
    assert (finished.run.run_id, finished.run.adopted) == (str(run.run_id), 1)
    assert finished.event_id == str(rows[1].id)


async def test_an_absence_is_announced_once_and_pending_until_its_fills_appear(
    replica: Replica, observatory: FakeObservatory, clock: FixedClock
) -> None:
    account_id = observatory.listed[0].account_id
    venue = observatory.venues[account_id]
    venue.trade("1")
    await replica.sync("demo")
    venue.trade("-1")
    observatory.distort = lambda seen: replace(seen, booked=tuple(replace(row, fills=()) for row in seen.booked))
    [first] = await replica.sync("demo")
    [second] = await replica.sync("demo")
    assert [run.findings.result for run in (first, second)] == [RunResult.PENDING] * 2
    assert [run.findings.pending for run in (first, second)] == [1, 1]
    [absence] = await replica.runs.absences(account_id)
    assert absence.readings == 1
    observatory.distort = lambda seen: seen
    [third] = await replica.sync("demo")
    assert (third.findings.result, third.findings.closed) == (RunResult.IN_STEP, 1)
    assert await replica.runs.absences(account_id) == ()
    [close] = observatory.books[account_id].closed.values()
    assert (close.fills[-1].fill_id, close.final_quantity) == ("2", Decimal(0))
    facts = [fact for fact in await replica.facts() if fact == "discrepancy_found"]
    assert len(facts) == 3  # opened, absent once, closed


async def test_who_asks_during_a_run_joins_it_and_gets_a_fresh_look(
    replica: Replica, observatory: FakeObservatory
) -> None:
    account_id = observatory.listed[0].account_id
    gate = Gate(observatory)
    first = asyncio.create_task(replica.sync("demo"))
    await gate.waiting.wait()
    observatory.venues[account_id].trade("1")  # after the look that is under way
    second = await _join(replica, observatory)
    gate.open.set()
    [[run], joined] = await asyncio.gather(first, second)
    assert run.run_id == joined.run_id
    assert (joined.findings.adopted, joined.findings.rounds) == (1, 2)


async def test_who_asks_when_the_last_look_is_over_gets_a_look_of_its_own(
    replica: Replica, observatory: FakeObservatory
) -> None:
    """The run is being kept: it will not look again, so what happened since is not in it."""
    account_id = observatory.listed[0].account_id
    kept, keeping = asyncio.Event(), asyncio.Event()
    finish = replica.runs.finish

    async def slowly(*given: object) -> None:
        keeping.set()
        await kept.wait()
        await finish(*given)  # type: ignore[arg-type]

    replica.runs.finish = slowly  # type: ignore[assignment,method-assign]
    first = asyncio.create_task(replica.sync("demo"))
    await keeping.wait()
    observatory.venues[account_id].trade("1")
    second = await _join(replica, observatory)
    kept.set()
    [[run], joined] = await asyncio.gather(first, second)
    assert (run.findings.adopted, joined.findings.adopted) == (0, 1)


async def test_a_run_that_lost_its_lease_does_not_stand_for_the_one_that_has_it(
    replica: Replica, observatory: FakeObservatory, clock: FixedClock
) -> None:
    """The leases could not be renewed in time; then this very process claims the account again."""
    account_id, unexpected = observatory.listed[0].account_id, list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, told: unexpected.append(told))
    await replica.accounts.replace(observatory.listed, clock.now())

    async def claim_and_hang() -> tuple["asyncio.Task[AccountRun]", asyncio.Event]:
        looks, answers = len(observatory.observed), asyncio.Event()
        observatory.hanging[account_id] = answers
        claim = await replica.accounts.claim_account(account_id, replica.name, clock.now(), timedelta(seconds=30))
        assert claim is not None
        run = replica.reconciliation.start(claim, Trigger.SCHEDULE)
        await until(lambda: len(observatory.observed) > looks)
        return run, answers

    stalled, late = await claim_and_hang()
    clock.advance(31)
    present, soon = await claim_and_hang()
    late.set()
    with pytest.raises(LeaseLost):
        await stalled
    assert replica.reconciliation.under_way == 1
    soon.set()
    assert (await present).findings.result is RunResult.IN_STEP
    assert (replica.reconciliation.under_way, unexpected) == (0, [])


async def test_who_asks_while_another_replica_is_at_it_looks_after_it(
    replica: Replica, other: Replica, observatory: FakeObservatory, clock: FixedClock
) -> None:
    account_id = observatory.listed[0].account_id
    gate = Gate(observatory)
    elsewhere = asyncio.create_task(other.sync("demo"))
    await gate.waiting.wait()
    clock.advance(1)
    here = asyncio.create_task(replica.sync("demo"))
    gate.open.set()
    [[theirs], [mine]] = await asyncio.gather(elsewhere, here)
    assert mine.run_id != theirs.run_id
    assert mine.started_at > theirs.started_at
    assert observatory.observed == [account_id, account_id]


async def test_a_caller_that_gives_up_does_not_stop_the_run_that_others_share(
    replica: Replica, observatory: FakeObservatory
) -> None:
    gate = Gate(observatory)
    first = asyncio.create_task(replica.sync("demo"))
    await gate.waiting.wait()
    second = await _join(replica, observatory)
    first.cancel()
    gate.open.set()
    run = await second
    assert run.findings.result is RunResult.IN_STEP


async def test_an_unexpected_failure_is_one_accounts_failed_run(replica: Replica, observatory: FakeObservatory) -> None:
    def breaks(seen: Observation) -> Observation:
        raise ZeroDivisionError

    observatory.distort = breaks
    [run] = await replica.sync("demo")
    assert (run.findings.result, run.findings.reason) == (RunResult.FAILED, "an internal error")
    assert (await replica.status("demo")).next_run == at(5)


async def _join(replica: Replica, observatory: FakeObservatory) -> "asyncio.Task[AccountRun]":
    """Ask for the account whose run is under way; one turn of the loop is all that joining takes."""
    task = asyncio.create_task(replica.reconciliation.reconcile(observatory.listed[0]))
    await asyncio.sleep(0)
    return task
