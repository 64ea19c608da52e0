"""What is held against prices, against a loop that asks every alert at each price."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.common.trading.partition import partition_of
from services.common.trading.side import Side, Venue
from services.monitor.alerts.rows import State
from services.monitor.alerts.store import UNASKED, StateKey
from services.monitor.alerts.watching import Watching
from services.monitor.domain.alert import AlertKind
from services.monitor.domain.alerts.conditions import Condition, first_armed, price_condition, profit_condition
from services.monitor.domain.alerts.entry import alert_of
from services.monitor.domain.alerts.rule import Direction, Rule, UserAlert
from services.monitor.domain.position import Instrument, Position
from services.monitor.domain.price_check import Price
from services.monitor.domain.unwatched import Candle
from tests.fakes.clock import FixedClock
from tests.unit.monitor.world import ACCOUNT, a_position

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
BTC = Instrument(Venue.BINANCE, "BTCUSDT")
TARGET = Rule(AlertKind.PRICE_TARGET, "demo", Venue.BINANCE, "BTCUSDT", "", Direction.ABOVE, Decimal(100))
PROFIT = Rule(AlertKind.PROFIT_AMOUNT, "demo", direction=Direction.ABOVE, threshold=Decimal(5))
PARTITIONS = {partition_of("demo"), partition_of(ACCOUNT)}


class Room:
    """The watching of one replica, and everything that it said."""

    def __init__(self, unasked: Decimal | None = None) -> None:
        self.clock = FixedClock()
        self.clock.set(NOW)
        self.now_at: Decimal | None = None
        self.due = 0
        self.symbols: list[Mapping[Venue, frozenset[str]]] = []
        self.watching = Watching(
            self.clock,
            self.price_of,
            self.hear_due,
            self.symbols.append,
            longest_gap=timedelta(seconds=15),
            unasked=unasked,
        )
        self.watching.hold(PARTITIONS)
        self.watching.take(PARTITIONS, {}, {})

    def hear_due(self) -> None:
        self.due += 1

    def price_of(self, instrument: Instrument) -> Price | None:
        return None if self.now_at is None else Price(instrument, self.now_at, self.clock.now())

    def price(self, value: str | Decimal, instrument: Instrument = BTC) -> None:
        self.now_at = Decimal(value)
        self.watching.on_price(Price(instrument, Decimal(value), self.clock.now()))

    def write(self) -> set[StateKey]:
        """As `Writing` does: everything that waits is written, and told."""
        self.watching.arming.clear()
        due = dict(self.watching.due)
        for key, reach in due.items():
            self.watching.told(key, reach, self.clock.now())
        return set(due)


def an_alert(number: int, rule: Rule, version: int = 1) -> UserAlert:
    return UserAlert(UUID(int=number), rule, "", active=True, created_at=NOW, armed_at=NOW, version=version)


class Held(RuleBasedStateMachine):
    """Random alerts, positions, prices and writes; the loop asks each alert at each price."""

    def __init__(self) -> None:
        super().__init__()
        self.room = Room()
        self.alerts: dict[UUID, UserAlert] = {}
        self.positions: dict[str, Position] = {}
        self.armed: dict[StateKey, bool] = {}
        self.told: set[StateKey] = set()
        self.version = 1

    def reload(self) -> None:
        states = {key: State(armed, NOW) for key, armed in self.armed.items()}
        self.room.watching.load(self.alerts.values(), states, "demo")

    @rule(
        number=st.integers(1, 4),
        direction=st.sampled_from(Direction),
        threshold=st.integers(96, 104),
        repeating=st.booleans(),
    )
    def state_a_target(self, number: int, direction: Direction, threshold: int, repeating: bool) -> None:
        self._state(number, replace(TARGET, direction=direction, threshold=Decimal(threshold), repeating=repeating))

    @rule(
        number=st.integers(5, 7),
        direction=st.sampled_from(Direction),
        threshold=st.integers(-6, 6),
        repeating=st.booleans(),
    )
    def state_a_profit(self, number: int, direction: Direction, threshold: int, repeating: bool) -> None:
        self._state(number, replace(PROFIT, direction=direction, threshold=Decimal(threshold), repeating=repeating))

    def _state(self, number: int, stated: Rule) -> None:
        self.version += 1
        alert = an_alert(number, stated, self.version)
        self.alerts[alert.alert_id] = alert
        self.armed = {key: armed for key, armed in self.armed.items() if key[0] != alert.alert_id}
        self.reload()

    @rule(number=st.integers(1, 7))
    def delete(self, number: int) -> None:
        self.alerts.pop(UUID(int=number), None)
        self.armed = {key: armed for key, armed in self.armed.items() if key[0] != UUID(int=number)}
        self.reload()

    @rule(number=st.integers(1, 2), side=st.sampled_from(Side), entry=st.integers(97, 103), quantity=st.integers(1, 3))
    def trade(self, number: int, side: Side, entry: int, quantity: int) -> None:
        self.version += 1
        position = a_position(
            position_id=f"OP_{number}",
            side=side if f"OP_{number}" not in self.positions else self.positions[f"OP_{number}"].side,
            entry_price=Decimal(entry),
            quantity=Decimal(quantity),
            version=self.version,
        )
        if not self.room.watching.follows("demo"):
            return
        self.room.watching.positions.apply(position)
        self.positions[position.position_id] = position

    @rule(value=st.integers(950, 1050).map(lambda tenths: Decimal(tenths) / 10))
    def price(self, value: Decimal) -> None:
        self.room.price(value)
        expected = set()
        for alert in self.alerts.values():
            for position_id, condition in self._conditions(alert):
                key = (alert.alert_id, position_id)
                armed = self.armed.get(key, first_armed(alert.rule))
                if armed and condition.reached(value):
                    expected.add(key)
                elif not armed and condition.gone_back(value):
                    self.armed[key] = True
        assert set(self.room.watching.due) == expected
        self.room.write()
        for key in expected:
            if self.alerts[key[0]].rule.repeating:
                self.armed[key] = False
        for key in expected:
            if key[0] in self.alerts and not self.alerts[key[0]].rule.repeating:
                del self.alerts[key[0]]
        self.armed = {key: armed for key, armed in self.armed.items() if key[0] in self.alerts}

    def _conditions(self, alert: UserAlert) -> list[tuple[str, Condition]]:
        if alert.rule.kind is AlertKind.PRICE_TARGET:
            return [("", price_condition(alert.rule))]
        found = ((one.position_id, profit_condition(alert.rule, one)) for one in self.positions.values())
        return [(position_id, condition) for position_id, condition in found if condition is not None]

    @rule()
    @precondition(lambda self: self.alerts)
    def read_again(self) -> None:
        self.reload()

    @invariant()
    def as_many_are_held_as_there_are(self) -> None:
        assert len(self.room.watching) == sum(len(self._conditions(alert)) for alert in self.alerts.values())


TestHeld = Held.TestCase
TestHeld.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_only_what_is_held_is_watched_and_its_symbols_wanted() -> None:
    room = Room()
    room.watching.load([an_alert(1, TARGET)], {})
    assert room.symbols[-1][Venue.BINANCE] == {"BTCUSDT"}
    room.watching.hold([])
    assert (len(room.watching), room.symbols[-1][Venue.BINANCE]) == (0, frozenset())
    room.price("101")
    assert not room.watching.due


def test_what_was_reached_waits_for_its_partition_and_is_let_go_with_it() -> None:
    room = Room()
    room.watching.load([an_alert(1, TARGET)], {})
    room.price("101")
    room.price("102")
    (reach,) = room.watching.due.values()
    assert (reach.price, alert_of(reach).reason) == (Decimal(101), "the price reached 100 from below")
    room.watching.hold([])
    assert not room.watching.due


def test_a_price_that_is_there_already_is_held_against_what_is_new() -> None:
    room = Room()
    room.now_at = Decimal(101)
    room.watching.load([an_alert(1, TARGET)], {})
    room.watching.recheck()
    assert set(room.watching.due) == {(UUID(int=1), "")}


def test_a_new_partition_owes_what_nobody_watched_and_candles_pay_it() -> None:
    room = Room()
    room.watching.hold([])
    room.watching.hold(PARTITIONS)
    room.clock.advance(600)
    room.watching.load([an_alert(1, TARGET), an_alert(2, replace(TARGET, threshold=Decimal(200)))], {})
    since = NOW + timedelta(minutes=5)
    room.watching.take(PARTITIONS, dict.fromkeys(PARTITIONS, since), {})
    assert room.watching.owed == {BTC: since}
    assert room.watching.watched(room.clock.now()) == {BTC: since}
    assert room.watching.ask(BTC) == since
    assert room.watching.watched(room.clock.now()) == {BTC: since}, "not yet answered"
    assert room.watching.looked_back(BTC, [Candle(NOW + timedelta(minutes=6), Decimal(101), Decimal(90))]) == 1
    assert not room.watching.owed
    (reach,) = room.watching.due.values()
    assert alert_of(reach).reason == (
        "the price reached 100 from below about 2026-01-01 12:06 UTC, while nobody watched"
    )


def test_an_instrument_that_lagged_behind_is_owed_from_there() -> None:
    room = Room()
    room.watching.hold([])
    room.watching.hold(PARTITIONS)
    room.watching.load([an_alert(1, TARGET)], {})
    lagging = {number: {BTC: NOW + timedelta(minutes=1)} for number in PARTITIONS}
    room.watching.take(PARTITIONS, dict.fromkeys(PARTITIONS, NOW + timedelta(minutes=5)), lagging)
    assert room.watching.owed == {BTC: NOW + timedelta(minutes=1)}


def test_a_gap_between_prices_is_owed() -> None:
    room = Room()
    room.watching.load([an_alert(1, TARGET)], {})
    room.price("99")
    room.clock.advance(60)
    room.price("99")
    assert room.watching.owed == {BTC: NOW}


def test_what_comes_to_be_owed_while_candles_are_read_is_still_owed() -> None:
    room = Room()
    room.watching.load([an_alert(1, TARGET)], {})
    room.price("99")
    room.clock.advance(60)
    room.price("99")
    room.watching.ask(BTC)
    room.clock.advance(60)
    room.price("99")
    room.watching.looked_back(BTC, [])
    assert room.watching.owed == {BTC: NOW + timedelta(minutes=1)}


def test_what_the_venue_did_not_tell_is_owed_again() -> None:
    room = Room()
    room.clock.advance(60)
    room.watching.load([an_alert(1, TARGET)], {})
    room.watching.ask(BTC)
    assert not room.watching.owed
    room.watching.not_told(BTC)
    assert room.watching.owed == {BTC: NOW}


def test_who_is_liquidated_nowhere_any_more_is_not_near_it() -> None:
    room = Room(Decimal(5))
    position = a_position(entry_price=Decimal(100))
    room.watching.positions.apply(position)
    room.watching.set_liquidation(position.position_id, Decimal(95))
    room.watching.set_liquidation(position.position_id, None)
    assert room.watching.liquidation(position.position_id) is None
    room.price("96")
    assert not room.watching.due


def test_an_alert_that_is_heard_of_late_is_owed_what_was_before() -> None:
    room = Room()
    room.clock.advance(60)
    room.watching.load([an_alert(1, TARGET)], {})
    assert room.watching.owed == {BTC: NOW}


def test_near_liquidation_is_told_unasked_and_again_only_after_a_fifth_more() -> None:
    room = Room(Decimal(5))
    position = a_position(entry_price=Decimal(100))
    room.watching.positions.apply(position)
    assert len(room.watching) == 0, "where it would be liquidated is not known"
    room.watching.set_liquidation(position.position_id, Decimal(95))
    key = (UNASKED, position.position_id)
    told = []
    for price in ("101", "100", "100.5", "99", "101", "102", "100"):
        room.price(price)
        told.append(room.write() == {key})
    assert told == [False, True, False, False, False, False, True]
    room.price("101")
    room.watching.set_liquidation(position.position_id, Decimal(97))
    room.watching.recheck()
    assert room.write() == set(), "told, and not gone back since"
    room.watching.positions.apply(replace(position, version=9, is_open=False))
    assert len(room.watching) == 0


def test_what_somebody_asked_of_liquidation_is_theirs_beside_it() -> None:
    room = Room()
    stated = Rule(AlertKind.LIQUIDATION_NEAR, "demo", threshold=Decimal(10))
    room.watching.load([an_alert(1, stated)], {})
    room.watching.positions.apply(a_position(entry_price=Decimal(100), side=Side.SHORT))
    room.watching.set_liquidation("OP_1729425600_1", Decimal(110))
    room.price("99")
    assert not room.watching.due
    room.price("100")
    ((key, reach),) = room.watching.due.items()
    assert key == (UUID(int=1), "OP_1729425600_1")
    about = alert_of(reach)
    assert (about.reason, about.level_price) == (
        "10 % of the price is left to the liquidation price",
        Decimal(110),
    )
