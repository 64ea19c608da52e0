"""Spam, duplicates, weights, assets, bets, and sources put together."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monitor.domain.sentiment.asset import Asset, asset_of
from services.monitor.domain.sentiment.bets import Bet, lean, tilt
from services.monitor.domain.sentiment.mood import Mood, SourceScore, combine
from services.monitor.domain.sentiment.post import Post, is_spam, select
from services.monitor.domain.sentiment.weighting import OLDEST, Scored, average, weigh

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BTC = Asset("BTC")


def post(title: str = "Bitcoin looks strong today", **changes: object) -> Post:
    one = Post("t3_1", "ann", title, "", NOW - timedelta(hours=1), 10)
    return replace(one, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("title", "spam"),
    [
        ("Bitcoin looks strong today", False),
        ("Is the ETH upgrade live already?", False),
        ("BTC", True),
        ("FREE BITCOIN giveaway, claim your coins", True),
        ("Join our Telegram for vip signals every day", True),
        ("Guaranteed returns, DM me now", True),
        ("MOON MOON MOON MOON MOON MOON MOON", True),
        ("BUY THIS COIN NOW BEFORE IT IS TOO LATE", False),
        ("BUY THIS COIN NOW BEFORE THE WHALES COME", True),
        ("https://scam.example/x", True),
    ],
)
def test_spam(title: str, spam: bool) -> None:
    assert is_spam(post(title)) is spam


def test_a_text_counts_once_and_an_author_for_a_few() -> None:
    copies = [post(post_id=f"t3_{n}", author=f"bot{n}", title="Bitcoin looks STRONG today!") for n in range(9)]
    many = [post(post_id=f"t3_b{n}", author="ben", title=f"Thought number {n} about bitcoin") for n in range(9)]
    assert len(select(copies)) == 1
    assert len(select(many)) == 3
    assert len(select([post(), post(title="Another title of the same post")])) == 1


def test_links_and_markup_are_not_words() -> None:
    body = '<div class="md"><p>Great <b>news</b></p></div> https://great.example/great'
    assert post("Bitcoin", body=body).text == "Bitcoin. Great news"


@given(st.integers(0, 200), st.integers(0, 200), st.integers(-50, 5000), st.integers(0, 5000))
def test_older_counts_less_and_more_votes_never_less(hours: int, more: int, votes: int, extra: int) -> None:
    def aged(by: int, given: int) -> float:
        return weigh(post(posted_at=NOW - timedelta(hours=by), votes=given), NOW)

    assert aged(hours + more, votes) <= aged(hours, votes)
    assert aged(hours, votes) <= aged(hours, votes + extra)
    assert (aged(hours, votes) > 0) == (timedelta(hours=hours) <= OLDEST)


@given(st.lists(st.tuples(st.floats(-1, 1), st.integers(0, 40), st.integers(0, 100)), max_size=20))
def test_an_average_is_within_what_was_said(said: list[tuple[float, int, int]]) -> None:
    scored = [Scored(post(posted_at=NOW - timedelta(hours=hours), votes=votes), score) for score, hours, votes in said]
    found = average("reddit", scored, NOW)
    fresh = [score for score, hours, _ in said if hours <= 36]
    assert (found is None) == (not fresh)
    if found is not None:
        assert min(fresh) - 0.001 <= found.score <= max(fresh) + 0.001
        assert found.count == len(fresh)
        assert 0 < found.weight < 1


@pytest.mark.parametrize(
    ("symbol", "ticker"),
    [("BTCUSDT", "BTC"), ("ETHUSDC", "ETH"), ("1000PEPEUSDT", "PEPE"), ("1000000MOGUSDT", "MOG"), ("USDCUSDT", "USDC")],
)
def test_the_asset_of_a_symbol(symbol: str, ticker: str) -> None:
    assert asset_of(symbol) == Asset(ticker)


@pytest.mark.parametrize(
    ("ticker", "text", "mentioned"),
    [
        ("BTC", "btc to the moon", True),
        ("BTC", "Bitcoin!", True),
        ("BTC", "WBTC supply", False),
        ("LINK", "click this link", False),
        ("LINK", "LINK is up", True),
        ("LINK", "$link is up", True),
        ("LINK", "Chainlink is up", True),
        ("OP", "op is right", False),
        ("NEAR", "the bottom is near", False),
        ("SOL", "Solana network", True),
    ],
)
def test_what_a_text_is_about(ticker: str, text: str, mentioned: bool) -> None:
    assert Asset(ticker).mentioned(text) is mentioned


def bet(question: str, yes: float = 0.3, liquidity: float = 50_000, outcomes: tuple[str, ...] = ("Yes", "No")) -> Bet:
    return Bet(question, outcomes, (yes, 1 - yes), liquidity)


@pytest.mark.parametrize(
    ("question", "leaning"),
    [
        ("Will Bitcoin reach $150,000 by December 31?", (0.3, 0.0)),
        ("Will Bitcoin dip to $50k in March?", (0.0, 0.3)),
        ("Will Bitcoin hit $80k in March?", (0.3, 0.0)),
        ("Will Bitcoin hit $50k in March?", (0.0, 0.3)),
        ("Bitcoin above $66,000 on March 3?", (0.3, 0.7)),
        ("Will the price of Bitcoin be less than $60k on March 3?", (0.7, 0.3)),
        ("Bitcoin all time high by June 30?", (0.3, 0.0)),
        ("Will MicroStrategy buy Bitcoin this week?", None),
        ("Will Bitcoin reach $100k before it falls to $50k?", None),
    ],
)
def test_which_way_a_bet_leans(question: str, leaning: tuple[float, float] | None) -> None:
    assert lean(bet(question), 66_000) == leaning


def test_bets_on_up_or_down_and_on_nothing() -> None:
    assert lean(bet("Bitcoin Up or Down - March 1", outcomes=("Up", "Down")), None) == (0.3, 0.7)
    assert lean(bet("Which coin wins?", outcomes=("BTC", "ETH")), None) is None
    assert lean(bet("Will Bitcoin hit $80k?"), None) is None


def test_a_tilt_weighs_what_is_likely() -> None:
    likely_up = bet("Will Bitcoin reach $70k in March?", 0.6)
    long_shot = bet("Will Bitcoin dip to $20k in March?", 0.02)
    even = tilt("polymarket", [likely_up, replace(likely_up, question="Will Bitcoin dip to $60k?")], BTC, None, NOW)
    up = tilt("polymarket", [likely_up, long_shot], BTC, None, NOW)
    assert even is not None
    assert up is not None
    assert (even.score, even.count) == (Decimal(0), 2)
    assert up.score == Decimal("0.935")
    thin = replace(likely_up, liquidity=10.0)
    assert tilt("polymarket", [thin, bet("Will Ethereum reach $5k?")], BTC, None, NOW) is None


bets = st.builds(
    bet,
    st.sampled_from(
        ["Will Bitcoin reach $90k?", "Will Bitcoin dip to $9k?", "Bitcoin above $70k?", "Bitcoin below $1?"]
    ),
    st.floats(0, 1),
    st.floats(0, 1e9),
)


@given(st.lists(bets, max_size=12))
def test_a_tilt_is_between_minus_one_and_one(many: list[Bet]) -> None:
    found = tilt("polymarket", many, BTC, 66_000, NOW)
    assert found is None or -1 <= found.score <= 1


def source(name: str, score: str, weight: str = "0.5", age: timedelta = timedelta(0)) -> SourceScore:
    return SourceScore(name, Decimal(score), 5, Decimal(weight), NOW - age, (f"{name} says",))


def test_a_source_that_is_down_is_missing_and_not_neutral() -> None:
    hour = timedelta(hours=1)
    both = combine([source("reddit", "0.6"), source("polymarket", "-0.2")], {}, NOW, hour)
    assert both == Mood(Decimal("0.200"), (source("reddit", "0.6"), source("polymarket", "-0.2")), {})
    one = combine([source("reddit", "0.6")], {"polymarket": "HTTP 503"}, NOW, hour)
    assert one is not None
    assert (one.score, dict(one.missing)) == (Decimal("0.6"), {"polymarket": "HTTP 503"})
    assert one.headlines == ("reddit says",)
    assert combine([], {"polymarket": "HTTP 503"}, NOW, hour) is None
    assert combine([source("reddit", "0.6", age=2 * hour)], {}, NOW, hour) is None
