"""When an account is looked at next."""

from datetime import timedelta

import pytest

from services.reconciler.domain.schedule import next_due
from tests.factories import NOON, at


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 300), (1, 5), (2, 10), (3, 20), (6, 160), (7, 300), (20, 300), (10_000, 300)]
)
def test_an_account_that_fails_backs_off_up_to_the_interval(failures: int, seconds: int) -> None:
    assert next_due(NOON, failures, timedelta(seconds=300)) == at(seconds)


def test_a_short_interval_bounds_the_first_retry_too() -> None:
    assert next_due(NOON, 1, timedelta(seconds=1)) == at(1)
