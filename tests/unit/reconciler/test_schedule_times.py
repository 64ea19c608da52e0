"""When an account is looked at next."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.reconciler.domain.schedule import margin_due, next_due, place
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


@given(st.integers(1, 10**9), st.integers(0, 299))
def test_the_margin_is_read_five_times_a_day_and_last_within_the_days_last_hour(ordinal: int, second: int) -> None:
    """Of a day of looks each five minutes: what it costs is under two percent, and the day's equity is its last."""
    midnight = NOON.replace(hour=0)
    looks = [midnight + timedelta(seconds=second) + number * INTERVAL for number in range(-1, 288)]
    read = [now for before, now in pairwise(looks) if margin_due(before, 0, now, ordinal)]
    assert 4 <= len(read) <= 5  # where two come together, one look does
    assert read[-1] >= midnight + timedelta(hours=23)
    assert max(later - sooner for sooner, later in pairwise(read)) <= timedelta(hours=6) + INTERVAL


def test_the_margin_is_read_at_the_first_look_and_again_where_the_look_that_was_to_read_it_failed() -> None:
    assert margin_due(None, 0, NOON, 1)
    due = next(at(60 * minute) for minute in range(1, 400) if margin_due(at(60 * minute - 60), 0, at(60 * minute), 1))
    assert not margin_due(due, 0, due + INTERVAL, 1)
    assert margin_due(due, 1, due + INTERVAL, 1)
    assert not margin_due(due + timedelta(hours=1), 3, due + timedelta(hours=1, seconds=300), 1)
