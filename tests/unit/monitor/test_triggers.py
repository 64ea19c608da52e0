"""The trigger index against a naive loop over every position: same triggers, whatever comes in whatever order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.common.trading.effective_levels import crossed_level
from services.common.trading.level import Level, LevelKind, LevelRule, LevelRules, NoLevel, Pinned, Trailing
from services.common.trading.side import Side, Venue
from services.monitor.domain.position import Instrument, Position
from services.monitor.domain.triggers import SymbolIndex
from tests.unit.monitor.world import a_position

ARMED_AT = datetime(2025, 10, 21, tzinfo=UTC)
INSTRUMENTS = [Instrument(Venue.BINANCE, "BTCUSDT"), Instrument(Venue.BYBIT, "BTCUSDT")]
PRICES = st.decimals(min_value="90", max_value="110", places=1)
DISTANCES = st.sampled_from([Decimal("0.01"), Decimal("0.05")])
RULES: st.SearchStrategy[LevelRule] = st.one_of(
    st.just(NoLevel()), st.builds(Pinned, PRICES), st.builds(Trailing, DISTANCES)
)
IDS = st.sampled_from([f"OP_{number}" for number in range(6)])


def naive_crossed(
    position: Position, seen: list[tuple[Instrument, Decimal]], since: int, price: Decimal
) -> LevelKind | None:
    """The level that a price reaches, from every price since the position's stop was armed."""
    prices = [value for instrument, value in seen[since:] if instrument == position.instrument]
    best = (max if position.side is Side.LONG else min)(prices) if prices else None
    return crossed_level(position.side, position.levels, price, best)


class TriggersAgainstALoop(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.index = SymbolIndex()
        self.positions: dict[str, tuple[Position, int]] = {}
        self.seen: list[tuple[Instrument, Decimal]] = []
        self.armings = 0

    @rule(
        position_id=IDS,
        side=st.sampled_from(Side),
        instrument=st.sampled_from(INSTRUMENTS),
        stop_rule=RULES,
        target_rule=RULES,
        enforced=st.tuples(st.booleans(), st.booleans()),
        mark=PRICES,
        floor=st.one_of(st.none(), PRICES),
    )
    def arm(
        self,
        position_id: str,
        side: Side,
        instrument: Instrument,
        stop_rule: LevelRule,
        target_rule: LevelRule,
        enforced: tuple[bool, bool],
        mark: Decimal,
        floor: Decimal | None,
    ) -> None:
        self.armings += 1
        armed_at = ARMED_AT + timedelta(seconds=self.armings)
        levels = LevelRules(
            stop_loss=Level(stop_rule, armed_at, mark) if enforced[0] else Level(stop_rule),
            take_profit=Level(target_rule, armed_at, mark) if enforced[1] else Level(target_rule),
            floor=floor,
        )
        position = a_position(
            position_id=position_id, side=side, venue=instrument.venue, symbol=instrument.symbol, levels=levels
        )
        self.index.put(position)
        self.positions[position_id] = (position, len(self.seen))

    @rule(position_id=IDS)
    def change_size(self, position_id: str) -> None:
        if position_id in self.positions:
            position, since = self.positions[position_id]
            position = replace(position, quantity=position.quantity / 2, version=position.version + 1)
            self.index.put(position)
            self.positions[position_id] = (position, since)

    @rule(position_id=IDS)
    def remove(self, position_id: str) -> None:
        self.index.remove(position_id)
        self.positions.pop(position_id, None)

    @rule(instrument=st.sampled_from(INSTRUMENTS), price=PRICES)
    def tick(self, instrument: Instrument, price: Decimal) -> None:
        self.seen.append((instrument, price))
        triggers = self.index.crossed(instrument, price)
        expected = {}
        for position, since in self.positions.values():
            if position.instrument == instrument:
                kind = naive_crossed(position, self.seen, since, price)
                if kind is not None:
                    expected[position.position_id] = kind
        assert {trigger.position.position_id: trigger.kind for trigger in triggers} == expected
        assert all(trigger.position == self.positions[trigger.position.position_id][0] for trigger in triggers)

    @invariant()
    def nothing_of_what_was_removed_is_kept(self) -> None:
        kept = {position_id for armed in self.index._armed.values() for position_id in armed}
        assert kept == set(self.positions)


TriggersAgainstALoop.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestTriggersAgainstALoop = TriggersAgainstALoop.TestCase


@pytest.mark.parametrize(
    ("side", "price", "fires"),
    [
        (Side.LONG, "64000.1", False),
        (Side.LONG, "64000", True),
        (Side.LONG, "50000", True),
        (Side.SHORT, "63999.9", False),
        (Side.SHORT, "64000", True),
        (Side.SHORT, "90000", True),
    ],
)
def test_a_pinned_stop_fires_at_its_price_and_beyond(side: Side, price: str, fires: bool) -> None:
    index = SymbolIndex()
    index.put(a_position(side=side))
    triggers = index.crossed(Instrument(Venue.BINANCE, "BTCUSDT"), Decimal(price))
    assert bool(triggers) is fires
    assert all(trigger.level_price == Decimal(64000) for trigger in triggers)


def test_a_trailing_stop_keeps_the_best_price_since_it_was_armed() -> None:
    index = SymbolIndex()
    stop = Level(Trailing(Decimal("0.02")), ARMED_AT, Decimal(66000))
    index.put(a_position(levels=LevelRules(stop, Level(NoLevel()))))
    instrument = Instrument(Venue.BINANCE, "BTCUSDT")
    assert not index.crossed(instrument, Decimal(64681))
    assert not index.crossed(instrument, Decimal(70000))
    (trigger,) = index.crossed(instrument, Decimal(68600))
    assert trigger.level_price == Decimal("68600")
