"""The stack of extremes against a list of every price: same watermarks, whatever comes in whatever order."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.common.trading.extremes import Extremes
from services.common.trading.side import Side

START = datetime(2025, 10, 21, tzinfo=UTC)
Seen = Sequence[tuple[Decimal, datetime]]

PRICES = st.integers(95, 105).map(lambda cents: Decimal(cents) / 10)
MOMENTS = st.integers(0, 12).map(lambda seconds: START + timedelta(seconds=seconds))
SEEN = st.lists(st.tuples(PRICES, MOMENTS), max_size=25)


def best(seen: Seen, side: Side, since: datetime) -> Decimal | None:
    prices = [price for price, at in seen if at >= since]
    return (max if side is Side.LONG else min)(prices) if prices else None


def recorded(seen: Seen) -> Extremes:
    extremes = Extremes()
    for price, at in seen:
        extremes.record(price, at)
    return extremes


def kept(extremes: Extremes) -> tuple[object, object]:
    return extremes.points(Side.LONG), extremes.points(Side.SHORT)


@given(SEEN, MOMENTS, st.sampled_from(Side))
def test_a_watermark_is_the_best_price_since_a_moment(seen: Seen, since: datetime, side: Side) -> None:
    assert recorded(seen).watermark(side, since) == best(seen, side, since)


@given(SEEN, st.randoms())
def test_the_order_and_repetition_of_prices_do_not_matter(seen: Seen, random: object) -> None:
    again = [*seen, *seen]
    random.shuffle(again)  # type: ignore[attr-defined]
    assert kept(recorded(again)) == kept(recorded(seen))


@given(SEEN, SEEN)
def test_merging_is_the_same_from_either_side_and_as_if_one_had_seen_all(one: Seen, other: Seen) -> None:
    here, there, again = recorded(one), recorded(other), recorded(one)
    here.merge(there)
    there.merge(again)
    assert kept(here) == kept(there) == kept(recorded([*one, *other]))


@given(SEEN, MOMENTS, MOMENTS, st.sampled_from(Side))
def test_pruning_changes_no_watermark_from_then_on(seen: Seen, before: datetime, since: datetime, side: Side) -> None:
    extremes = recorded(seen)
    extremes.prune(before)
    assert all(point.at >= before for point in extremes.points(side))
    if since >= before:
        assert extremes.watermark(side, since) == best(seen, side, since)


@given(SEEN, st.sets(MOMENTS, max_size=3), MOMENTS, st.sampled_from(Side))
def test_what_is_retained_answers_for_the_moments_asked_for(
    seen: Seen, moments: set[datetime], recent: datetime, side: Side
) -> None:
    extremes = recorded(seen)
    extremes.retain(side, moments, recent)
    for moment in moments | {recent}:
        assert extremes.watermark(side, moment) == best(seen, side, moment)
    assert len([point for point in extremes.points(side) if point.at < recent]) <= len(moments)


@given(SEEN)
def test_highs_fall_and_lows_rise_as_time_goes_on(seen: Seen) -> None:
    extremes = recorded(seen)
    for side in Side:
        points = extremes.points(side)
        assert [point.at for point in points] == sorted({point.at for point in points})
        assert [point.price for point in points] == sorted({point.price for point in points}, reverse=side is Side.LONG)
    assert len(extremes) == len(extremes.points(Side.LONG)) + len(extremes.points(Side.SHORT))


@given(SEEN, SEEN)
def test_only_what_is_news_is_told_when_points_are_taken(one: Seen, other: Seen) -> None:
    extremes = recorded(one)
    before = set(extremes.points(Side.LONG))
    news = extremes.take(Side.LONG, recorded(other).points(Side.LONG))
    assert not before & set(news)
    assert set(extremes.points(Side.LONG)) <= before | set(news)
    assert not extremes.take(Side.LONG, recorded(other).points(Side.LONG))
