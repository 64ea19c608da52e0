"""Guarded is true only where the monitor was heard of lately and has taken the position's levels in."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from services.common.trading.level import Level, LevelRules, NoLevel, Pinned
from services.common.trading.partition import partition_of
from services.positions.domain.position import Position
from services.positions.guards import (
    NO_HEARTBEAT,
    NOT_ENFORCED,
    NOT_TAKEN_IN,
    Guards,
    LevelPlace,
    LevelPlaces,
)
from tests.factories import at
from tests.unit.positions.test_live import booked_of

START = at(100)


def armed(seconds: float, version: int = 2) -> Position:
    rules = LevelRules(Level(Pinned(Decimal(64000)), at(seconds), Decimal(66000)), Level(NoLevel()))
    return replace(booked_of(), levels=rules, version=version)


def place(sequence: int, version: int = 2, levels: bytes = b"stop", seconds: float = 200) -> LevelPlace:
    return LevelPlace(version, levels, sequence, at(seconds))


@pytest.fixture
def places() -> LevelPlaces:
    return LevelPlaces(START)


@pytest.fixture
def guards(places: LevelPlaces) -> Guards:
    return Guards(timedelta(seconds=5), places)


def heard(guards: Guards, followed: int, seconds: float = 300) -> None:
    guards.hear([partition_of("a")], {}, at(seconds), followed)


def reason(guards: Guards, position: Position, seconds: float = 300) -> str:
    return guards.guard_of_position(position, at(seconds)).reason


def test_an_observed_position_is_not_guarded(guards: Guards) -> None:
    heard(guards, 10)
    assert reason(guards, booked_of()) == NOT_ENFORCED


def test_silence_is_no_guard(guards: Guards) -> None:
    assert reason(guards, armed(50)) == NO_HEARTBEAT
    heard(guards, 10)
    assert reason(guards, armed(50), 305) == ""
    assert reason(guards, armed(50), 305.1) == NO_HEARTBEAT


def test_a_level_counts_from_when_the_monitor_has_its_fact(guards: Guards, places: LevelPlaces) -> None:
    position = armed(200)
    heard(guards, 41)
    assert reason(guards, position) == NOT_TAKEN_IN
    places.put(position.position_id, place(42))
    assert reason(guards, position) == NOT_TAKEN_IN
    heard(guards, 42)
    assert reason(guards, position) == ""


def test_a_newer_level_of_the_same_position_starts_anew(guards: Guards, places: LevelPlaces) -> None:
    places.put("OP_1_BTCUSDT", place(42))
    heard(guards, 42)
    assert reason(guards, armed(200)) == ""
    assert reason(guards, armed(250, version=3)) == NOT_TAKEN_IN
    places.put("OP_1_BTCUSDT", place(50, version=3, levels=b"other", seconds=250))
    assert reason(guards, armed(250, version=3)) == NOT_TAKEN_IN
    heard(guards, 50)
    assert reason(guards, armed(250, version=3)) == ""


def test_a_change_of_size_leaves_a_guarded_level_guarded(guards: Guards, places: LevelPlaces) -> None:
    places.put("OP_1_BTCUSDT", place(42))
    heard(guards, 42)
    assert reason(guards, armed(200, version=3)) == ""
    places.put("OP_1_BTCUSDT", place(50, version=3, seconds=250))
    assert reason(guards, armed(200, version=3)) == ""


def test_a_late_fact_of_an_older_version_says_nothing(guards: Guards, places: LevelPlaces) -> None:
    places.put("OP_1_BTCUSDT", place(50, version=3, seconds=250))
    places.put("OP_1_BTCUSDT", place(42))
    heard(guards, 45)
    assert reason(guards, armed(250, version=3)) == NOT_TAKEN_IN


def test_a_level_armed_before_anything_was_followed_is_the_heartbeats_word(guards: Guards) -> None:
    heard(guards, 10)
    assert reason(guards, armed(50)) == ""


def test_a_monitor_that_does_not_say_how_far_it_is_is_believed(guards: Guards) -> None:
    heard(guards, 0)
    assert reason(guards, armed(200)) == ""


def test_after_a_gap_nothing_is_held_against_older_levels(guards: Guards, places: LevelPlaces) -> None:
    places.put("OP_1_BTCUSDT", place(4_000))
    places.restart(at(290))
    heard(guards, 3)
    assert reason(guards, armed(200)) == ""
    assert reason(guards, armed(295)) == NOT_TAKEN_IN


def test_the_memory_of_places_is_bounded() -> None:
    places = LevelPlaces(START, limit=2)
    for number in range(5):
        places.put(f"OP_{number}", place(number + 1, seconds=200 + number))
    guards = Guards(timedelta(seconds=5), places)
    heard(guards, 1)
    # What was forgotten is not held against the oldest; what is remembered is exact.
    assert reason(guards, replace(armed(200), position_id="OP_0")) == ""
    assert reason(guards, replace(armed(204), position_id="OP_4")) == NOT_TAKEN_IN
