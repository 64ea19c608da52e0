"""The trigger index against a naive loop over every position: same triggers, same stops, whatever comes in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.common.trading.effective_levels import effective_levels, reached_level
from services.common.trading.extremes import Extremes
from services.common.trading.level import Level, LevelKind, LevelRule, LevelRules, NoLevel, Pinned, Trailing
from services.common.trading.side import Side, Venue
from services.monitor.domain.position import Instrument, Position
from services.monitor.domain.triggers.index import BookIndex
from tests.unit.monitor.world import a_position

START = datetime(2025, 10, 21, tzinfo=UTC)
BTC = Instrument(Venue.BINANCE, "BTCUSDT")
INSTRUMENTS = [BTC, Instrument(Venue.BYBIT, "BTCUSDT")]
# Ties, and prices that are next to one another as Decimals but one and the same as floats.
PRICES = st.one_of(
    st.decimals(min_value="95", max_value="105", places=1),
    st.sampled_from([Decimal("100"), Decimal("98"), Decimal("102"), Decimal("99.99999999999999999"), Decimal("1e2")]),
)
DISTANCES = st.sampled_from([Decimal("0.01"), Decimal("0.02"), Decimal("0.05"), Decimal(1) / 3])
RULES: st.SearchStrategy[LevelRule] = st.one_of(
    st.just(NoLevel()), st.builds(Pinned, PRICES), st.builds(Trailing, DISTANCES)
)
IDS = st.sampled_from([f"OP_{number}" for number in range(12)])


class TriggersAgainstALoop(RuleBasedStateMachine):
    """`known` holds each position and the first of the `seen` prices that counts for its watermark."""

    @initialize()
    def begin(self) -> None:
        self.index = BookIndex()
        self.known: dict[str, tuple[Position, int]] = {}
        self.seen: list[tuple[Instrument, Decimal]] = []
        self.extremes = {instrument: Extremes() for instrument in INSTRUMENTS}
        self.triggered: set[str] = set()
        self.armings = 0

    def moment(self) -> datetime:
        return START + timedelta(seconds=len(self.seen))

    def watermark(self, position_id: str) -> Decimal | None:
        position, since = self.known[position_id]
        prices = [value for instrument, value in self.seen[since:] if instrument == position.instrument]
        if position.levels.stop_loss.armed_mark is not None:
            prices.append(position.levels.stop_loss.armed_mark)
        return (max if position.side is Side.LONG else min)(prices) if prices else None

    def reached(self, instrument: Instrument, price: Decimal) -> dict[str, LevelKind]:
        kinds = {}
        for position_id, (position, _) in self.known.items():
            if position.instrument == instrument:
                reached = reached_level(position.side, position.levels, price, self.watermark(position_id))
                if reached is not None:
                    kinds[position_id] = reached[0]
        return kinds

    @rule(
        position_id=IDS,
        side=st.sampled_from(Side),
        instrument=st.sampled_from(INSTRUMENTS),
        stop_rule=RULES,
        target_rule=RULES,
        enforced=st.tuples(st.booleans(), st.booleans()),
        mark=st.one_of(st.none(), PRICES),
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
        mark: Decimal | None,
        floor: Decimal | None,
    ) -> None:
        # The number makes each arming another one; the second is the one in which the next price comes.
        self.armings += 1
        armed_at = self.moment() - timedelta(microseconds=1000 - self.armings)
        levels = LevelRules(
            stop_loss=Level(stop_rule, armed_at, mark) if enforced[0] else Level(stop_rule),
            take_profit=Level(target_rule, armed_at, mark) if enforced[1] else Level(target_rule),
            floor=floor,
        )
        position = a_position(
            position_id=position_id, side=side, venue=instrument.venue, symbol=instrument.symbol, levels=levels
        )
        self.index.put(position)
        self.known[position_id] = (position, len(self.seen))
        self.triggered.discard(position_id)

    @rule(position_id=IDS)
    def change_size(self, position_id: str) -> None:
        if position_id in self.known:
            position, since = self.known[position_id]
            position = replace(position, quantity=position.quantity / 2, version=position.version + 1)
            self.index.put(position)
            self.known[position_id] = (position, since)
            self.triggered.discard(position_id)

    @rule(position_id=IDS)
    def remove(self, position_id: str) -> None:
        self.index.remove(position_id)
        self.known.pop(position_id, None)
        self.triggered.discard(position_id)

    @rule()
    def restart(self) -> None:
        """Everything in memory is lost but the extremes, and the positions are listed again."""
        self.index = BookIndex()
        self.triggered.clear()
        for position, _ in self.known.values():
            armed_at = position.levels.stop_loss.armed_at
            extremes = self.extremes[position.instrument]
            self.index.put(position, extremes.watermark(position.side, armed_at) if armed_at else None)

    @rule(instrument=st.sampled_from(INSTRUMENTS), price=PRICES)
    def tick(self, instrument: Instrument, price: Decimal) -> None:
        before = {position_id: self.watermark(position_id) for position_id in self.known}
        self.extremes[instrument].record(price, self.moment())
        self.seen.append((instrument, price))
        crossed = self.index.crossed(instrument, price)
        reached = self.reached(instrument, price)
        new = {position_id: kind for position_id, kind in reached.items() if position_id not in self.triggered}
        assert {trigger.position.position_id: trigger.kind for trigger in crossed.triggers} == new
        assert all(trigger.position == self.known[trigger.position.position_id][0] for trigger in crossed.triggers)
        assert len(crossed.triggers) == len(new)
        self.triggered |= set(new)
        trailing = [position_id for position_id in self.known if self.trails(position_id)]
        if not crossed.raised:
            assert all(before[position_id] == self.watermark(position_id) for position_id in trailing)

    @precondition(lambda self: self.seen)
    @rule(instrument=st.sampled_from(INSTRUMENTS))
    def ask_what_stands(self, instrument: Instrument) -> None:
        prices = [price for seen, price in self.seen if seen == instrument]
        if not prices:
            return
        standing = self.index.standing(instrument, prices[-1])
        reached = self.reached(instrument, prices[-1])
        assert {trigger.position.position_id: trigger.kind for trigger in standing.triggers} == reached
        here = {position_id for position_id in self.triggered if self.known[position_id][0].instrument == instrument}
        assert set(standing.recovered) == here - set(reached)
        self.triggered = (self.triggered - here) | set(reached)

    def trails(self, position_id: str) -> bool:
        stop = self.known[position_id][0].levels.stop_loss
        return stop.enforced and isinstance(stop.rule, Trailing)

    @invariant()
    def every_stop_is_what_the_loop_has(self) -> None:
        for position_id, (position, _) in self.known.items():
            if self.trails(position_id):
                ours, naive = self.index.watermark(position_id), self.watermark(position_id)
                assert ours == naive
                if ours is not None:
                    stop = effective_levels(position.side, position.levels, ours, ours).stop_loss
                    assert stop == effective_levels(position.side, position.levels, ours, naive).stop_loss
            else:
                assert self.index.watermark(position_id) is None

    @invariant()
    def nothing_of_what_was_removed_is_kept(self) -> None:
        kept = {position.position_id for one in INSTRUMENTS for position in self.index.positions(one)}
        assert kept == set(self.known)
        assert set(self.index.instruments()) == {position.instrument for position, _ in self.known.values()}


TriggersAgainstALoop.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestTriggersAgainstALoop = TriggersAgainstALoop.TestCase


def a_trailing(
    position_id: str, side: Side, distance: Decimal, mark: Decimal, floor: Decimal | None = None
) -> Position:
    levels = LevelRules(Level(Trailing(distance), START, mark), Level(NoLevel()), floor)
    return a_position(position_id=position_id, side=side, levels=levels)


@settings(deadline=None, max_examples=40)
@given(
    side=st.sampled_from(Side),
    marks=st.lists(st.integers(9_500, 10_500), min_size=60, max_size=160),
    removed=st.sets(st.integers(0, 159)),
    path=st.lists(st.integers(9_000, 11_000), max_size=12),
)
def test_hundreds_through_merges_removals_and_gaps(
    side: Side, marks: list[int], removed: set[int], path: list[int]
) -> None:
    index = BookIndex()
    known: dict[str, tuple[Position, Decimal]] = {}
    for number, cents in enumerate(marks):
        mark = Decimal(cents) / 100
        position = a_trailing(str(number), side, Decimal(1 + number % 7) / 200, mark)
        index.put(position)
        known[str(number)] = (position, mark)
    triggered: set[str] = set()
    better = max if side is Side.LONG else min
    for step, cents in enumerate(path):
        for number in sorted(removed)[step :: len(path)]:
            index.remove(str(number))
            known.pop(str(number), None)
        price = Decimal(cents) / 100
        known = {key: (position, better(mark, price)) for key, (position, mark) in known.items()}
        expected = {
            key for key, (position, mark) in known.items() if reached_level(side, position.levels, price, mark)
        } - triggered
        crossed = index.crossed(BTC, price)
        assert {trigger.position.position_id for trigger in crossed.triggers} == expected
        triggered |= expected
        assert all(index.watermark(key) == mark for key, (_, mark) in known.items())


@pytest.mark.parametrize(
    ("side", "price", "fires"),
    [
        (Side.LONG, "64000.1", False),
        (Side.LONG, "64000.00000000000000001", False),
        (Side.LONG, "64000", True),
        (Side.LONG, "64000.00", True),
        (Side.LONG, "50000", True),
        (Side.SHORT, "63999.9", False),
        (Side.SHORT, "63999.99999999999999999", False),
        (Side.SHORT, "64000", True),
        (Side.SHORT, "90000", True),
    ],
)
def test_a_pinned_stop_fires_at_its_price_and_beyond(side: Side, price: str, fires: bool) -> None:
    index = BookIndex()
    index.put(a_position(side=side))
    triggers = index.crossed(BTC, Decimal(price)).triggers
    assert bool(triggers) is fires
    assert all(trigger.level_price == Decimal(64000) for trigger in triggers)


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("distance", ["0.02", "0.0123456789", "0.3333333333333333"])
@pytest.mark.parametrize("mark", ["65536", "0.00001234", "64007.3", "98765432.1"])
def test_a_trailing_stop_fires_at_exactly_its_price_and_not_a_hair_before(side: Side, distance: str, mark: str) -> None:
    stop = Decimal(mark) * (1 - side.sign * Decimal(distance))
    for hair in (Decimal("1e-13"), Decimal("1e-17"), Decimal("1e-21")):
        index = BookIndex()
        index.put(a_trailing("OP_1", side, Decimal(distance), Decimal(mark)))
        assert not index.crossed(BTC, stop * (1 + side.sign * hair)).triggers
        (trigger,) = index.crossed(BTC, stop).triggers
        assert trigger.level_price == stop


def test_a_trailing_stop_keeps_the_best_price_since_it_was_armed() -> None:
    index = BookIndex()
    index.put(a_trailing("OP_1", Side.LONG, Decimal("0.02"), Decimal(66000)))
    assert not index.crossed(BTC, Decimal(64681)).triggers
    crossed = index.crossed(BTC, Decimal(70000))
    assert (crossed.triggers, crossed.raised) == ((), True)
    (trigger,) = index.crossed(BTC, Decimal(68600)).triggers
    assert trigger.level_price == Decimal("68600")


def test_the_better_of_trail_and_floor_fires() -> None:
    index = BookIndex()
    index.put(a_trailing("OP_1", Side.SHORT, Decimal("0.02"), Decimal(100), floor=Decimal(101)))
    (trigger,) = index.crossed(BTC, Decimal("101.5")).triggers
    assert trigger.level_price == Decimal(101)


def test_what_was_triggered_is_told_once_and_again_after_it_recovered() -> None:
    index = BookIndex()
    index.put(a_position())
    assert index.crossed(BTC, Decimal(63999)).triggers
    assert not index.crossed(BTC, Decimal(63998)).triggers
    assert len(index.standing(BTC, Decimal(63998)).triggers) == 1
    standing = index.standing(BTC, Decimal(64001))
    assert (standing.triggers, standing.recovered) == ((), (a_position().position_id,))
    assert index.crossed(BTC, Decimal(64000)).triggers
