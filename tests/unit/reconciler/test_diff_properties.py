"""What holds of every reconciliation, whatever was traded and whatever the venue says."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from random import Random
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from services.common.trading.fill import Settlement
from services.common.trading.reading import AccountReading, ReadingStatus, VenuePosition
from services.common.trading.side import OrderSide, PositionSide, Side
from services.reconciler.domain.absence import AbsencePolicy, PendingAbsence
from services.reconciler.domain.decision import Adopt, Close, Decision
from services.reconciler.domain.diff import Diff, diff
from services.reconciler.domain.observation import BookedPosition
from tests.factories import NOON, at, make_fill, make_reading, make_seen
from tests.fakes.observatory import Books, VenueAccount, book

POLICY = AbsencePolicy(timedelta(seconds=20))
RUN = UUID(int=1)

SYMBOLS = st.sampled_from(["BTCUSDT", "ETHUSDT"])
SLOTS = st.sampled_from(list(PositionSide))
AMOUNTS = st.integers(1, 4).map(Decimal)
MOMENTS = st.integers(-3, 9).map(at)
STATUSES = st.sampled_from(list(ReadingStatus))


@st.composite
def seen_positions(draw: st.DrawFn) -> VenuePosition:
    """Any position that a venue may list."""
    slot = draw(SLOTS)
    side = draw(st.sampled_from(list(Side))) if slot is PositionSide.BOTH else Side(slot.value)
    return make_seen(
        symbol=draw(SYMBOLS),
        position_side=slot,
        side=side,
        quantity=draw(AMOUNTS),
        entry_price=draw(st.sampled_from([Decimal(65000), Decimal(65400)])),
        leverage=draw(st.sampled_from([None, Decimal(10), Decimal(20)])),
    )


@st.composite
def booked_rows(draw: st.DrawFn) -> tuple[BookedPosition, ...]:
    """Any open rows, with any fills: none, too many, of both legs, from before and after they were settled."""
    rows = []
    for number, seen in enumerate(draw(st.lists(seen_positions(), max_size=5, unique_by=lambda one: one.key))):
        fills = draw(
            st.lists(
                st.builds(
                    make_fill,
                    st.integers(1, 50).map(str),
                    symbol=st.just(seen.symbol),
                    position_side=SLOTS,
                    order_side=st.sampled_from(list(OrderSide)),
                    quantity=AMOUNTS,
                    executed_at=MOMENTS,
                ),
                max_size=4,
            )
        )
        since = draw(MOMENTS)
        until = since + timedelta(seconds=draw(st.integers(0, 3)))
        rows.append(
            book(
                f"OP_1_{number}",
                seen,
                fills=tuple(fills),
                fills_complete=draw(st.booleans()),
                settlement=Settlement(since, until),
                version=draw(st.integers(1, 3)),
            )
        )
    return tuple(rows)


READINGS = st.builds(
    lambda positions, status: make_reading(*positions, status=status), st.lists(seen_positions(), max_size=5), STATUSES
)


def judge(rows: Sequence[BookedPosition], reading: AccountReading, pending: Sequence[PendingAbsence] = ()) -> Diff:
    return diff(rows, reading, pending, POLICY)


def carry_out(rows: Sequence[BookedPosition], decisions: Sequence[Decision]) -> Books:
    books = Books({row.position_id: row for row in rows})
    books.apply(RUN, decisions)
    return books


def later(reading: AccountReading) -> AccountReading:
    """The same positions, read again a minute later."""
    minute = timedelta(minutes=1)
    return replace(reading, asked_at=reading.asked_at + minute, taken_at=reading.taken_at + minute)


@given(booked_rows(), READINGS)
def test_with_the_decisions_in_the_books_the_same_positions_decide_nothing(
    rows: tuple[BookedPosition, ...], reading: AccountReading
) -> None:
    first = judge(rows, reading)
    books = carry_out(rows, first.decisions)
    unsettled = set(first.outdated)
    settled = [row for row in books.rows.values() if row.position_id not in unsettled]
    held = {row.key for row in books.rows.values() if row.position_id in unsettled}
    again = replace(reading, positions=tuple(seen for seen in reading.positions if seen.key not in held))
    assert judge(settled, again).decisions == ()
    assert judge(settled, later(again)).decisions == ()


@given(booked_rows(), READINGS)
def test_replaying_a_run_changes_nothing(rows: tuple[BookedPosition, ...], reading: AccountReading) -> None:
    decisions = judge(rows, reading).decisions
    books = carry_out(rows, decisions)
    before = dict(books.rows)
    books.apply(RUN, decisions)
    assert books.rows == before
    # Not even as another run: the versions have moved on.
    books.apply(uuid4(), decisions)
    assert books.rows == before


@given(booked_rows(), READINGS)
def test_nothing_is_closed_on_a_reading_that_is_not_complete(
    rows: tuple[BookedPosition, ...], reading: AccountReading
) -> None:
    found = judge(rows, reading)
    if reading.status is not ReadingStatus.COMPLETE:
        assert not any(isinstance(decision, Close) for decision in found.decisions)
    if reading.status in (ReadingStatus.FAILED, ReadingStatus.SUSPICIOUS):
        assert found.decisions == ()


@given(booked_rows(), READINGS)
def test_nothing_is_closed_without_fills_that_closed_it(
    rows: tuple[BookedPosition, ...], reading: AccountReading
) -> None:
    by_id = {row.position_id: row for row in rows}
    for decision in judge(rows, reading).decisions:
        if isinstance(decision, Close):
            closing = by_id[decision.position_id].side.closing
            assert any(fill.order_side is closing for fill in decision.fills)


@given(booked_rows(), READINGS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(
    rows: tuple[BookedPosition, ...], reading: AccountReading, random: Random
) -> None:
    shuffled, said = list(rows), list(reading.positions)
    random.shuffle(shuffled)
    random.shuffle(said)
    found, other = judge(rows, reading), judge(shuffled, replace(reading, positions=tuple(said)))
    assert (found.decisions, found.discrepancies, found.absences, found.outdated) == (
        other.decisions,
        other.discrepancies,
        other.absences,
        other.outdated,
    )


@given(booked_rows(), READINGS)
def test_no_key_ever_has_two_open_rows_and_every_believed_position_has_one(
    rows: tuple[BookedPosition, ...], reading: AccountReading
) -> None:
    found = judge(rows, reading)
    keys = [row.key for row in carry_out(rows, found.decisions).rows.values()]
    assert len(keys) == len(set(keys))
    if found.reading.status in (ReadingStatus.COMPLETE, ReadingStatus.PARTIAL):
        assert {seen.key for seen in reading.positions} <= set(keys)


@given(booked_rows(), READINGS)
def test_every_decision_has_evidence_and_an_id_of_its_own(
    rows: tuple[BookedPosition, ...], reading: AccountReading
) -> None:
    decisions = judge(rows, reading).decisions
    assert all(decision.evidence for decision in decisions)
    assert len({decision.decision_id for decision in decisions}) == len(decisions)


TRADES = st.lists(
    st.tuples(SYMBOLS, st.sampled_from(list(PositionSide)), st.integers(-3, 3).filter(bool), st.integers(1, 3)),
    max_size=6,
)


def trade(venue: VenueAccount, trades: list[tuple[str, PositionSide, int, int]]) -> None:
    """Trade by hand as a venue allows it: one mode a symbol, and no hedge leg beyond zero."""
    for symbol, slot, change, price in trades:
        mode = PositionSide.BOTH if symbol == "BTCUSDT" else slot
        if symbol == "ETHUSDT" and slot is PositionSide.BOTH:
            continue
        held = {key: seen.quantity for key, seen in venue.positions.items()}
        key = make_seen(symbol=symbol, position_side=mode).key
        opening = 1 if mode is PositionSide.LONG else -1
        if mode is not PositionSide.BOTH and change * opening < 0 and held.get(key, Decimal(0)) < abs(change):
            continue
        venue.trade(Decimal(change), symbol=symbol, position_side=mode, price=Decimal(60000 + 1000 * price))


@given(st.lists(TRADES, min_size=1, max_size=4))
def test_complete_readings_with_their_fills_bring_the_books_into_step(
    rounds: list[list[tuple[str, PositionSide, int, int]]],
) -> None:
    venue, books = VenueAccount(), Books()
    for trades in rounds:
        trade(venue, trades)
        reading = venue.read()
        found = judge(books.observed(venue, reading), reading)
        results = books.apply(uuid4(), found.decisions)
        assert all(result.position_id for result in results)
        assert found.absences == ()
        assert {row.key: (row.side, row.quantity, row.entry_price) for row in books.rows.values()} == {
            key: (seen.side, seen.quantity, seen.entry_price) for key, seen in venue.positions.items()
        }
        again = venue.read()
        assert judge(books.observed(venue, again), again).decisions == ()


@given(st.lists(st.tuples(TRADES, STATUSES), min_size=1, max_size=4))
def test_a_venue_that_hides_positions_never_loses_one(
    rounds: list[tuple[list[tuple[str, PositionSide, int, int]], ReadingStatus]],
) -> None:
    """Empty answers of every kind, while trading goes on: a row goes only when its position really ended."""
    venue, books = VenueAccount(), Books()
    for trades, status in rounds:
        trade(venue, trades)
        empty = replace(venue.read(status), positions=())
        open_before = dict(books.rows)
        found = judge(books.observed(venue, empty), empty)
        assert not any(isinstance(decision, Adopt) for decision in found.decisions)
        books.apply(uuid4(), found.decisions)
        for position_id, row in open_before.items():
            if position_id not in books.rows:
                assert row.key not in venue.positions
        whole = venue.read()
        books.apply(uuid4(), judge(books.observed(venue, whole), whole).decisions)
        assert {row.key for row in books.rows.values()} == set(venue.positions)


def test_the_world_of_these_tests_flips_a_position_as_a_venue_does() -> None:
    venue = VenueAccount(NOON)
    venue.trade("1", price="65000")
    venue.trade("-3", price="66000")
    (seen,) = venue.positions.values()
    assert (seen.side, seen.quantity, seen.entry_price) == (Side.SHORT, Decimal(2), Decimal(66000))
