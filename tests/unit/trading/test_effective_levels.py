"""Rules become prices: the one place for what fires and what is shown."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.trading.effective_levels import effective_levels, reached_level
from services.common.trading.level import INDICATIVE_LEVELS, Level, LevelKind, LevelRules, NoLevel, Pinned, Trailing
from services.common.trading.side import Side
from tests.factories import NOON

PRICES = st.decimals(min_value="0.000001", max_value="1000000", places=6)
SIDES = st.sampled_from(Side)
NONE = Level(NoLevel())


def pinned(price: str) -> Level:
    return Level(Pinned(Decimal(price)), armed_at=NOON, armed_mark=Decimal(66000))


def armed_trail(mark: Decimal) -> LevelRules:
    return LevelRules(Level(Trailing(Decimal("0.02")), armed_at=NOON, armed_mark=mark), NONE)


def test_default_levels_of_a_long_follow_the_current_price() -> None:
    levels = effective_levels(Side.LONG, INDICATIVE_LEVELS, Decimal(66000))
    assert (levels.stop_loss, levels.take_profit) == (Decimal(64680), Decimal(68640))


def test_default_levels_of_a_short_are_mirrored() -> None:
    levels = effective_levels(Side.SHORT, INDICATIVE_LEVELS, Decimal(66000))
    assert (levels.stop_loss, levels.take_profit) == (Decimal(67320), Decimal(63360))


@given(SIDES, PRICES, PRICES)
def test_an_indicative_level_never_fires(side: Side, price: Decimal, watermark: Decimal) -> None:
    assert reached_level(side, INDICATIVE_LEVELS, price, watermark) is None


@given(SIDES, PRICES, st.lists(PRICES, min_size=1))
def test_an_enforced_trail_only_moves_in_the_positions_favour(side: Side, mark: Decimal, path: list[Decimal]) -> None:
    best = max if side is Side.LONG else min
    watermark, stops = mark, []
    for price in path:
        watermark = best(watermark, price)
        stops.append(effective_levels(side, armed_trail(mark), price, watermark).stop_loss)
    assert all(stop is not None for stop in stops)
    assert stops == sorted(stops, reverse=side is Side.SHORT)  # type: ignore[type-var]


def test_the_better_of_trail_and_floor_is_the_stop() -> None:
    rules = LevelRules(armed_trail(Decimal(100)).stop_loss, NONE, floor=Decimal(99))
    assert effective_levels(Side.LONG, rules, Decimal(100)).stop_loss == Decimal(99)
    assert effective_levels(Side.LONG, rules, Decimal(110), Decimal(110)).stop_loss == Decimal("107.8")


@pytest.mark.parametrize(
    ("side", "price", "fires"),
    [
        (Side.LONG, "64001", False),
        (Side.LONG, "64000", True),
        (Side.LONG, "60000", True),
        (Side.SHORT, "63999", False),
        (Side.SHORT, "64000", True),
    ],
)
def test_a_pinned_stop_fires_when_it_is_touched_or_passed(side: Side, price: str, fires: bool) -> None:
    expected = (LevelKind.STOP_LOSS, Decimal(64000)) if fires else None
    assert reached_level(side, LevelRules(pinned("64000"), NONE), Decimal(price)) == expected


def test_a_pinned_target_takes_profit() -> None:
    rules = LevelRules(NONE, pinned("70000"))
    assert reached_level(Side.LONG, rules, Decimal("69999.9")) is None
    assert reached_level(Side.LONG, rules, Decimal(70000)) == (LevelKind.TAKE_PROFIT, Decimal(70000))


@given(SIDES, PRICES, PRICES)
def test_a_trailing_target_is_never_fired(side: Side, mark: Decimal, price: Decimal) -> None:
    target = Level(Trailing(Decimal("0.04")), armed_at=NOON, armed_mark=mark)
    assert reached_level(side, LevelRules(NONE, target), price, mark) is None


def test_the_stop_goes_before_the_target() -> None:
    rules = LevelRules(pinned("70000"), pinned("69000"))
    assert reached_level(Side.LONG, rules, Decimal(69500)) == (LevelKind.STOP_LOSS, Decimal(70000))


@pytest.mark.parametrize("distance", ["0", "1", "-0.1", "1.5"])
def test_a_trailing_distance_is_a_fraction(distance: str) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Trailing(Decimal(distance))
