"""When an account is looked at next."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.reconciler.domain.schedule import next_due, place
from tests.factories import NOON, at

INTERVAL = timedelta(seconds=300)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 5), (2, 10), (3, 20), (6, 160), (7, 300), (20, 300), (10_000, 300)]
)
def test_an_account_that_fails_backs_off_up_to_the_interval(failures: int, seconds: int) -> None:
    assert next_due(NOON, failures, INTERVAL, 1) == at(seconds)


def test_a_short_interval_bounds_the_first_retry_too() -> None:
    assert next_due(NOON, 1, timedelta(seconds=1), 1) == at(1)


@pytest.mark.parametrize(("open_for", "seconds"), [(0, 2), (3, 2), (10, 5), (100, 50), (10_000, 300)])
def test_what_is_left_open_is_looked_at_again_ever_more_seldom(open_for: float, seconds: int) -> None:
    assert next_due(NOON, 0, INTERVAL, 1, pending_since=at(-open_for)) == at(seconds)


@given(st.integers(1, 10**9), st.floats(0, 10**7))
def test_an_account_is_due_once_an_interval_at_its_own_place(ordinal: int, after: float) -> None:
    first = next_due(at(after), 0, INTERVAL, ordinal)
    assert timedelta(0) < first - at(after) <= INTERVAL
    second = next_due(first + timedelta(seconds=1), 0, INTERVAL, ordinal)
    assert abs(second - first - INTERVAL) < timedelta(milliseconds=1)


def test_who_is_looked_at_far_too_late_queues_anew_at_the_end() -> None:
    assert next_due(at(100), 0, INTERVAL, 7, due_at=at(0)) == at(400)


@given(st.integers(1, 10**9), st.floats(0, 10**6), st.floats(0, 30))
def test_who_is_looked_at_a_little_late_keeps_the_place(ordinal: int, after: float, late: float) -> None:
    due_at = next_due(at(after), 0, INTERVAL, ordinal)
    assert next_due(due_at + timedelta(seconds=late), 0, INTERVAL, ordinal, due_at=due_at) == due_at + INTERVAL


@given(st.integers(1, 10**9), st.floats(0, 10**6))
def test_who_lost_the_place_comes_back_to_it_step_by_step(ordinal: int, after: float) -> None:
    due_at = at(after)
    for _ in range(12):
        later = next_due(due_at, 0, INTERVAL, ordinal, due_at=due_at)
        assert abs(later - due_at - INTERVAL) <= INTERVAL / 20
        due_at = later
    assert next_due(due_at, 0, INTERVAL, ordinal, due_at=due_at) == due_at + INTERVAL


@pytest.mark.parametrize("accounts", [3, 10, 100, 1200])
def test_places_lie_evenly_however_many_there_are(accounts: int) -> None:
    places = sorted(place(number, INTERVAL) for number in range(1, accounts + 1))
    gaps = [later - sooner for sooner, later in pairwise(places)]
    assert max(gaps) <= 3 * INTERVAL / accounts
