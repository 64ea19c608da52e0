"""The rounds of one run, over the positions service in memory."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from services.common.errors import ServiceUnavailable
from services.common.trading.reading import ReadingStatus
from services.reconciler.domain.absence import AbsencePolicy, PendingAbsence
from services.reconciler.domain.discrepancy import DiscrepancyKind
from services.reconciler.domain.observation import Observation
from services.reconciler.domain.run import EndedRow, Findings, RunResult
from services.reconciler.examination import ROUNDS, Brief, Examination
from tests.factories import at
from tests.fakes.observatory import FakeObservatory, make_account

ACCOUNT = "account-1"


@pytest.fixture
def observatory() -> FakeObservatory:
    return FakeObservatory(make_account(ACCOUNT))


class Expected:
    """The rows whose fills are to be asked for."""

    def __init__(self) -> None:
        self.rows: list[EndedRow] = []

    async def __call__(self, account_id: str, ended: Sequence[EndedRow], now: datetime) -> None:
        self.rows += ended


def examination_of(observatory: FakeObservatory, expected: Expected | None = None) -> Examination:
    return Examination(observatory, AbsencePolicy(timedelta(seconds=20)), expected or Expected())


async def examine(
    observatory: FakeObservatory,
    pending: tuple[PendingAbsence, ...] = (),
    look_again: Callable[[], bool] = lambda: False,
    expected: Expected | None = None,
) -> Findings:
    return await examination_of(observatory, expected).run(uuid4(), ACCOUNT, Brief(pending), look_again)


async def test_what_is_in_step_takes_one_look(observatory: FakeObservatory) -> None:
    found = await examine(observatory)
    assert found == Findings(RunResult.IN_STEP, reading=ReadingStatus.COMPLETE, rounds=1)
    assert found.read_whole


async def test_positions_are_adopted_and_closed_again(observatory: FakeObservatory) -> None:
    venue, books = observatory.venues[ACCOUNT], observatory.books[ACCOUNT]
    venue.trade("1")
    venue.trade("-2", symbol="ETHUSDT")
    opened = await examine(observatory)
    assert (opened.result, opened.adopted, opened.closed, opened.rounds) == (RunResult.IN_STEP, 2, 0, 1)
    assert [finding.repaired for finding in opened.findings] == [True, True]
    venue.trade("-1", price="66100")
    closed = await examine(observatory)
    assert (closed.result, closed.adopted, closed.closed) == (RunResult.IN_STEP, 0, 1)
    assert [row.symbol for row in books.rows.values()] == ["ETHUSDT"]


async def test_a_row_that_moved_on_meanwhile_is_looked_at_again(observatory: FakeObservatory) -> None:
    venue, books = observatory.venues[ACCOUNT], observatory.books[ACCOUNT]
    venue.trade("1")
    await examine(observatory)
    venue.trade("1")

    def somebody_writes() -> None:
        books.touch(next(iter(books.rows)))
        observatory.before_apply = lambda: None

    observatory.before_apply = somebody_writes
    found = await examine(observatory)
    assert (found.result, found.adjusted, found.rounds) == (RunResult.IN_STEP, 1, 2)
    assert [finding.repaired for finding in found.findings] == [True]


async def test_rounds_are_bounded(observatory: FakeObservatory) -> None:
    venue, books = observatory.venues[ACCOUNT], observatory.books[ACCOUNT]
    venue.trade("1")
    await examine(observatory)
    venue.trade("1")
    observatory.before_apply = lambda: books.touch(next(iter(books.rows)))
    found = await examine(observatory)
    assert (found.result, found.adjusted, found.rounds) == (RunResult.PENDING, 0, ROUNDS)
    assert found.reason == "the books changed while the account was being read"


async def test_a_new_absence_is_confirmed_at_once_and_by_fills_booked(observatory: FakeObservatory) -> None:
    """Venues list a fill a moment after the position is gone."""
    venue = observatory.venues[ACCOUNT]
    venue.trade("1")
    await examine(observatory)
    venue.trade("-1")

    def without_fills(observation: Observation) -> Observation:
        observatory.distort = lambda later: later
        return replace(observation, booked=tuple(replace(row, fills=()) for row in observation.booked))

    observatory.distort = without_fills
    found = await examine(observatory)
    assert (found.result, found.closed, found.pending, found.rounds) == (RunResult.IN_STEP, 1, 0, 2)
    assert [finding.discrepancy.kind for finding in found.findings] == [DiscrepancyKind.CLOSED_EXTERNALLY]
    assert found.absences == ()


def without_fills(seen: Observation) -> Observation:
    """The position is gone, its fills are not listed yet."""
    return replace(seen, booked=tuple(replace(row, fills=()) for row in seen.booked))


async def test_an_absence_without_fills_stays_pending_and_is_new_only_once(observatory: FakeObservatory) -> None:
    venue, books = observatory.venues[ACCOUNT], observatory.books[ACCOUNT]
    venue.trade("1")
    await examine(observatory)
    venue.trade("-1")
    observatory.distort = without_fills
    first = await examine(observatory)
    assert (first.result, first.pending, first.rounds) == (RunResult.PENDING, 1, ROUNDS)
    assert [finding.discrepancy.known for finding in first.findings] == [False]
    assert [(absence.readings, absence.suspicious) for absence in first.absences] == [(1, True)]
    assert "1 position is missing without fills while 0 are listed" in first.suspicion
    assert "does not list BTCUSDT" in first.reason
    again = await examine(observatory, first.absences)
    assert (again.result, again.pending, again.rounds) == (RunResult.PENDING, 1, 1)
    assert [finding.discrepancy.known for finding in again.findings] == [True]
    assert len(books.rows) == 1
    observatory.distort = lambda seen: seen
    assert (await examine(observatory, again.absences)).result is RunResult.IN_STEP


async def test_an_empty_list_with_margin_in_use_closes_nothing_and_is_asked_again(
    observatory: FakeObservatory,
) -> None:
    venue, books = observatory.venues[ACCOUNT], observatory.books[ACCOUNT]
    venue.trade("1")
    await examine(observatory)
    observatory.distort = lambda seen: replace(
        seen, reading=replace(seen.reading, positions=()), initial_margin=venue.initial_margin
    )
    found = await examine(observatory)
    assert (found.result, found.reading, found.rounds) == (RunResult.PENDING, ReadingStatus.SUSPICIOUS, ROUNDS)
    assert "a margin of" in found.suspicion
    assert len(books.rows) == 1


async def test_an_exit_without_fills_is_estimated_and_completed_when_they_appear(observatory: FakeObservatory) -> None:
    venue, books = observatory.venues[ACCOUNT], observatory.books[ACCOUNT]
    venue.trade("1")
    await examine(observatory)
    closing = venue.trade("-1", price="66500")
    observatory.distort = without_fills
    absences: tuple[PendingAbsence, ...] = ()
    expected = Expected()
    for _ in range(3):
        found = await examine(observatory, absences, expected=expected)
        absences = found.absences
        venue.now += timedelta(seconds=20)
    assert (found.closed, absences, books.rows) == (1, (), {})
    [ended] = expected.rows
    assert ended.symbol == "BTCUSDT"
    assert "Its exit is estimated" in found.findings[0].discrepancy.evidence
    observatory.distort = lambda seen: replace(seen, estimated=tuple(replace(row, fills=()) for row in seen.estimated))
    examination = examination_of(observatory)
    brief = Brief(estimated=(ended.position_id,))
    in_vain = await examination.run(uuid4(), ACCOUNT, brief, lambda: False)
    assert (in_vain.result, in_vain.tried, in_vain.completed) == (RunResult.IN_STEP, (ended.position_id,), ())
    observatory.distort = lambda seen: seen
    done = await examination.run(uuid4(), ACCOUNT, brief, lambda: False)
    assert (done.completed, done.tried, done.completed_exits) == ((ended.position_id,), (), 1)
    assert books.completed[ended.position_id].reducing == (closing,)
    gone = await examination.run(uuid4(), ACCOUNT, brief, lambda: False)
    assert (gone.completed, gone.tried) == ((ended.position_id,), ())


async def test_what_was_missed_for_long_and_is_listed_again_is_in_the_books_again(observatory: FakeObservatory) -> None:
    """Nothing of it has changed since before it was missed: the venue had left it out all along."""
    venue, books = observatory.venues[ACCOUNT], observatory.books[ACCOUNT]
    venue.trade("1")
    await examine(observatory)
    observatory.distort = lambda seen: replace(
        seen, reading=replace(seen.reading, positions=()), initial_margin=venue.initial_margin * 0
    )
    absences: tuple[PendingAbsence, ...] = ()
    for _ in range(3):
        absences = (await examine(observatory, absences)).absences
        venue.now += timedelta(seconds=20)
    assert books.rows == {}
    observatory.distort = lambda seen: seen
    found = await examine(observatory)
    assert (found.result, found.adopted) == (RunResult.IN_STEP, 1)
    assert [(row.symbol, row.quantity) for row in books.rows.values()] == [("BTCUSDT", Decimal(1))]


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (ReadingStatus.FAILED, RunResult.FAILED),
        (ReadingStatus.SUSPICIOUS, RunResult.PENDING),
        (ReadingStatus.PARTIAL, RunResult.PENDING),
    ],
)
async def test_a_reading_that_is_not_complete_is_not_in_step(
    observatory: FakeObservatory, status: ReadingStatus, result: RunResult
) -> None:
    before = (PendingAbsence("OP_1767614400_1", at(0), at(0), 1, "missed"),)
    observatory.venues[ACCOUNT].trade("1")
    await examine(observatory)
    observatory.distort = lambda seen: replace(
        seen, reading=replace(seen.reading, status=status, positions=(), reason="the venue answered HTML")
    )
    found = await examine(observatory, before)
    assert (found.result, found.reason, found.reading) == (result, "the venue answered HTML", status)
    assert [absence.position_id for absence in found.absences] == ["OP_1767614400_1"]
    assert not found.read_whole


async def test_an_unreachable_positions_service_is_a_failed_run(observatory: FakeObservatory) -> None:
    before = (PendingAbsence("OP_1_1", at(0), at(0), 1, "missed"),)
    observatory.failure = ServiceUnavailable(service="positions")
    found = await examine(observatory, before)
    assert (found.result, found.reason) == (RunResult.FAILED, "The positions service cannot be reached.")
    assert found.absences == before
    assert not found.account_gone


async def test_an_account_that_positions_does_not_know_is_gone(observatory: FakeObservatory) -> None:
    del observatory.venues[ACCOUNT]
    found = await examine(observatory)
    assert (found.result, found.account_gone) == (RunResult.FAILED, True)


async def test_who_joins_after_the_look_began_gets_another_look(observatory: FakeObservatory) -> None:
    asked = iter([False, True, True, False])
    found = await examine(observatory, look_again=lambda: next(asked))
    assert found.rounds == 2
