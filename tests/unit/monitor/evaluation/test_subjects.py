"""The open positions, from events and listings in any order."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.monitor.domain.evaluation.situation import Subject
from services.monitor.domain.evaluation.subjects import Subjects
from tests.unit.monitor.evaluation.situations import position


def subject(name: str, version: int, *, is_open: bool = True) -> Subject:
    held = position(position_id=name, version=version, is_open=is_open, quantity=Decimal(version))
    return Subject(held, managed=True)


histories = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 6)), max_size=30)


@given(histories, st.dictionaries(st.sampled_from("abc"), st.integers(2, 6)))
def test_the_newest_version_stays_whatever_the_order(told: list[tuple[str, int]], closed_at: dict[str, int]) -> None:
    """A position is closed from some version on; versions arrive in any order and any number of times."""
    subjects = Subjects()
    for name, version in told:
        subjects.apply(subject(name, version, is_open=version < closed_at.get(name, 99)))
    for name in "abc":
        newest = max((version for told_name, version in told if told_name == name), default=0)
        known = subjects.get(name)
        if newest == 0 or newest >= closed_at.get(name, 99):
            assert known is None
        else:
            assert known is not None
            assert known.position.version == newest


def test_a_listing_drops_what_it_does_not_name_unless_an_event_did_since() -> None:
    subjects = Subjects()
    for name in "abc":
        subjects.apply(subject(name, 1))
    listing = subjects.begin_listing()
    subjects.apply(subject("a", 1))
    subjects.apply(subject("b", 2))
    assert [one.position.position_id for one in subjects.end_listing(listing)] == ["c"]
    assert sorted(one.position.position_id for one in subjects.all()) == ["a", "b"]


def test_a_late_page_does_not_bring_a_closed_position_back() -> None:
    subjects = Subjects()
    subjects.apply(subject("a", 1))
    listing = subjects.begin_listing()
    assert subjects.apply(subject("a", 2, is_open=False))
    assert not subjects.apply(subject("a", 1))
    assert subjects.end_listing(listing) == ()
    assert subjects.get("a") is None
    for _ in range(62):
        subjects.end_listing(subjects.begin_listing())
    assert subjects.apply(replace(subject("a", 1)))
