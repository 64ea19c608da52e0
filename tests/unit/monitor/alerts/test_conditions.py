"""Thresholds as prices, hysteresis, and what candles say of a time that nobody watched."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.common.errors import FieldInvalid
from services.common.trading.pnl import percent_of_entry, price_pnl
from services.common.trading.side import Side, Venue
from services.monitor.domain.alert import AlertKind
from services.monitor.domain.alerts.conditions import (
    Condition,
    first_armed,
    liquidation_condition,
    look_back,
    price_condition,
    profit_condition,
)
from services.monitor.domain.alerts.rule import LONGEST_NOTE, Direction, Rule, check_rule
from services.monitor.domain.unwatched import Candle
from tests.unit.monitor.world import a_position

PRICE = Rule(AlertKind.PRICE_TARGET, "demo", Venue.BINANCE, "BTCUSDT", "", Direction.ABOVE, Decimal(66000))
PROFIT = Rule(AlertKind.PROFIT_AMOUNT, "demo", direction=Direction.ABOVE, threshold=Decimal(10))
POSITIVE = st.decimals("0.001", "100000", places=3)
ANY = st.decimals("-5000", "5000", places=3)
T = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def test_a_price_target_and_the_price_from_which_it_may_fire_again() -> None:
    assert price_condition(PRICE) == Condition(True, Decimal(66000), Decimal("65934.0"))
    below = replace(PRICE, direction=Direction.BELOW, hysteresis=Decimal(1))
    assert price_condition(below) == Condition(False, Decimal(66000), Decimal(66660))


@pytest.mark.parametrize(
    ("side", "direction", "threshold", "level", "rising"),
    [
        (Side.LONG, Direction.ABOVE, "10", "105", True),
        (Side.LONG, Direction.BELOW, "-10", "95", False),
        (Side.SHORT, Direction.ABOVE, "10", "95", False),
        (Side.SHORT, Direction.BELOW, "-10", "105", True),
    ],
)
def test_a_profit_is_a_price_of_the_position(
    side: Side, direction: Direction, threshold: str, level: str, rising: bool
) -> None:
    position = a_position(side=side, quantity=Decimal(2), entry_price=Decimal(100))
    rule = replace(PROFIT, direction=direction, threshold=Decimal(threshold))
    condition = profit_condition(rule, position)
    assert condition is not None
    assert (condition.level, condition.rising) == (Decimal(level), rising)
    percent = replace(rule, kind=AlertKind.PROFIT_PERCENT, threshold=Decimal(threshold) / 2)
    assert profit_condition(percent, position) == condition


def test_without_an_entry_price_there_is_nothing_to_wait_for() -> None:
    assert profit_condition(PROFIT, a_position(entry_price=None)) is None


@given(st.sampled_from(Side), st.sampled_from(Direction), ANY, POSITIVE, POSITIVE, POSITIVE, st.booleans())
def test_a_profit_is_reached_where_the_profit_says_so(
    side: Side, direction: Direction, threshold: Decimal, quantity: Decimal, entry: Decimal, price: Decimal, share: bool
) -> None:
    position = a_position(side=side, quantity=quantity, entry_price=entry)
    kind = AlertKind.PROFIT_PERCENT if share else AlertKind.PROFIT_AMOUNT
    condition = profit_condition(Rule(kind, "demo", direction=direction, threshold=threshold), position)
    assert condition is not None
    pnl = price_pnl(side, entry, price, quantity)
    value = percent_of_entry(pnl, entry, quantity) if share else pnl
    assert value is not None
    assume(abs(value - threshold) > Decimal("1e-15"))
    assert condition.reached(price) == (value > threshold if direction is Direction.ABOVE else value < threshold)
    assert not (condition.reached(price) and condition.gone_back(price))


@given(st.sampled_from(Side), st.decimals("0.1", "70", places=2), POSITIVE, POSITIVE)
def test_liquidation_is_near_where_no_more_of_the_price_is_left(
    side: Side, percent: Decimal, liquidation: Decimal, price: Decimal
) -> None:
    condition = liquidation_condition(percent, None, side, liquidation)
    left = (price - liquidation) * side.sign / price * 100
    assume(abs(left - percent) > Decimal("1e-12"))
    assert condition.reached(price) == (left < percent)
    assert not (condition.reached(price) and condition.gone_back(price))


@pytest.mark.parametrize(
    ("direction", "threshold", "armed"),
    [("above", "5", True), ("above", "-5", False), ("below", "-5", True), ("below", "5", False), ("above", "0", False)],
)
def test_a_profit_begins_at_zero(direction: str, threshold: str, armed: bool) -> None:
    assert first_armed(replace(PROFIT, direction=Direction(direction), threshold=Decimal(threshold))) is armed


def candle(minute: int, low: str, high: str) -> Candle:
    return Candle(T + timedelta(minutes=minute), Decimal(high), Decimal(low))


def test_candles_tell_what_was_reached_and_when() -> None:
    condition = price_condition(PRICE)
    candles = [candle(0, "65000", "67000"), candle(1, "65000", "65999"), candle(2, "65000", "66001")]
    since = T + timedelta(minutes=1)
    seen = look_back(condition, candles, since, armed=True)
    assert (seen.price, seen.at) == (Decimal(66001), T + timedelta(minutes=2))
    assert look_back(condition, candles[:2], since, armed=True).price is None


def test_a_candle_that_arms_does_not_fire_as_well() -> None:
    condition = price_condition(PRICE)
    both, after = candle(0, "65000", "67000"), candle(1, "66500", "67000")
    assert look_back(condition, [both], T, armed=False).armed
    assert look_back(condition, [both], T, armed=False).price is None
    assert look_back(condition, [both, after], T, armed=False).price == Decimal(67000)
    assert not look_back(condition, [after], T, armed=False).armed


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (replace(PRICE, kind=AlertKind.CLOSE_REFUSED), "kind"),
        (replace(PRICE, note="x" * (LONGEST_NOTE + 1)), "note"),
        (replace(PRICE, position_id="OP_1"), "position_id"),
        (replace(PRICE, venue=None), "exchange"),
        (replace(PRICE, symbol=""), "symbol"),
        (replace(PRICE, symbol="BTC/USDT:USDT"), "symbol"),
        (replace(PRICE, direction=None), "direction"),
        (replace(PRICE, threshold=None), "threshold"),
        (replace(PRICE, threshold=Decimal(0)), "threshold"),
        (replace(PRICE, threshold=Decimal("1e-19")), "threshold"),
        (replace(PRICE, threshold=Decimal("1e18")), "threshold"),
        (replace(PRICE, hysteresis=Decimal(0)), "hysteresis"),
        (replace(PRICE, hysteresis=Decimal(100)), "hysteresis"),
        (Rule(AlertKind.LIQUIDATION_NEAR, "demo", threshold=Decimal(96)), "threshold"),
        (Rule(AlertKind.STOP_MOVED, "demo", threshold=Decimal(5)), "threshold"),
        (Rule(AlertKind.STOP_MOVED, "demo", hysteresis=Decimal(5)), "hysteresis"),
        (Rule(AlertKind.POSITION_CLOSED, "demo", direction=Direction.ABOVE), "direction"),
    ],
)
def test_a_rule_that_cannot_be(wrong: Rule, field: str) -> None:
    with pytest.raises(FieldInvalid) as refused:
        check_rule(wrong)
    assert refused.value.metadata["field"] == field


@pytest.mark.parametrize(
    "rule",
    [
        PRICE,
        PROFIT,
        Rule(AlertKind.PROFIT_PERCENT, "demo", direction=Direction.BELOW, threshold=Decimal(-5), position_id="OP_1"),
        Rule(AlertKind.LIQUIDATION_NEAR, "demo", threshold=Decimal(5)),
        Rule(AlertKind.STOP_MOVED, "demo"),
        Rule(AlertKind.FEED_STALE, "demo", repeating=True),
    ],
)
def test_a_rule_that_can_be(rule: Rule) -> None:
    check_rule(rule)
