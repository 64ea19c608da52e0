"""What is kept of runs, who may see it, what an operator can do about a suspicion, and what is forgotten."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import text

from protos.reconciler.v1 import events_pb2
from services.common.database import transaction
from services.common.errors import FieldInvalid, RequestIdReused
from services.reconciler.domain.decision import Decision
from services.reconciler.domain.errors import AccountNotScheduled, NoPendingAbsence
from services.reconciler.domain.observation import Observation
from services.reconciler.domain.run import RunResult, Trigger
from services.reconciler.store.history import Scope
from services.reconciler.upkeep import prune_once
from tests.contract.common.conftest import until
from tests.contract.reconciler.conftest import Replica
from tests.fakes.clock import FixedClock
from tests.fakes.observatory import FakeObservatory


def without_fills(seen: Observation) -> Observation:
    return replace(seen, booked=tuple(replace(row, fills=()) for row in seen.booked))


async def test_runs_and_discrepancies_come_by_page_and_for_their_user_alone(
    replica: Replica, observatory: FakeObservatory, clock: FixedClock
) -> None:
    venue = observatory.venues[observatory.listed[0].account_id]
    for number in range(5):
        venue.trade("1", symbol=f"C{number}USDT")
        await replica.sync("demo")
        clock.advance(1)
    seen = []
    token = ""
    while True:
        page = await replica.history.discrepancies(Scope("demo"), 2, token)
        seen += [found.symbol for found in page.items]
        token = page.next_token
        if not token:
            break
    assert seen == [f"C{number}USDT" for number in (4, 3, 2, 1, 0)]
    assert page.items[-1].decisions == ("adopt",)
    runs = await replica.history.runs(Scope(None), 3, "")
    rest = await replica.history.runs(Scope(None), 3, runs.next_token)
    assert (len(runs.items), len(rest.items), rest.next_token) == (3, 2, "")
    assert (await replica.history.runs(Scope("somebody else"), 0, "")).items == []
    with pytest.raises(FieldInvalid, match="page_token"):
        await replica.history.runs(Scope("demo"), 0, "nonsense")
    status = await replica.status("demo")
    assert (status.discrepancies_found, status.discrepancies_repaired) == (5, 5)
    assert (await replica.status("somebody else")).discrepancies_found == 0


async def test_a_suspicion_is_announced_once_and_an_operator_ends_it(
    replica: Replica, observatory: FakeObservatory, clock: FixedClock
) -> None:
    account_id = observatory.listed[0].account_id
    venue, books = observatory.venues[account_id], observatory.books[account_id]
    for number in range(4):
        venue.trade("1", symbol=f"C{number}USDT")
    await replica.sync("demo")
    with pytest.raises(NoPendingAbsence):
        await replica.confirm(account_id, "", "op-1", "", "1")
    for number in range(3):
        venue.trade("-1", symbol=f"C{number}USDT")
    observatory.distort = without_fills
    for _ in range(6):
        [run] = await replica.sync("demo")
        clock.advance(30)
        venue.now += timedelta(seconds=30)
    assert run.findings.suspicion
    assert len(books.rows) == 4
    assert (await replica.facts()).count("reconciliation_suspicious") == 1
    overview = await replica.status.overview()
    assert (overview.suspicious, overview.pending_absences, len(overview.attention)) == (1, 3, 1)
    confirmed = await replica.confirm(account_id, "", "op-1", "the venue's support says so", "1")
    assert len(confirmed) == 3
    [run] = await replica.sync("demo")
    assert (run.findings.result, run.findings.closed, len(books.rows)) == (RunResult.IN_STEP, 3, 1)
    assert "the operator op-1 confirmed" in run.findings.findings[0].discrepancy.evidence
    async with transaction(replica.engine) as connection:
        rows = await connection.execute(
            text("SELECT payload FROM outbox WHERE subject LIKE '%suspicious%' ORDER BY place")
        )
        facts = [events_pb2.ReconciliationSuspicious.FromString(row.payload) for row in rows]
        [note] = (await connection.execute(text("SELECT DISTINCT note FROM confirmations"))).scalars()
    assert [(fact.ended, len(fact.position_ids)) for fact in facts] == [(False, 3), (True, 0)]
    assert note == "the venue's support says so"


async def test_an_operator_ends_a_suspicion_of_an_empty_list_with_margin_in_use(
    replica: Replica, observatory: FakeObservatory, clock: FixedClock
) -> None:
    """Its margin endpoint is wrong for good: without an operator the row would stay open for ever."""
    account_id = observatory.listed[0].account_id
    venue, books = observatory.venues[account_id], observatory.books[account_id]
    venue.trade("1")
    await replica.sync("demo")
    [position_id] = books.rows
    with pytest.raises(NoPendingAbsence):
        await replica.confirm(account_id, position_id, "op-1", "told so", "1")
    venue.trade("-1")
    observatory.distort = lambda seen: replace(without_fills(seen), initial_margin=Decimal(5))
    for _ in range(4):
        [run] = await replica.sync("demo")
        clock.advance(30)
        venue.now += timedelta(seconds=30)
    assert run.findings.suspicion
    assert list(books.rows) == [position_id]
    with pytest.raises(NoPendingAbsence):
        await replica.confirm(account_id, "", "op-1", "which, is not known", "2")
    answers = observatory.hanging[account_id] = asyncio.Event()
    under_way = asyncio.create_task(replica.sync("demo"))
    looks = len(observatory.observed)
    await until(lambda: len(observatory.observed) > looks)
    clock.advance(1)
    assert await replica.confirm(account_id, position_id, "op-1", "told so", "3") == (position_id,)
    answers.set()
    [run] = await under_way
    assert run.findings.closed == 0  # it had begun before
    [run] = await replica.sync("demo")
    assert (run.findings.closed, books.rows, list(books.estimated)) == (1, {}, [position_id])
    assert "the operator op-1 confirmed" in run.findings.findings[0].discrepancy.evidence
    assert [one.position_id for one in await replica.runs.estimated(account_id)] == [position_id]


async def test_a_confirmation_that_is_sent_again_is_answered_as_it_was(
    replica: Replica, observatory: FakeObservatory, clock: FixedClock
) -> None:
    """Its answer was lost on the way; by then the position is closed, and nothing is missing any more."""
    account_id = observatory.listed[0].account_id
    venue = observatory.venues[account_id]
    for number in range(2):
        venue.trade("1", symbol=f"C{number}USDT")
    await replica.sync("demo")
    for number in range(2):
        venue.trade("-1", symbol=f"C{number}USDT")
    observatory.distort = without_fills
    await replica.sync("demo")
    first = await replica.confirm(account_id, "", "op-1", "told so", "1")
    await replica.sync("demo")
    again = await asyncio.gather(*(replica.confirm(account_id, "", "op-1", "told so", "1") for _ in range(2)))
    assert [len(first), *again] == [2, first, first]
    async with transaction(replica.engine) as connection:
        assert (await connection.execute(text("SELECT count(*) FROM confirmations"))).scalar_one() == 2
    for other in ((first[0], "told so"), ("", "another note")):
        with pytest.raises(RequestIdReused):
            await replica.confirm(account_id, other[0], "op-1", other[1], "1")
    with pytest.raises(RequestIdReused):
        await replica.confirm("another account", "", "op-1", "told so", "1")
    with pytest.raises(NoPendingAbsence):
        await replica.confirm(account_id, "", "op-2", "told so", "1")


async def test_estimated_exits_are_asked_for_ever_more_seldom_until_their_fills_appear(
    replica: Replica, observatory: FakeObservatory, clock: FixedClock
) -> None:
    account_id = observatory.listed[0].account_id
    venue, books = observatory.venues[account_id], observatory.books[account_id]
    venue.trade("1")
    await replica.sync("demo")
    venue.trade("-1")
    observatory.distort = without_fills
    for _ in range(4):
        await replica.sync("demo")
        clock.advance(30)
        venue.now += timedelta(seconds=30)
    [waiting] = await replica.runs.estimated(account_id)
    waits = []
    observatory.distort = lambda seen: replace(seen, estimated=tuple(replace(row, fills=()) for row in seen.estimated))
    for _ in range(3):
        before = (await replica.runs.estimated(account_id))[0].next_try_at
        clock.set(before)
        await replica.sync("demo")
        after = (await replica.runs.estimated(account_id))[0]
        waits.append((after.next_try_at - before).total_seconds())
    assert waits == [120, 240, 480]
    observatory.distort = lambda seen: seen
    clock.set(after.next_try_at)
    [run] = await replica.sync("demo")
    assert run.findings.completed_exits == 1
    assert await replica.runs.estimated(account_id) == ()
    assert waiting.position_id in books.completed


class Killed(BaseException):
    """The process ends here."""


async def miss_until_closed(replica: Replica, observatory: FakeObservatory, clock: FixedClock) -> str:
    """A position that is gone without fills, and looked at until its end is booked; its id."""
    account_id = observatory.listed[0].account_id
    venue, books = observatory.venues[account_id], observatory.books[account_id]
    venue.trade("1")
    await replica.sync("demo")
    [position_id] = books.rows
    venue.trade("-1")
    observatory.distort = without_fills
    while books.rows:
        await replica.sync("demo")
        clock.advance(30)
        venue.now += timedelta(seconds=30)
    return position_id


async def test_the_fills_of_an_estimated_exit_are_asked_for_though_its_run_was_never_kept(
    replica: Replica, observatory: FakeObservatory, clock: FixedClock
) -> None:
    """Between the decision and the word of the run the process is killed, or its lease is lost."""
    account_id = observatory.listed[0].account_id
    books, apply = observatory.books[account_id], observatory.apply

    async def applied_and_killed(run_id: UUID, account_id: str, decisions: Sequence[Decision]) -> object:
        results = await apply(run_id, account_id, decisions)
        if books.estimated:
            raise Killed
        return results

    observatory.apply = applied_and_killed  # type: ignore[assignment,method-assign]
    with pytest.raises(Killed):
        await miss_until_closed(replica, observatory, clock)
    observatory.apply, observatory.distort = apply, lambda seen: seen  # type: ignore[method-assign]
    [position_id] = books.estimated
    clock.advance(120)
    await replica.sync("demo")
    assert position_id in books.completed


async def test_what_waits_of_an_account_without_a_key_alarms_nobody(
    replica: Replica, observatory: FakeObservatory, clock: FixedClock
) -> None:
    """Nothing can be found out about it; once it has a key again, it is asked for again."""
    account = observatory.listed[0]
    await miss_until_closed(replica, observatory, clock)
    observatory.venues[account.account_id].trade("1", symbol="ETHUSDT")
    await replica.sync("demo")
    observatory.venues[account.account_id].trade("-1", symbol="ETHUSDT")
    await replica.sync("demo")
    before = await replica.status.overview()
    assert (before.estimated_exits, before.pending_absences) == (1, 1)
    await replica.schedule.account_unverified(account.account_id)
    without = await replica.status.overview()
    assert (without.estimated_exits, without.pending_absences) == (0, 0)
    await replica.schedule.account_verified(account)
    assert (await replica.status.overview()).estimated_exits == 1


async def test_what_a_run_did_before_it_failed_is_kept(
    replica: Replica, observatory: FakeObservatory, clock: FixedClock
) -> None:
    """Its decisions took effect: the history says so, and the discrepancy is announced as repaired."""
    account_id = observatory.listed[0].account_id
    venue, books = observatory.venues[account_id], observatory.books[account_id]
    seen: list[Observation] = []

    def breaks_at_the_second_look(observation: Observation) -> Observation:
        seen.append(observation)
        if len(seen) > 1:
            raise ZeroDivisionError
        return observation

    def move_on() -> None:
        """Somebody writes meanwhile to the row that is to be adjusted: another look follows."""
        books.touch(adjusted)
        observatory.before_apply = lambda: None

    venue.trade("1", symbol="ETHUSDT")
    await replica.sync("demo")
    [adjusted] = books.rows
    venue.trade("1", symbol="ETHUSDT")
    venue.trade("1")
    observatory.distort, observatory.before_apply = breaks_at_the_second_look, move_on
    [run] = await replica.sync("demo")
    assert (run.findings.result, run.findings.reason) == (RunResult.FAILED, "an internal error")
    assert run.findings.adopted == 1
    found = {one.discrepancy.symbol: one.repaired for one in run.findings.findings}
    assert found == {"BTCUSDT": True, "ETHUSDT": False}


async def test_old_runs_are_forgotten_in_batches(replica: Replica, clock: FixedClock) -> None:
    for _ in range(5):
        await replica.sync("demo")
        clock.advance(10)
    clock.advance(3600)
    await replica.sync("demo")
    assert await prune_once(replica.runs, clock, timedelta(minutes=30), batch=2) == 5
    assert len((await replica.history.runs(Scope(None), 0, "")).items) == 1


async def test_a_prompt_makes_an_account_due_at_once(replica: Replica, observatory: FakeObservatory) -> None:
    account_id = observatory.listed[0].account_id
    await replica.pass_over()
    await replica.schedule.account_prompted("nobody's")
    await replica.schedule.account_prompted(account_id)
    await replica.schedule.account_prompted(account_id)
    await replica.pass_over()
    run = await replica.runs.latest(account_id)
    assert run is not None
    assert (run.trigger, len(observatory.observed)) == (Trigger.PROMPT, 2)


async def test_one_account_of_a_user_can_be_asked_for_and_nobody_elses(
    replica: Replica, observatory: FakeObservatory
) -> None:
    account_id = observatory.listed[0].account_id
    [run] = await replica.sync("demo", account_id)
    assert run.account.account_id == account_id
    with pytest.raises(AccountNotScheduled):
        await replica.sync("demo", "somebody else's")
