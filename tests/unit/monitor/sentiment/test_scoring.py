"""Crypto's own words against plain VADER, on posts that the words were not tuned on."""

from hypothesis import example, given
from hypothesis import strategies as st

from services.monitor.sentiment.scoring import Scorer
from tests.unit.monitor.sentiment.labelled import NEGATIVE, NEUTRAL, POSITIVE, measure, read_labelled

OURS, PLAIN = Scorer(), Scorer({}, {})


def test_the_set_is_large_enough_and_about_half_of_it_is_held_out() -> None:
    rows = read_labelled()
    assert len({row.text for row in rows}) == len(rows) >= 200
    assert {row.label for row in rows} == {POSITIVE, NEGATIVE, NEUTRAL}
    held_out = [row for row in rows if row.held_out]
    assert 0.4 < len(held_out) / len(rows) < 0.6
    assert all(sum(row.label == label for row in held_out) >= 25 for label in (POSITIVE, NEGATIVE, NEUTRAL))


def test_precision_and_recall_are_better_than_plain_vaders_on_what_was_held_out() -> None:
    held_out = [row for row in read_labelled() if row.held_out]
    ours, plain = measure(OURS.score, held_out), measure(PLAIN.score, held_out)
    assert ours[0] > plain[0] + 0.2
    for label in (POSITIVE, NEGATIVE, NEUTRAL):
        assert ours[1][label].precision > plain[1][label].precision
        assert ours[1][label].recall >= plain[1][label].recall
        assert ours[1][label].f1 > 0.8


@given(st.text(max_size=200))
@example("\u017fo back, \u017fhort \u017fqueeze")
def test_a_score_is_between_minus_one_and_one(text: str) -> None:
    assert -1 <= OURS.score(text) <= 1


def test_phrases_are_read_whole_in_any_case_and_vader_keeps_its_sense_of_denial() -> None:
    assert OURS.score("Diamond Hands") > 0.4
    assert OURS.score("RUG PULLED AGAIN") < -0.4
    assert OURS.score("this is not bullish") < 0 < OURS.score("this is bullish")
    assert abs(OURS.score("How are liquidation prices calculated on Binance")) < 0.2
