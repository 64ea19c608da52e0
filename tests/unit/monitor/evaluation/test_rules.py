"""The rules: each as it is documented, and none that asks for what the guardrails would refuse."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.trading.level import NoLevel, Pinned
from services.common.trading.side import Side
from services.monitor.domain.evaluation.advice import Action, Mode, Outcome, Urgency
from services.monitor.domain.evaluation.facts import facts_of
from services.monitor.domain.evaluation.guardrails import Limits, Record, judge
from services.monitor.domain.evaluation.rules import advise
from services.monitor.domain.evaluation.situation import Situation
from tests.unit.monitor.evaluation.situations import likely, position, situation, situations

# In hardly any situation at all is there something to do: in most of the others there is.
SITUATIONS = st.one_of(likely().map(lambda case: case[1]), situations())


@given(SITUATIONS)
def test_the_same_answer_to_the_same_situation_and_never_a_loosened_stop(seen: Situation) -> None:
    advice = advise(seen)
    assert advice == advise(seen)
    if advice.action is Action.MOVE_STOP:
        assert advice.price is not None
        assert seen.stop is not None
        assert seen.stop * seen.sign < advice.price * seen.sign < seen.conditions.mark * seen.sign
    if advice.action is Action.MOVE_TARGET:
        assert advice.price is not None
        assert advice.price * seen.sign > seen.conditions.mark * seen.sign


@given(SITUATIONS)
def test_long_and_short_are_mirrored(seen: Situation) -> None:
    """Mirrored around the mark price everything turns around, as far as prices stay positive."""
    mark = seen.conditions.mark

    def mirror(price: Decimal | None) -> Decimal | None:
        return None if price is None else 2 * mark - price

    held = seen.subject.position
    pins = [level.rule for level in (held.levels.stop_loss, held.levels.take_profit)]
    entry = mirror(held.entry_price)
    known = [entry, mirror(seen.stop), mirror(seen.liquidation), mirror(seen.target)]
    if any(isinstance(pin, Pinned) for pin in pins) or any(price is not None and price <= 0 for price in known):
        return
    measures = seen.conditions.measures
    assert measures is not None
    assert entry is not None
    rate = seen.conditions.funding_rate
    turned = replace(
        seen,
        subject=replace(
            seen.subject,
            position=replace(held, side=Side.SHORT if held.side is Side.LONG else Side.LONG, entry_price=entry),
        ),
        conditions=replace(
            seen.conditions,
            measures=replace(measures, trend=-measures.trend),
            funding_rate=None if rate is None else -rate,
        ),
        stop=mirror(seen.stop),
        liquidation=mirror(seen.liquidation),
        target=mirror(seen.target),
        mood=None if seen.mood is None else replace(seen.mood, score=-seen.mood.score),
    )
    one, other = advise(seen), advise(turned)
    prices = [advice.price for advice in (one, other)]
    if all(price is None or 0 < price < 2 * mark for price in prices) and one.action is other.action:
        assert (one.urgency, one.confidence) == (other.urgency, other.confidence)
    assert (one.action is Action.CLOSE) == (other.action is Action.CLOSE)


def test_nothing_to_say_is_hold() -> None:
    advice = advise(situation())
    assert (advice.action, advice.reason) == (Action.HOLD, "0.0 ATR of gain, a trend of 0.0 ATR: it goes on")


def test_liquidation_that_no_stop_comes_before() -> None:
    near = situation(position(stop=NoLevel()), stop=None, liquidation=Decimal("98.5"))
    advice = advise(near)
    assert (advice.action, advice.urgency, advice.confidence) == (Action.CLOSE, Urgency.HIGH, 90)
    assert advice.reason == "liquidation is 1.5 % away, 1.5 ATR, and no enforced stop comes before it"
    assert advise(replace(near, liquidation=Decimal("97.9"))).action is Action.HOLD
    assert advise(situation(stop="99", liquidation=Decimal("98.5"))).action is Action.HOLD
    assert advise(situation(stop="98", liquidation=Decimal("98.5"))).action is Action.CLOSE


@pytest.mark.parametrize(
    ("trend", "sentiment", "funding", "confidence"),
    [
        ("-2", None, None, 60),
        ("-3", None, None, 70),
        ("-9", None, None, 75),
        ("-2", "-0.8", None, 70),
        ("-2", None, "0.001", 65),
        ("-2", "-0.8", "0.001", 75),
    ],
)
def test_a_loss_against_the_trend(trend: str, sentiment: str | None, funding: str | None, confidence: int) -> None:
    rate = None if funding is None else Decimal(funding)
    seen = situation(mark="98.4", stop="98", trend=trend, sentiment=sentiment, funding_rate=rate)
    advice = advise(seen)
    assert (advice.action, advice.confidence) == (Action.CLOSE, confidence)
    acted = judge(advice, seen, Mode.ACT, Limits(), Record()).outcome is Outcome.ACTED
    assert acted == (confidence >= 70)


@pytest.mark.parametrize(
    ("seen", "price"),
    [
        (situation(mark="105", trend="2"), "102"),
        (situation(mark="105"), "103"),
        (situation(mark="105", trend="-0.5"), "103.5"),
        (situation(mark="105", sentiment="-0.7"), "103.5"),
        (situation(mark="105", funding_rate=Decimal("0.0006")), "103.25"),
        (situation(position(opened_at=situation().at - timedelta(days=3)), mark="105"), "103.25"),
        (situation(mark="101.2"), "100.1"),
        (situation(mark="100.5", stop="97", trend="-1"), "98.5"),
        (situation(position(Side.SHORT), mark="95", stop="99"), "97"),
    ],
)
def test_a_profit_is_kept(seen: Situation, price: str) -> None:
    advice = advise(seen)
    assert (advice.action, advice.price) == (Action.MOVE_STOP, Decimal(price))


def test_a_stop_is_not_moved_for_next_to_nothing_nor_onto_the_price() -> None:
    assert advise(situation(mark="105", stop="102.8")).action is Action.HOLD
    assert advise(situation(mark="105", stop=None)).action is Action.HOLD
    assert advise(situation(position(enforced=False), mark="105")).action is Action.HOLD


def test_a_target_lets_a_trend_run_and_comes_nearer_when_it_turns() -> None:
    near = position(target=Pinned(Decimal("101.4")))
    run = advise(situation(near, mark="101", stop="100.9", trend="3"))
    assert (run.action, run.price) == (Action.MOVE_TARGET, Decimal("102.9"))
    far = position(target=Pinned(Decimal(110)))
    turned = advise(situation(far, mark="100.5", stop="99.8", trend="-1.5"))
    assert (turned.action, turned.price) == (Action.MOVE_TARGET, Decimal("103.5"))


def unmeasured(seen: Situation) -> Situation:
    return replace(seen, conditions=replace(seen.conditions, measures=None))


@given(situations())
def test_nothing_is_moved_by_a_range_that_nobody_has_measured(seen: Situation) -> None:
    advice = advise(unmeasured(seen))
    assert not advice.action.moves
    if advice.action is Action.HOLD:
        assert advice.reason == "too few candles are known to measure the market by: nothing is moved before 15 are"


def test_liquidation_within_a_percent_needs_no_measure() -> None:
    near = situation(position(stop=NoLevel()), stop=None, liquidation=Decimal("99.01"))
    advice = advise(unmeasured(near))
    assert (advice.action, advice.urgency, advice.confidence) == (Action.CLOSE, Urgency.HIGH, 90)
    assert advice.reason == "liquidation is 1.0 % away, and no enforced stop comes before it"
    assert advise(unmeasured(replace(near, liquidation=Decimal("98.99")))).action is Action.HOLD
    stopped = situation(stop="99.5", liquidation=Decimal("99.01"))
    assert advise(unmeasured(stopped)).action is Action.HOLD


def test_what_was_not_measured_is_not_among_the_facts() -> None:
    facts = facts_of(unmeasured(situation()))
    assert not {"averageTrueRange", "trend", "volatility", "change"} & facts.keys()
    assert facts_of(situation())["averageTrueRange"] == "1"


def test_sentiment_alone_moves_nothing() -> None:
    for score in ("-1", "1"):
        assert advise(situation(sentiment=score)).action is Action.HOLD
