"""Rows that are missing without fills: what it takes until they are booked as gone, and what keeps them open."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from services.common.trading.reading import ReadingStatus, VenuePosition
from services.common.trading.side import OrderSide, PositionSide, Side
from services.reconciler.domain.absence import AbsencePolicy, PendingAbsence
from services.reconciler.domain.decision import Adjust, Adopt, Close, CloseEstimated
from services.reconciler.domain.diff import Diff, diff
from services.reconciler.domain.discrepancy import DiscrepancyKind
from services.reconciler.domain.observation import BookedPosition
from services.reconciler.domain.suspicion import Circumstances
from tests.factories import at, make_fill, make_reading, make_seen
from tests.fakes.observatory import book

POLICY = AbsencePolicy(timedelta(seconds=20))
HELD = Decimal(6500)
"""What a position of 1 BTC at 65 000 with leverage 10 takes of the margin."""


def seen(symbol: str, **changes: object) -> VenuePosition:
    return make_seen(symbol=symbol, initial_margin=HELD, **changes)


def rows(*symbols: str, **changes: object) -> list[BookedPosition]:
    return [book(f"OP_1_{symbol}", seen(symbol), **changes) for symbol in symbols]


class Story:
    """Readings of one account, one after another, and what is pending in between."""

    def __init__(self, *booked: BookedPosition) -> None:
        self.booked = list(booked)
        self.pending: tuple[PendingAbsence, ...] = ()
        self.last: Diff

    def read(
        self,
        seconds: float,
        *said: VenuePosition,
        margin: Decimal | int | None = None,
        degraded: bool = False,
        **changes: object,
    ) -> list[str]:
        """What is closed by a reading so many seconds after noon."""
        held = HELD * len(said) if margin is None else Decimal(margin)
        reading = make_reading(*said, asked_at=at(seconds), taken_at=at(seconds + 0.2), **changes)
        self.last = diff(self.booked, reading, self.pending, POLICY, Circumstances(held, degraded))
        self.pending = self.last.absences
        return [decision.position_id for decision in self.last.decisions if isinstance(decision, CloseEstimated)]


def test_three_spaced_readings_book_one_of_several_as_gone() -> None:
    story = Story(*rows("BTCUSDT", "ETHUSDT"))
    assert [story.read(when, seen("ETHUSDT")) for when in (10, 20, 30, 49)] == [[]] * 4
    assert not story.last.suspicion
    assert story.read(50, seen("ETHUSDT")) == ["OP_1_BTCUSDT"]
    [close] = story.last.decisions
    assert isinstance(close, CloseEstimated)
    assert close.missed_at == at(10)
    assert "3 readings agree" in close.evidence
    assert story.pending == ()
    assert story.last.discrepancies[0].decision_ids == (close.decision_id,)


@pytest.mark.parametrize("status", [ReadingStatus.FAILED, ReadingStatus.PARTIAL, ReadingStatus.SUSPICIOUS])
def test_a_reading_that_failed_in_between_begins_the_count_anew(status: ReadingStatus) -> None:
    story = Story(*rows("BTCUSDT", "ETHUSDT"))
    story.read(10, seen("ETHUSDT"))
    story.read(30, seen("ETHUSDT"))
    story.read(40, status=status)
    assert [story.read(when, seen("ETHUSDT")) for when in (60, 80)] == [[], []]
    assert story.read(100, seen("ETHUSDT")) == ["OP_1_BTCUSDT"]


def test_a_degraded_period_of_the_venue_begins_the_count_anew() -> None:
    story = Story(*rows("BTCUSDT", "ETHUSDT"))
    for when in (10, 30, 50, 70):
        assert story.read(when, seen("ETHUSDT"), degraded=True) == []
    assert not story.last.suspicion
    assert [story.read(when, seen("ETHUSDT")) for when in (90, 110)] == [[], []]
    assert story.read(130, seen("ETHUSDT")) == ["OP_1_BTCUSDT"]


def test_readings_without_a_margin_beside_them_do_not_count() -> None:
    story = Story(*rows("BTCUSDT", "ETHUSDT"))
    for when in (10, 30, 50, 70):
        reading = make_reading(seen("ETHUSDT"), asked_at=at(when), taken_at=at(when))
        story.pending = diff(story.booked, reading, story.pending, POLICY).absences
    assert [absence.readings for absence in story.pending] == [0]


def test_a_margin_that_says_otherwise_keeps_a_row_open_for_ever_and_makes_it_suspicious() -> None:
    story = Story(*rows("BTCUSDT", "ETHUSDT"))
    for when in range(10, 1000, 20):
        assert story.read(when, seen("ETHUSDT"), margin=2 * HELD) == []
    assert "says that they are still held" in story.last.suspicion
    assert story.pending[0].suspicious


@pytest.mark.parametrize("symbols", [("BTCUSDT",), ("BTCUSDT", "ETHUSDT"), ("BTCUSDT", "ETHUSDT", "SOLUSDT")])
def test_all_gone_at_once_takes_a_margin_of_zero_beside_each_reading(symbols: tuple[str, ...]) -> None:
    story = Story(*rows(*symbols))
    assert [story.read(when) for when in (10, 30)] == [[], []]
    assert "the account's margin is zero" in story.last.suspicion
    assert story.read(50) == [row.position_id for row in story.booked]
    assert "its exit is estimated" in story.last.decisions[0].evidence.lower()


def test_an_empty_list_with_margin_in_use_is_suspicious_whatever_the_fills_say() -> None:
    story = Story(*rows("BTCUSDT", fills=(make_fill(quantity=Decimal(1)),)))
    story.read(10, margin=HELD)
    assert story.last.decisions == ()
    assert story.last.reading.status is ReadingStatus.SUSPICIOUS
    assert "lists no positions, but a margin of 6500" in story.last.suspicion


def test_three_gone_of_many_wait_for_an_operator_while_others_are_open() -> None:
    story = Story(*rows("A", "B", "C", "D"))
    for when in range(10, 500, 20):
        assert story.read(when, seen("D")) == []
    assert "3 positions are missing without fills while 1 are listed" in story.last.suspicion
    story.pending = tuple(
        replace(absence, confirmed_by="op-1") if absence.position_id == "OP_1_B" else absence
        for absence in story.pending
    )
    assert story.read(600, seen("D")) == ["OP_1_B"]
    assert "the operator op-1 confirmed that it is gone" in story.last.decisions[0].evidence


def test_a_suspicion_does_not_end_because_others_came_back() -> None:
    story = Story(*rows("A", "B", "C", "D"))
    story.read(10, seen("D"))
    for when in (30, 50, 70, 90):
        assert story.read(when, seen("B"), seen("C"), seen("D")) == []
    assert story.last.suspicion
    assert story.read(110, seen("A"), seen("B"), seen("C"), seen("D")) == []
    assert (story.last.suspicion, story.pending) == ("", ())


def test_closing_fills_close_all_of_many_at_once() -> None:
    gone = [replace(row, fills=(make_fill(row.symbol, symbol=row.symbol),)) for row in rows("A", "B", "C", "D")]
    story = Story(*gone)
    story.read(10)
    assert [type(decision) for decision in story.last.decisions] == [Close] * 4
    assert (story.last.suspicion, story.pending) == ("", ())


def test_rows_whose_fills_cannot_be_read_take_twice_as_many_readings() -> None:
    """As of a symbol that was delisted."""
    story = Story(*rows("OLDUSDT", fills_complete=False), *rows("ETHUSDT"))
    closed = [story.read(10 + 20 * number, seen("ETHUSDT")) for number in range(6)]
    assert closed == [[]] * 5 + [["OP_1_OLDUSDT"]]


def test_a_renamed_symbol_is_told_and_alarms_nobody() -> None:
    story = Story(*rows("OLDUSDT"))
    story.read(10, seen("NEWUSDT"))
    assert [type(decision) for decision in story.last.decisions] == [Adopt]
    [renamed, _] = story.last.discrepancies
    assert renamed.kind is DiscrepancyKind.SYMBOL_CHANGED
    assert "lists the same position as NEWUSDT" in renamed.evidence
    assert story.last.suspicion == ""


def test_a_flip_that_no_fills_explain_is_believed_after_three_readings() -> None:
    story = Story(*rows("BTCUSDT"))
    short = seen("BTCUSDT", side=Side.SHORT)
    assert [story.read(when, short) for when in (10, 30)] == [[], []]
    assert story.read(50, short) == ["OP_1_BTCUSDT"]
    assert [type(decision) for decision in story.last.decisions] == [CloseEstimated, Adopt]


def test_a_round_trip_at_the_same_size_and_entry_is_two_positions() -> None:
    trip = (make_fill("1", executed_at=at(1)), make_fill("2", order_side=OrderSide.BUY, executed_at=at(2)))
    story = Story(*rows("BTCUSDT", fills=trip))
    story.read(10, seen("BTCUSDT", updated_at=at(2)))
    assert [type(decision) for decision in story.last.decisions] == [Close, Adopt]


def test_a_row_that_the_venue_changed_without_fills_is_settled_anew_and_no_discrepancy() -> None:
    story = Story(*rows("BTCUSDT"))
    story.read(10, seen("BTCUSDT", updated_at=at(2)))
    [adjust] = story.last.decisions
    assert isinstance(adjust, Adjust)
    assert (adjust.fills, story.last.discrepancies) == ((), ())


def test_a_row_that_the_venue_changed_just_now_waits_for_its_fills() -> None:
    story = Story(*rows("BTCUSDT"))
    story.read(10, seen("BTCUSDT", quantity=Decimal(2), updated_at=at(9)))
    assert story.last.decisions == ()
    assert "not all of its fills are known yet" in story.last.discrepancies[0].evidence


def test_a_stale_answer_changes_nothing() -> None:
    story = Story(*rows("BTCUSDT", quantity=Decimal(3)))
    story.read(10, seen("BTCUSDT", updated_at=at(-60)))
    assert (story.last.decisions, story.last.outdated) == ((), ("OP_1_BTCUSDT",))


def test_hedge_legs_are_missed_one_by_one() -> None:
    legs = [
        book("OP_1_1", seen("BTCUSDT", position_side=PositionSide.LONG)),
        book("OP_1_2", seen("BTCUSDT", position_side=PositionSide.SHORT, side=Side.SHORT)),
    ]
    story = Story(*legs)
    left = seen("BTCUSDT", position_side=PositionSide.LONG)
    assert [story.read(when, left) for when in (10, 30, 50)] == [[], [], ["OP_1_2"]]
