"""What no advice gets past, whatever it says and of whatever position."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from services.common.database import exact_money
from services.common.trading.level import NoLevel, Pinned
from services.common.trading.side import Side
from services.monitor.domain.evaluation.advice import Action, Advice, Mode, Outcome, Urgency
from services.monitor.domain.evaluation.guardrails import Limits, Record, judge
from services.monitor.domain.evaluation.rules import advise
from services.monitor.domain.evaluation.situation import Situation
from tests.unit.monitor.evaluation.situations import NOW, advices, likely, position, situation, situations

LIMITS = Limits()
NOTHING = Record()
CLOSE = Advice(Action.CLOSE, "because", Urgency.LOW, 90)

records = st.builds(
    Record,
    previous=st.one_of(st.none(), advices()),
    acted_at=st.one_of(st.none(), st.integers(0, 300).map(lambda ago: NOW - timedelta(seconds=ago))),
    acted_today=st.integers(0, 20),
)


def stop_at(price: str, confidence: int = 75) -> Advice:
    return Advice(Action.MOVE_STOP, "because", Urgency.LOW, confidence, Decimal(price))


def target_at(price: str) -> Advice:
    return Advice(Action.MOVE_TARGET, "because", Urgency.LOW, 75, Decimal(price))


# Of any advice about any situation hardly one is acted on: most of the others lie where one may be.
CASES = st.one_of(likely(), likely(), st.tuples(advices(), situations()))
MODES = st.sampled_from([Mode.ACT, Mode.ACT, Mode.ACT, *Mode])


@settings(max_examples=300)
@given(CASES, MODES, records)
def test_what_is_acted_on_has_passed_them_all(case: tuple[Advice, Situation], mode: Mode, record: Record) -> None:
    advice, seen = case
    verdict = judge(advice, seen, mode, LIMITS, record)
    if verdict.outcome is not Outcome.ACTED:
        assert verdict.reason or verdict.outcome is Outcome.HELD
        return
    done, sign, mark = verdict.advice, seen.sign, seen.conditions.mark
    assert seen.subject.managed
    assert mode is Mode.ACT
    if done.action is Action.MOVE_STOP:
        assert done.price is not None
        assert seen.stop is not None
        assert seen.levels.stop_loss.enforced
        assert seen.stop * sign < done.price * sign < mark * sign
        assert seen.liquidation is None or seen.liquidation * sign < done.price * sign
    elif done.action is Action.MOVE_TARGET:
        assert done.price is not None
        assert mark * sign < done.price * sign
    else:
        assert done.action is Action.CLOSE
        before = record.previous
        again = before is not None and (before.action, before.urgency) == (Action.CLOSE, Urgency.HIGH)
        assert done.confidence >= LIMITS.close_confidence or (again and done.urgency is Urgency.HIGH)
    if done.action.moves:
        assert record.acted_today < LIMITS.daily_actions
        assert record.acted_at is None or seen.at - record.acted_at >= LIMITS.cool_down


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(
    ("away", "objection"),
    [
        ("0.05", "the target would lie at the price or behind it"),
        ("0.1", ""),
        ("50", ""),
        ("50.1", "the target would lie farther away than any price will be soon"),
        ("99", "the target would lie farther away than any price will be soon"),
    ],
)
def test_a_target_is_neither_a_close_in_disguise_nor_out_of_reach(side: Side, away: str, objection: str) -> None:
    held = situation(position(side, target=Pinned(Decimal(100 + side.sign * 20))), stop=None)
    verdict = judge(target_at(str(100 + side.sign * Decimal(away))), held, Mode.ACT, LIMITS, NOTHING)
    assert verdict.reason == objection
    assert verdict.outcome is (Outcome.WITHHELD if objection else Outcome.ACTED)


def test_a_target_that_the_user_took_away_is_not_put_back() -> None:
    held = situation(position(target=NoLevel()))
    verdict = judge(target_at("110"), held, Mode.ACT, LIMITS, NOTHING)
    assert (verdict.outcome, verdict.reason) == (Outcome.WITHHELD, "the position has no target to move")


@given(CASES, records)
def test_an_observed_position_and_a_careful_user_get_advice_and_nothing_else(
    case: tuple[Advice, Situation], record: Record
) -> None:
    advice, seen = case
    observed = replace(seen, subject=replace(seen.subject, managed=False))
    assert judge(advice, observed, Mode.ACT, LIMITS, record).outcome is not Outcome.ACTED
    assert judge(advice, seen, Mode.ADVISE, LIMITS, record).outcome is not Outcome.ACTED


@pytest.mark.parametrize("side", Side)
def test_without_a_grid_a_price_is_one_that_the_books_can_hold_and_no_tighter(side: Side) -> None:
    third = Decimal(1) / 3
    mark = 100 + side.sign * 3
    seen = situation(position(side), str(mark), stop=str(100 - 2 * side.sign), atr=str(third))
    advice = advise(seen)
    verdict = judge(advice, seen, Mode.ACT, LIMITS, NOTHING)
    assert verdict.outcome is Outcome.ACTED
    assert advice.price is not None
    assert verdict.advice.price is not None
    assert exact_money(verdict.advice.price) * side.sign <= advice.price * side.sign


@given(situations(), st.sampled_from(["0.01", "0.5", "5"]), st.integers(1, 2000))
@example(situation(mark="100", stop="98"), "0.5", 9826)
def test_a_stop_on_the_grid_is_never_tighter_than_what_was_meant(seen: Situation, tick: str, cents: int) -> None:
    assume(cents > 0)
    seen = replace(seen, conditions=replace(seen.conditions, tick=Decimal(tick)))
    meant = Decimal(cents) / 100
    price = judge(stop_at(str(meant)), seen, Mode.ACT, LIMITS, NOTHING).advice.price
    assert price is not None
    assert price % Decimal(tick) == 0
    assert (meant - price) * seen.sign >= 0 or price == Decimal(tick)


@pytest.mark.parametrize(
    ("advice", "reason"),
    [
        (stop_at("97"), "it would loosen the stop"),
        (stop_at("98"), "it would loosen the stop"),
        (stop_at("100"), "the stop would lie at the price or past it"),
        (stop_at("99.95"), "the stop would lie at the price or past it"),
        (stop_at("101"), "the stop would lie at the price or past it"),
        (target_at("100"), "the target would lie at the price or behind it"),
        (target_at("90"), "the target would lie at the price or behind it"),
        (Advice(Action.CLOSE, "because", Urgency.HIGH, 69), "its confidence is below 70"),
    ],
)
def test_what_is_withheld_says_why(advice: Advice, reason: str) -> None:
    verdict = judge(advice, situation(), Mode.ACT, LIMITS, NOTHING)
    assert (verdict.outcome, verdict.reason) == (Outcome.WITHHELD, reason)


@pytest.mark.parametrize("advice", [stop_at("99"), target_at("104"), CLOSE])
def test_what_is_in_order_is_acted_on(advice: Advice) -> None:
    assert judge(advice, situation(), Mode.ACT, LIMITS, NOTHING).outcome is Outcome.ACTED


def test_a_short_has_its_stop_above_and_its_target_below() -> None:
    short = situation(position(Side.SHORT), stop="102")
    assert judge(stop_at("101"), short, Mode.ACT, LIMITS, NOTHING).outcome is Outcome.ACTED
    assert judge(stop_at("99"), short, Mode.ACT, LIMITS, NOTHING).outcome is Outcome.WITHHELD
    assert judge(target_at("96"), short, Mode.ACT, LIMITS, NOTHING).outcome is Outcome.ACTED
    assert judge(target_at("104"), short, Mode.ACT, LIMITS, NOTHING).outcome is Outcome.WITHHELD


def test_a_pinned_stop_is_tightened_and_one_that_is_not_there_is_not_made() -> None:
    pinned = situation(position(stop=Pinned(Decimal(98))))
    assert judge(stop_at("99"), pinned, Mode.ACT, LIMITS, NOTHING).outcome is Outcome.ACTED
    without = situation(position(stop=NoLevel()), stop=None)
    assert judge(stop_at("99"), without, Mode.ACT, LIMITS, NOTHING).outcome is Outcome.WITHHELD
    indicative = situation(position(enforced=False))
    assert judge(stop_at("99"), indicative, Mode.ACT, LIMITS, NOTHING).outcome is Outcome.WITHHELD


def test_a_stop_beyond_liquidation_is_no_stop() -> None:
    seen = situation(stop="90", liquidation=Decimal(95))
    assert judge(stop_at("94"), seen, Mode.ACT, LIMITS, NOTHING).outcome is Outcome.WITHHELD


def test_high_urgency_twice_running_closes_without_confidence() -> None:
    urgent = Advice(Action.CLOSE, "because", Urgency.HIGH, 40)
    assert judge(urgent, situation(), Mode.ACT, LIMITS, Record(urgent)).outcome is Outcome.ACTED
    calm = replace(urgent, urgency=Urgency.MEDIUM)
    assert judge(urgent, situation(), Mode.ACT, LIMITS, Record(calm)).outcome is Outcome.WITHHELD
    assert judge(calm, situation(), Mode.ACT, LIMITS, Record(urgent)).outcome is Outcome.WITHHELD


def test_moves_wait_and_end_and_a_close_does_neither() -> None:
    just_now = Record(acted_at=NOW - timedelta(seconds=119), acted_today=1)
    often = Record(acted_at=NOW - timedelta(hours=1), acted_today=12)
    for record in (just_now, often):
        assert judge(stop_at("99"), situation(), Mode.ACT, LIMITS, record).outcome is Outcome.WITHHELD
        assert judge(CLOSE, situation(), Mode.ACT, LIMITS, record).outcome is Outcome.ACTED
    rested = Record(acted_at=NOW - timedelta(seconds=120), acted_today=11)
    assert judge(stop_at("99"), situation(), Mode.ACT, LIMITS, rested).outcome is Outcome.ACTED
