"""As many accounts as the budget carries, twice as many, and a hundred thousand over replicas that come and go."""

import random

import pytest

from services.common.exchange.budget import Lane
from tests.schedule_simulation import INTERVAL, LEASE, MINUTE_WEIGHT, READING_WEIGHT, START, Fleet, Load, run_budgeted

SECONDS = INTERVAL.total_seconds()
FULL = MINUTE_WEIGHT * 5 // READING_WEIGHT


def test_as_many_accounts_as_the_budget_allows_use_it_up_and_none_starves() -> None:
    outcome = run_budgeted(Load(FULL))
    assert outcome.used >= 0.95
    assert (outcome.over_budget, outcome.starved, outcome.turned_away[Lane.RECONCILIATION]) == (0, 0, 0)
    assert outcome.means[0] >= 0.95 * SECONDS
    assert outcome.means[-1] <= 1.2 * SECONDS


def test_in_the_hour_that_ends_the_day_every_margin_is_read_and_none_starves() -> None:
    outcome = run_budgeted(Load(FULL, rounds=16, begin=START.replace(hour=22, minute=50)))
    assert outcome.margins >= FULL
    assert outcome.used >= 0.95
    assert (outcome.over_budget, outcome.starved, outcome.turned_away[Lane.RECONCILIATION]) == (0, 0, 0)
    assert outcome.means[-1] <= 1.25 * SECONDS


@pytest.mark.parametrize("times", [1.5, 2, 3])
def test_with_more_accounts_the_interval_stretches_alike_for_all(times: float) -> None:
    outcome = run_budgeted(Load(int(times * FULL), rounds=16))
    assert outcome.used >= 0.95
    assert (outcome.over_budget, outcome.starved, outcome.turned_away[Lane.RECONCILIATION]) == (0, 0, 0)
    assert outcome.means[0] >= 0.95 * times * SECONDS
    assert outcome.means[-1] <= 1.1 * times * SECONDS
    assert outcome.longest <= 1.2 * times * SECONDS
    # What is late says so.
    assert outcome.looks.worst_lag >= (times - 1) * SECONDS


def test_live_views_and_orders_go_ahead_and_what_they_leave_is_used() -> None:
    outcome = run_budgeted(Load(FULL, live_weight=400, orders=20))
    assert outcome.used >= 0.95
    assert (outcome.over_budget, outcome.starved, outcome.turned_away[Lane.ORDERS], outcome.order_wait) == (0, 0, 0, 0)
    asked = 400 / READING_WEIGHT * 12 * SECONDS / 60
    assert outcome.turned_away[Lane.LIVE] <= 0.01 * asked


def test_fewer_accounts_than_the_budget_allows_are_looked_at_on_time() -> None:
    outcome = run_budgeted(Load(FULL // 2))
    assert outcome.looks.worst_lag < 1
    assert outcome.longest <= SECONDS + 1


def test_a_hundred_thousand_accounts_over_replicas_that_die_and_join() -> None:
    chance = random.Random(3)  # noqa: S311
    changes = [(chance.uniform(20, 330), what) for what in ("join", "die") * 10]
    fleet = Fleet(accounts=100_000, room=10, changes=changes, replicas=14)
    fleet.run()
    assert len(fleet.longest) == 100_000
    assert max(fleet.longest.values()) <= SECONDS + LEASE.total_seconds() + 10
    assert fleet.takeovers
    assert max(fleet.takeovers) <= LEASE.total_seconds() + 1
