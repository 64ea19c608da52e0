"""Situations as tests need them, plain ones and any at all."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from services.common.trading.level import Level, LevelRule, LevelRules, NoLevel, Pinned, Trailing
from services.common.trading.side import PositionSide, Side, Venue
from services.monitor.domain.evaluation.advice import Action, Advice, Urgency
from services.monitor.domain.evaluation.measures import Measures
from services.monitor.domain.evaluation.situation import Conditions, Situation, Subject
from services.monitor.domain.position import Position
from services.monitor.domain.sentiment.mood import Mood, SourceScore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def position(
    side: Side = Side.LONG,
    entry: str | None = "100",
    stop: LevelRule | None = None,
    target: LevelRule | None = None,
    *,
    enforced: bool = True,
    **more: Any,
) -> Position:
    """A position in SOLUSDT, by default with a trailing stop that is enforced."""
    stop_rule = Trailing(Decimal("0.02")) if stop is None else stop
    target_rule = Trailing(Decimal("0.04")) if target is None else target
    armed = (NOW - timedelta(hours=1), Decimal(entry or 100)) if enforced else (None, None)
    pinned = armed if isinstance(target_rule, Pinned) else (None, None)
    return replace(
        Position(
            position_id="OP_1",
            user_id="demo",
            account_id="account-1",
            venue=Venue.BINANCE,
            symbol="SOLUSDT",
            position_side=PositionSide.BOTH,
            side=side,
            quantity=Decimal(5),
            levels=LevelRules(Level(stop_rule, *armed), Level(target_rule, *pinned)),
            version=3,
            is_open=True,
            opened_at=NOW - timedelta(hours=1),
            entry_price=None if entry is None else Decimal(entry),
        ),
        **more,
    )


def situation(
    held: Position | None = None,
    mark: str = "100",
    *,
    stop: str | None = "98",
    atr: str = "1",
    trend: str = "0",
    sentiment: str | None = None,
    managed: bool = True,
    **more: Any,
) -> Situation:
    """What is known of it: a market whose bars go 1 up or down, unless said otherwise."""
    measures = Measures(Decimal(atr), Decimal(trend), Decimal("0.01"), Decimal(0))
    conditions = {key: more.pop(key) for key in ("funding_rate", "tick") if key in more}
    mood = None
    if sentiment is not None:
        score = Decimal(sentiment)
        mood = Mood(score, (SourceScore("reddit", score, 3, Decimal("0.4"), NOW, ("a headline",)),))
    return Situation(
        subject=Subject(held or position(), managed=managed),
        conditions=Conditions(Decimal(mark), NOW, measures, **conditions),
        at=NOW,
        stop=None if stop is None else Decimal(stop),
        mood=mood,
        **more,
    )


def prices(low: int = 1, high: int = 1000) -> st.SearchStrategy[Decimal]:
    return st.decimals(low, high, places=2, allow_nan=False, allow_infinity=False)


_rules: st.SearchStrategy[LevelRule] = st.one_of(
    st.just(NoLevel()),
    prices().map(Pinned),
    st.decimals("0.001", "0.5", places=3).map(Trailing),
)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Any at all, consistent or not."""
    held = position(
        draw(st.sampled_from(Side)),
        str(draw(prices())),
        draw(_rules),
        draw(_rules),
        enforced=draw(st.booleans()),
    )
    maybe = st.one_of(st.none(), prices())
    stop = draw(maybe)
    return replace(
        situation(
            held,
            str(draw(prices())),
            stop=None if stop is None else str(stop),
            atr=str(draw(st.decimals("0.01", 50, places=2))),
            trend=str(draw(st.decimals(-6, 6, places=1))),
            sentiment=draw(st.one_of(st.none(), st.decimals(-1, 1, places=2).map(str))),
            managed=draw(st.booleans()),
            funding_rate=draw(st.one_of(st.none(), st.decimals("-0.003", "0.003", places=5))),
            tick=draw(st.one_of(st.none(), st.sampled_from([Decimal("0.01"), Decimal("0.5")]))),
        ),
        liquidation=draw(maybe),
        target=draw(maybe),
        at=NOW + timedelta(hours=draw(st.integers(0, 100))),
    )


@st.composite
def advices(draw: st.DrawFn) -> Advice:
    """Any at all."""
    action = draw(st.sampled_from(Action))
    return Advice(
        action,
        "because",
        draw(st.sampled_from(Urgency)),
        draw(st.integers(0, 100)),
        draw(prices()) if action.moves else None,
    )


@st.composite
def likely(draw: st.DrawFn) -> tuple[Advice, Situation]:
    """An advice about a position in good order, that lies where it may well be acted on, or just beside that."""
    side: Side = draw(st.sampled_from(Side))
    mark = draw(prices(90, 110))

    def ahead(low: str, high: str) -> Decimal:
        away: Decimal = draw(st.decimals(low, high, places=2))
        return mark + side.sign * away

    stop = ahead("-10", "-0.5")
    stops: list[LevelRule] = [Trailing(Decimal("0.02")), Pinned(stop)]
    targets: list[LevelRule] = [Trailing(Decimal("0.04")), Pinned(ahead("1", "9")), NoLevel()]
    held = position(side, "100", draw(st.sampled_from(stops)), draw(st.sampled_from(targets)))
    seen = replace(
        situation(
            held,
            str(mark),
            stop=str(stop),
            trend=str(draw(st.decimals(-6, 6, places=1))),
            managed=draw(st.sampled_from([True, True, True, False])),
            tick=draw(st.sampled_from([None, Decimal("0.01"), Decimal("0.5")])),
        ),
        liquidation=draw(st.sampled_from([None, ahead("-40", "-0.5")])),
    )
    action = draw(st.sampled_from(Action))
    price = None
    if action.moves:
        price = ahead("-9", "0.5") if action is Action.MOVE_STOP else ahead("-0.5", "60")
    return Advice(action, "because", draw(st.sampled_from(Urgency)), draw(st.integers(40, 100)), price), seen
