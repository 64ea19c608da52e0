"""Hand-worked examples, one for each rule of reconciliation."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from services.common.trading.client_order_id import ClientOrderId, OrderCause
from services.common.trading.fill import Fill, OrderKind, Settlement
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
NOT_COMPLETE = [ReadingStatus.PARTIAL, ReadingStatus.FAILED, ReadingStatus.SUSPICIOUS]


def judge(
    rows: list[BookedPosition],
    *said: VenuePosition,
    pending: tuple[PendingAbsence, ...] = (),
    margin: Decimal | int | None = None,
    degraded: bool = False,
    **reading: object,
) -> Diff:
    circumstances = Circumstances(None if margin is None else Decimal(margin), degraded)
    return diff(rows, make_reading(*said, **reading), pending, POLICY, circumstances)


def row(**changes: object) -> BookedPosition:
    return book("OP_1_1", make_seen(), **changes)


def buy(fill_id: str, quantity: str, seconds: float = 1, **changes: object) -> Fill:
    bought = {"order_side": OrderSide.BUY, "quantity": Decimal(quantity), "executed_at": at(seconds)}
    return make_fill(fill_id, **bought, **changes)


def sell(fill_id: str, quantity: str, seconds: float = 1, **changes: object) -> Fill:
    return make_fill(fill_id, quantity=Decimal(quantity), executed_at=at(seconds), **changes)


def kinds(found: Diff) -> list[DiscrepancyKind]:
    return [discrepancy.kind for discrepancy in found.discrepancies]


def test_what_agrees_decides_nothing() -> None:
    assert judge([row()], make_seen()) == Diff(make_reading(make_seen()))


def test_what_differs_beyond_the_books_18_decimals_agrees() -> None:
    seen = make_seen(entry_price=Decimal("65000.0000000000000000001"))
    assert judge([row()], seen).decisions == ()


@pytest.mark.parametrize("status", [ReadingStatus.COMPLETE, ReadingStatus.PARTIAL])
def test_a_position_that_the_books_do_not_know_is_adopted(status: ReadingStatus) -> None:
    found = judge([], make_seen(), status=status)
    (adopt,) = found.decisions
    assert isinstance(adopt, Adopt)
    assert (adopt.position, adopt.asked_at, adopt.taken_at) == (make_seen(), at(10), at(10.2))
    assert kinds(found) == [DiscrepancyKind.OPENED_EXTERNALLY]
    assert found.discrepancies[0].decision_ids == (adopt.decision_id,)
    assert "BTCUSDT (both) long 1 at 65000" in adopt.evidence


def test_an_absent_row_whose_fills_lead_to_zero_is_closed() -> None:
    fills = (sell("1", "0.4"), sell("2", "0.6", 2))
    found = judge([row(fills=fills)])
    (close,) = found.decisions
    assert isinstance(close, Close)
    assert (close.position_id, close.expected_version, close.final_quantity) == ("OP_1_1", 1, Decimal(0))
    assert close.fills == fills
    assert kinds(found) == [DiscrepancyKind.CLOSED_EXTERNALLY]
    assert "2 fills (1, 2) of 1 at 66000 on average closed it (closed_externally)" in close.evidence
    assert found.absences == ()


@pytest.mark.parametrize(
    ("fills", "fills_complete", "said"),
    [
        ((), True, "there are no fills"),
        ((sell("1", "0.4"),), True, "do not lead from 1 to that"),
        ((sell("1", "1.5"),), True, "do not lead from 1 to that"),
        ((sell("1", "1"),), False, "could not be read in full"),
        ((sell("1", "1", position_side=PositionSide.LONG),), True, "there are no fills"),
        ((sell("1", "1", symbol="ETHUSDT"),), True, "there are no fills"),
        # What was settled before the booked quantity was true cannot have closed it.
        ((sell("1", "1", -1),), True, "there are no fills"),
    ],
)
def test_an_absent_row_without_fills_that_add_up_is_pending(
    fills: tuple[Fill, ...], fills_complete: bool, said: str
) -> None:
    found = judge([row(fills=fills, fills_complete=fills_complete)])
    assert found.decisions == ()
    (absence,) = found.absences
    assert (absence.position_id, absence.first_missed_at) == ("OP_1_1", at(10))
    assert kinds(found) == [DiscrepancyKind.ABSENT]
    assert not found.discrepancies[0].decided
    assert said in found.discrepancies[0].evidence


@pytest.mark.parametrize(("asked", "readings"), [(25, 1), (30, 2)])
def test_readings_that_are_not_spaced_count_once(asked: float, readings: int) -> None:
    before = PendingAbsence("OP_1_1", at(10), at(10), 1, "missed")
    found = judge([row()], pending=(before,), asked_at=at(asked), margin=0)
    assert [absence.readings for absence in found.absences] == [readings]
    assert found.absences[0].first_missed_at == at(10)
    assert found.discrepancies[0].known


def test_a_row_that_is_seen_again_is_no_longer_missing() -> None:
    before = PendingAbsence("OP_1_1", at(5), at(5), 2, "missed")
    assert judge([row()], make_seen(), pending=(before,)).absences == ()


def test_an_absence_of_a_row_that_left_the_books_is_forgotten() -> None:
    before = PendingAbsence("OP_1_9", at(5), at(5), 2, "missed")
    assert judge([row()], make_seen(), pending=(before,)).absences == ()


@pytest.mark.parametrize("status", NOT_COMPLETE)
def test_a_reading_that_is_not_complete_says_nothing_of_what_it_leaves_out(status: ReadingStatus) -> None:
    before = PendingAbsence("OP_1_1", at(5), at(5), 2, "missed")
    found = judge([row(fills=(sell("1", "1"),))], pending=(before,), status=status)
    # What was counted before it counts no more.
    kept = replace(before, readings=0, last_counted_at=at(10))
    assert (found.decisions, found.discrepancies, found.absences) == ((), (), (kept,))


@pytest.mark.parametrize("status", [ReadingStatus.FAILED, ReadingStatus.SUSPICIOUS])
def test_a_reading_that_is_not_believed_decides_nothing(status: ReadingStatus) -> None:
    assert judge([], make_seen(), status=status).decisions == ()


def test_a_key_listed_twice_makes_the_reading_suspicious() -> None:
    found = judge([row()], make_seen(quantity=Decimal(2)), make_seen(quantity=Decimal(3)))
    assert found.decisions == ()
    assert found.reading.status is ReadingStatus.SUSPICIOUS
    assert found.reading.reason == "the venue listed BTCUSDT both more than once"


def test_a_larger_quantity_is_an_adjustment_by_the_fills_that_explain_it() -> None:
    seen = make_seen(quantity=Decimal("1.5"), entry_price=Decimal(65400))
    found = judge([row(fills=(buy("7", "0.5"),))], seen)
    (adjust,) = found.decisions
    assert isinstance(adjust, Adjust)
    assert (adjust.position, adjust.expected_version) == (seen, 1)
    assert [fill.fill_id for fill in adjust.fills] == ["7"]
    assert kinds(found) == [DiscrepancyKind.QUANTITY_CHANGED]
    assert "quantity 1 → 1.5, entry 65000 → 65400; 1 fill (7) of 0.5 at 66000 on average account" in adjust.evidence


def test_a_smaller_quantity_without_fills_that_add_up_is_an_adjustment_by_none() -> None:
    found = judge([row(fills=(sell("7", "0.1"),))], make_seen(quantity=Decimal("0.6")))
    (adjust,) = found.decisions
    assert isinstance(adjust, Adjust)
    assert adjust.fills == ()
    assert "no fills account for it" in adjust.evidence


def test_a_changed_entry_is_an_adjustment() -> None:
    found = judge([row()], make_seen(entry_price=Decimal(64900)))
    assert [type(decision) for decision in found.decisions] == [Adjust]
    assert kinds(found) == [DiscrepancyKind.ENTRY_CHANGED]


def test_a_changed_leverage_is_an_adjustment_and_fills_do_not_matter_to_it() -> None:
    found = judge([row(fills=(sell("1", "1"), buy("2", "1", 2)))], make_seen(leverage=Decimal(20)))
    assert [type(decision) for decision in found.decisions] == [Adjust]
    assert kinds(found) == [DiscrepancyKind.LEVERAGE_CHANGED]
    assert "leverage 10 → 20." in found.decisions[0].evidence


def test_a_leverage_that_the_venue_does_not_say_is_no_change() -> None:
    assert judge([row()], make_seen(leverage=None)).decisions == ()


def test_a_flip_ends_one_position_and_begins_another() -> None:
    fills = (sell("1", "3"),)
    seen = make_seen(side=Side.SHORT, quantity=Decimal(2))
    found = judge([row(fills=fills)], seen)
    close, adopt = found.decisions
    assert isinstance(close, Close)
    assert (close.fills, close.final_quantity) == (fills, Decimal(-2))
    assert isinstance(adopt, Adopt)
    assert (adopt.position, [fill.quantity for fill in adopt.fills]) == (seen, [Decimal(2)])
    assert kinds(found) == [DiscrepancyKind.SIDE_FLIPPED, DiscrepancyKind.OPENED_EXTERNALLY]


@pytest.mark.parametrize("status", [ReadingStatus.COMPLETE, ReadingStatus.PARTIAL])
def test_a_flip_without_fills_is_pending(status: ReadingStatus) -> None:
    fills = () if status is ReadingStatus.COMPLETE else (sell("1", "3"),)
    found = judge([row(fills=fills)], make_seen(side=Side.SHORT, quantity=Decimal(2)), status=status)
    assert found.decisions == ()
    assert kinds(found) == [DiscrepancyKind.SIDE_FLIPPED]


def test_closed_and_reopened_between_two_readings_is_two_positions() -> None:
    fills = (sell("1", "1"), buy("2", "1", 2, price=Decimal(66100)))
    seen = make_seen(entry_price=Decimal(66100), updated_at=at(2))
    found = judge([row(fills=fills)], seen)
    close, adopt = found.decisions
    assert isinstance(close, Close)
    assert (close.fills, close.final_quantity) == (fills, Decimal(1))
    assert isinstance(adopt, Adopt)
    assert [fill.fill_id for fill in adopt.fills] == ["2"]
    assert kinds(found) == [DiscrepancyKind.CLOSED_EXTERNALLY, DiscrepancyKind.OPENED_EXTERNALLY]


def test_closed_and_reopened_waits_for_a_complete_reading() -> None:
    fills = (sell("1", "1"), buy("2", "1", 2))
    found = judge([row(fills=fills)], make_seen(entry_price=Decimal(66100)), status=ReadingStatus.PARTIAL)
    assert found.decisions == ()
    assert kinds(found) == [DiscrepancyKind.CLOSED_EXTERNALLY]


def test_a_position_that_lived_and_died_between_two_readings_gives_its_fills_to_nobody() -> None:
    fills = (sell("1", "1"), buy("2", "2", 2), sell("3", "2", 3), sell("4", "5", 4))
    found = judge([row(fills=fills)], make_seen(side=Side.SHORT, quantity=Decimal(5)))
    adopt = found.decisions[1]
    assert isinstance(adopt, Adopt)
    assert [fill.fill_id for fill in adopt.fills] == ["4"]


def test_hedge_legs_are_apart() -> None:
    long_leg = book("OP_1_1", make_seen(position_side=PositionSide.LONG))
    short = make_seen(position_side=PositionSide.SHORT, side=Side.SHORT)
    short_leg = book("OP_1_2", short, fills=(buy("9", "1", position_side=PositionSide.SHORT),))
    found = judge([long_leg, short_leg], make_seen(position_side=PositionSide.LONG))
    (close,) = found.decisions
    assert isinstance(close, Close)
    assert close.position_id == "OP_1_2"


def test_a_reading_says_nothing_of_a_row_that_was_settled_after_it_was_asked_for() -> None:
    before = PendingAbsence("OP_1_1", at(5), at(5), 2, "missed")
    newer = row(settlement=Settlement(at(9), at(11)), fills=(sell("1", "1"),))
    found = judge([newer], pending=(before,))
    assert (found.decisions, found.absences, found.outdated) == ((), (before,), ("OP_1_1",))


def test_a_close_by_our_own_order_is_no_discrepancy() -> None:
    ours = str(ClientOrderId(OrderCause.STOP_LOSS, UUID(int=1)))
    found = judge([row(fills=(sell("1", "1", client_order_id=ours),))])
    assert [type(decision) for decision in found.decisions] == [Close]
    assert found.discrepancies == ()
    assert "by an order of Tandem's own (stop_loss)" in found.decisions[0].evidence


def test_a_liquidation_is_a_discrepancy() -> None:
    found = judge([row(fills=(sell("1", "1", order_kind=OrderKind.LIQUIDATION),))])
    assert kinds(found) == [DiscrepancyKind.CLOSED_EXTERNALLY]
    assert "(liquidation)" in found.decisions[0].evidence


def test_our_own_addition_is_booked_and_no_discrepancy() -> None:
    ours = str(ClientOrderId(OrderCause.OPEN, UUID(int=1)))
    found = judge([row(fills=(buy("1", "1", client_order_id=ours),))], make_seen(quantity=Decimal(2)))
    assert [type(decision) for decision in found.decisions] == [Adjust]
    assert found.discrepancies == ()


def test_a_size_from_before_the_last_booked_fill_is_a_stale_answer() -> None:
    """An order of ours sold 0.4 at 30; asked at 40, the venue answers with the position as it was at 5."""
    reduced = row(quantity=Decimal("0.6"), settlement=Settlement(at(0), at(30)), version=2)
    old = make_seen(updated_at=at(5))
    found = judge([reduced], old, asked_at=at(40), taken_at=at(40.2))
    assert (found.decisions, found.discrepancies, found.outdated) == ((), (), ("OP_1_1",))
    # Where fills account for it, or it is of the moment of the fill, it is none.
    found = judge(
        [reduced], make_seen(quantity=Decimal("0.5"), updated_at=at(29.9)), asked_at=at(40), taken_at=at(40.2)
    )
    assert isinstance(found.decisions[0], Adjust)
    bought = replace(reduced, fills=(buy("b", "0.4", 4),))
    assert isinstance(judge([bought], old, asked_at=at(40), taken_at=at(40.2)).decisions[0], Adjust)


@pytest.mark.parametrize("status", [ReadingStatus.SUSPICIOUS, ReadingStatus.FAILED])
@pytest.mark.parametrize("confirmed_by", ["", "op-1"])
@pytest.mark.parametrize("listed", [False, True])
def test_an_operators_word_ends_what_a_doubted_list_leaves_out_and_nothing_else(
    status: ReadingStatus, confirmed_by: str, listed: bool
) -> None:
    before = PendingAbsence("OP_1_1", at(2), at(2), 0, "", suspicious=True, confirmed_by=confirmed_by)
    said = (make_seen(),) if listed else ()
    found = judge([row()], *said, pending=(before,), status=status)
    closes = status is ReadingStatus.SUSPICIOUS and bool(confirmed_by) and not listed
    assert [type(one) for one in found.decisions] == [CloseEstimated] * closes
    assert len(found.absences) == (not closes)
