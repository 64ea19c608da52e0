"""When a private stream is found deaf: what should have been told, what was told, how often it may be opened anew."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.common.trading.reading import PositionKey
from services.common.trading.side import PositionSide, Side
from services.positions.streams.hearing import Hearing, Patience, Seen, changed_since
from tests.factories import NOON, at, make_seen

CLOCKS = timedelta(seconds=5)
MINUTE = 60


def listening() -> Hearing:
    hearing = Hearing()
    hearing.begun(NOON)
    return hearing


def test_what_happened_without_a_message_is_doubted_and_after_the_grace_it_is_deaf() -> None:
    hearing = listening()
    assert hearing.doubt(at(10), at(20))
    assert (hearing.doubted, hearing.reopen_at) == (True, at(25))
    assert not hearing.doubt(at(12), at(22)), "it is doubted already"
    assert hearing.reopen_at == at(25)


def test_a_message_within_the_grace_ends_the_doubt() -> None:
    hearing = listening()
    hearing.doubt(at(10), at(20))
    hearing.heard(at(24))
    assert (hearing.doubted, hearing.reopen_at) == (False, None)


@pytest.mark.parametrize("heard_at", [10, 19])
def test_what_a_message_came_after_is_not_doubted(heard_at: float) -> None:
    hearing = listening()
    hearing.heard(at(heard_at))
    assert not hearing.doubt(at(10), at(20))


def test_what_happened_before_it_was_listened_to_is_not_doubted() -> None:
    never = Hearing()
    assert not never.doubt(at(10), at(20))
    hearing = listening()
    hearing.begun(at(15))
    assert not hearing.doubt(at(10), at(20))
    hearing.ended()
    assert not hearing.doubt(at(16), at(20))


def test_a_message_before_the_stream_began_again_vouches_for_nothing_after() -> None:
    hearing = listening()
    hearing.heard(at(5))
    hearing.begun(at(6))
    assert hearing.doubt(at(6), at(7))


def test_streams_found_deaf_lie_ever_further_apart_until_an_hour_has_passed() -> None:
    hearing, moment, waited = Hearing(), 0.0, []
    for _ in range(7):
        hearing.begun(at(moment))
        hearing.doubt(at(moment), at(moment))
        due = hearing.reopen_at
        assert due is not None
        waited.append((due - at(moment)).total_seconds())
        moment = (due - NOON).total_seconds()
        hearing.reopened(due)
        assert not hearing.doubted
    assert waited == [5, 1 * MINUTE, 2 * MINUTE, 4 * MINUTE, 8 * MINUTE, 10 * MINUTE, 10 * MINUTE]
    moment += 60 * MINUTE
    for wait in (5, 1 * MINUTE):
        hearing.begun(at(moment))
        hearing.doubt(at(moment), at(moment))
        assert hearing.reopen_at == at(moment + wait)
        moment += wait
        hearing.reopened(at(moment))


# What happens to a stream, each so many seconds after what was before it.
STEP = st.tuples(st.floats(0, 900), st.sampled_from(["begun", "heard", "ended", "doubt"]), st.floats(0, 1000))
# A stream that is listened to and soon doubted. Left to chance, hardly any two would be found deaf.
DEAF = st.floats(0, 1500).map(lambda after: [(after, "begun", 0.0), (2.0, "doubt", 1.0)])
STEPS = st.lists(st.one_of(DEAF, DEAF, st.lists(STEP, max_size=3)), max_size=30).map(
    lambda parts: [step for part in parts for step in part]
)


@given(STEPS)
@example([(0.0, "begun", 0.0), (1.0, "doubt", 0.5), (4.0, "heard", 0.0), (1.0, "doubt", 0.5)])
def test_it_is_never_a_storm_and_never_without_a_silence_of_the_whole_grace(
    steps: list[tuple[float, str, float]],
) -> None:
    patience = Patience()
    hearing, now = Hearing(patience), NOON
    begun: datetime | None = None
    heard: datetime | None = None
    reopened: list[datetime] = []

    def reopen_until(moment: datetime) -> None:
        nonlocal begun
        due = hearing.reopen_at
        if due is None or due > moment:
            return
        assert begun is not None
        assert begun + patience.grace <= due
        assert heard is None or heard + patience.grace <= due
        if reopened:
            assert due - reopened[-1] >= patience.waits[0]
        reopened.append(due)
        hearing.reopened(due)
        begun = None

    for seconds, kind, earlier in steps:
        now += timedelta(seconds=seconds)
        reopen_until(now)
        if kind == "begun":
            hearing.begun(now)
            begun, heard = now, None
        elif kind == "heard" and begun is not None:
            hearing.heard(now)
            heard = now
        elif kind == "ended":
            hearing.ended()
            begun = None
        elif kind == "doubt":
            since, before = now - timedelta(seconds=earlier), hearing.doubted
            told = begun is None or since < begun or (heard is not None and heard >= since)
            assert hearing.doubt(since, now) == (not before and not told)
        if hearing.doubted:
            assert hearing.reopen_at is not None
            assert hearing.reopen_at <= now + max(*patience.waits, patience.grace)
    for first, later in zip(reopened, reopened[len(patience.waits) :], strict=False):
        assert later - first >= min(sum(patience.waits, timedelta()), patience.forgiven)


def seen(seconds: float, *positions: object) -> Seen:
    return Seen(at(seconds), positions)  # type: ignore[arg-type]


def test_a_reading_with_the_same_holdings_shows_no_change() -> None:
    before, after = make_seen(), make_seen(mark_price=Decimal(1), leverage=Decimal(3), updated_at=at(99))
    assert changed_since(seen(10, before), seen(100, after), CLOCKS) is None
    assert changed_since(seen(10), seen(100), CLOCKS) is None


@pytest.mark.parametrize(
    "after",
    [
        (),
        (make_seen(quantity=Decimal(2), updated_at=at(50)),),
        (make_seen(side=Side.SHORT, updated_at=at(50)),),
        (make_seen(symbol="ETHUSDT", updated_at=at(50)), make_seen()),
        (make_seen(quantity=Decimal(2), updated_at=None),),
        (make_seen(position_side=PositionSide.LONG, updated_at=at(50)),),
    ],
    ids=["gone", "more", "flipped", "another", "unsaid when", "another leg"],
)
def test_a_change_is_to_be_told_after_the_list_that_did_not_have_it(after: tuple[object, ...]) -> None:
    assert changed_since(seen(10, make_seen()), seen(100, *after), CLOCKS) == at(10)


def test_a_list_that_was_behind_is_no_evidence_against_the_stream() -> None:
    # The message of the change came at 8 s and prompted a reading at 10 s, which did not show it yet.
    hearing = listening()
    hearing.heard(at(8))
    since = changed_since(seen(10), seen(100, make_seen(updated_at=at(8))), CLOCKS)
    assert since is not None
    assert not hearing.doubt(since, at(100))


POSITIONS = st.dictionaries(
    st.tuples(st.sampled_from(["A", "B", "C"]), st.sampled_from(PositionSide)),
    st.tuples(
        st.sampled_from(Side),
        st.decimals("0.001", "1000", places=3),
        st.none() | st.floats(-100, 200).map(at),
    ),
    max_size=5,
)


@given(POSITIONS, POSITIONS)
def test_a_change_is_the_same_in_any_order_and_never_later_than_the_list_before(
    held: dict[tuple[str, PositionSide], tuple[Side, Decimal, datetime | None]],
    holds: dict[tuple[str, PositionSide], tuple[Side, Decimal, datetime | None]],
) -> None:
    def listed(rows: dict[tuple[str, PositionSide], tuple[Side, Decimal, datetime | None]]) -> list[object]:
        return [
            make_seen(symbol=symbol, position_side=leg, side=side, quantity=quantity, updated_at=moment)
            for (symbol, leg), (side, quantity, moment) in rows.items()
        ]

    before, after = listed(held), listed(holds)
    since = changed_since(seen(10, *before), seen(100, *after), CLOCKS)
    differs = {key: row[:2] for key, row in held.items()} != {key: row[:2] for key, row in holds.items()}
    assert (since is not None) == differs
    assert since is None or since <= at(10)
    assert changed_since(seen(10, *before[::-1]), seen(100, *after[::-1]), CLOCKS) == since


def test_what_is_not_there_has_no_quantity() -> None:
    assert seen(10, make_seen()).quantity(make_seen().key) == 1
    assert seen(10, make_seen()).quantity(PositionKey("BTCUSDT", PositionSide.SHORT)) == 0
