"""Clocks tell aware UTC."""

from datetime import UTC, datetime, timedelta

from services.common.clock import Clock, SystemClock
from tests.fakes.clock import FixedClock


def test_the_systems_clock_is_aware_and_utc() -> None:
    clock: Clock = SystemClock()
    assert clock.now().tzinfo is UTC


def test_a_fixed_clock_moves_when_told() -> None:
    clock = FixedClock(datetime(2025, 1, 1, tzinfo=UTC))
    told: Clock = clock
    clock.advance(1.5)
    assert told.now() == datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=1.5)
    clock.set(datetime(2026, 1, 1, tzinfo=UTC))
    assert told.now() == datetime(2026, 1, 1, tzinfo=UTC)
