"""When a position is looked at, whether that finds anything new, and when a model is left alone."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.trading.level import Pinned
from services.monitor.domain.evaluation.agenda import JITTER, Agenda
from services.monitor.domain.evaluation.breaker import Breaker
from services.monitor.domain.evaluation.materiality import look, material_change
from services.monitor.domain.evaluation.measures import FEWEST_BARS, Bar, measure
from services.monitor.domain.evaluation.situation import Situation
from tests.unit.monitor.evaluation.situations import NOW, position, situation, situations

FORCED = timedelta(minutes=5)
INTERVAL = timedelta(seconds=30)


@given(situations(), st.integers(0, 299))
def test_a_situation_never_differs_from_itself(seen: Situation, seconds: int) -> None:
    later = replace(seen, at=seen.at + timedelta(seconds=seconds))
    assert material_change(look(seen), look(later), FORCED) == ""


@given(situations(), situations())
def test_sooner_or_later_it_is_looked_into(seen: Situation, other: Situation) -> None:
    before = look(seen)
    assert material_change(None, before, FORCED) == "first"
    assert material_change(before, look(replace(other, at=seen.at + FORCED)), FORCED) == "forced"


@pytest.mark.parametrize(
    ("after", "cause"),
    [
        (situation(mark="100.24"), ""),
        (situation(mark="100.25"), "price"),
        (situation(mark="99.75"), "price"),
        (situation(position(quantity=Decimal(6))), "size"),
        (situation(position(stop=Pinned(Decimal(97)))), "levels"),
        (situation(managed=False), "levels"),
        (situation(trend="-0.4"), ""),
        (situation(trend="-0.5"), "trend"),
        (situation(trend="1"), "trend"),
        (situation(sentiment="0.1"), "sentiment"),
        (situation(funding_rate=Decimal("0.0004")), ""),
        (situation(funding_rate=Decimal("-0.0005")), "funding"),
        (situation(liquidation=Decimal(80)), "liquidation"),
        (situation(stop="97"), ""),
    ],
)
def test_what_counts_as_a_change(after: Situation, cause: str) -> None:
    assert material_change(look(situation()), look(after), FORCED) == cause


def test_sentiment_counts_in_steps() -> None:
    before = look(situation(sentiment="0.1"))
    assert material_change(before, look(situation(sentiment="0.29")), FORCED) == ""
    assert material_change(before, look(situation(sentiment="0.3")), FORCED) == "sentiment"
    assert material_change(before, look(situation()), FORCED) == "sentiment"


@given(st.sets(st.text(min_size=1, max_size=8), min_size=1, max_size=40))
def test_each_is_looked_at_once_an_interval_give_or_take_the_jitter(keys: set[str]) -> None:
    agenda = Agenda(INTERVAL)
    looks: dict[str, list[datetime]] = {key: [] for key in keys}
    for key in keys:
        agenda.add(key, NOW)
        agenda.add(key, NOW + INTERVAL)
    now, second = NOW, timedelta(seconds=1)
    while now < NOW + 4 * INTERVAL:
        for key in agenda.take(now, 1000):
            looks[key].append(now)
        now += second
    slack = INTERVAL * JITTER
    for times in looks.values():
        gaps = [after - before for before, after in zip([NOW, *times], times, strict=False)]
        assert len(times) >= 3
        assert all(INTERVAL - slack <= gap <= INTERVAL + slack + second for gap in gaps)
    assert agenda.stretch == pytest.approx(1.0, abs=1 / 30)


def test_looks_are_spread_over_the_interval() -> None:
    agenda = Agenda(INTERVAL)
    for number in range(1000):
        agenda.add(str(number), NOW)
    taken = [len(list(agenda.take(NOW + timedelta(seconds=second), 1000))) for second in range(24, 37)]
    assert sum(taken) == 1000
    assert max(taken) < 150


def test_overload_stretches_the_interval_and_piles_nothing_up() -> None:
    agenda = Agenda(INTERVAL)
    for number in range(100):
        agenda.add(str(number), NOW)
    seen = 0
    for second in range(600):
        seen += len(list(agenda.take(NOW + timedelta(seconds=second), 1)))
    assert seen < 600
    assert agenda.stretch > 2
    late = NOW + timedelta(hours=1)
    assert len(set(agenda.take(late, 1000))) == 100
    assert list(agenda.take(late, 1000)) == []


def test_what_is_gone_is_not_due() -> None:
    agenda = Agenda(INTERVAL)
    agenda.add("one", NOW)
    agenda.add("other", NOW)
    agenda.remove("one")
    assert list(agenda.take(NOW + 2 * INTERVAL, 10)) == ["other"]
    assert len(agenda) == 1


def test_a_breaker_opens_lets_one_through_and_closes() -> None:
    breaker, pause = Breaker(3, timedelta(seconds=60)), timedelta(seconds=60)
    for _ in range(2):
        assert breaker.admit(NOW)
        breaker.failed(NOW)
    breaker.succeeded()
    for _ in range(3):
        assert breaker.admit(NOW)
        breaker.failed(NOW)
    assert not breaker.admit(NOW + pause - timedelta(seconds=1))
    assert breaker.admit(NOW + pause)
    assert not breaker.admit(NOW + pause)
    breaker.failed(NOW + pause)
    assert not breaker.admit(NOW + pause + timedelta(seconds=59))
    assert breaker.admit(NOW + 2 * pause)
    breaker.dropped()
    assert breaker.admit(NOW + 2 * pause)
    breaker.succeeded()
    assert all(breaker.admit(NOW) for _ in range(5))


def bars(*closes: float) -> list[Bar]:
    return [Bar(Decimal(repr(c + 1)), Decimal(repr(c - 1)), Decimal(repr(c))) for c in closes]


def test_measures_of_a_market() -> None:
    flat = measure(bars(*[100.0] * 60))
    assert flat is not None
    assert [flat.atr, flat.trend, flat.volatility, flat.change] == [2, 0, 0, 0]
    rising = measure(bars(*[100.0 + number for number in range(60)]))
    falling = measure(bars(*[159.0 - number for number in range(60)]))
    assert rising is not None
    assert falling is not None
    assert rising.atr == 2
    assert rising.trend > 2
    assert falling.trend < -2
    assert rising.change == Decimal("0.59")


def test_too_little_is_nothing() -> None:
    assert measure(bars(*[100.0] * (FEWEST_BARS - 1))) is None
    assert measure(bars(*[100.0] * FEWEST_BARS)) is not None
    assert measure([Bar(Decimal(5), Decimal(5), Decimal(5))] * 60) is None


@given(st.lists(st.floats(2, 1000), min_size=FEWEST_BARS, max_size=80))
def test_a_range_is_positive_and_volatility_is_not_negative(closes: list[float]) -> None:
    measures = measure(bars(*closes))
    assert measures is not None
    assert measures.atr >= 2 - Decimal("1e-9")
    assert measures.volatility >= 0
