"""Holds the thresholds of this replica's partitions against each checked price.

Invariants: nothing here waits: what is reached is put by and written by `writing`; an entry that was reached is in no
book until it is written how that went; while an alert stays the same version, where its entries stand is known here
best, as nobody else may write it. What was not watched is `owed`: `minding` asks the venue's candles for it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.common.clock import Clock
from services.common.trading.side import Venue
from services.monitor.alerts.positions import OpenPositions
from services.monitor.alerts.rows import State
from services.monitor.alerts.store import UNASKED, StateKey
from services.monitor.domain.alert import AlertKind
from services.monitor.domain.alerts.conditions import first_armed, look_back
from services.monitor.domain.alerts.entry import Entry, Reach, entry_of_position, entry_of_price
from services.monitor.domain.alerts.rule import OF_POSITIONS, THRESHOLDS, Rule, UserAlert
from services.monitor.domain.alerts.thresholds import ThresholdBook
from services.monitor.domain.position import Instrument, Position
from services.monitor.domain.price_check import Price
from services.monitor.domain.unwatched import Candle

NEWS = timedelta(seconds=5)
"""An alert that is heard of later than this after it was armed has a time that nobody watched."""


@dataclass(slots=True)
class _Watched:
    """What waits for prices of an instrument, and up to when its prices were held against it."""

    book: ThresholdBook[StateKey]
    until: datetime


class Watching:
    """`on_due` is called when something waits to be written, `on_symbols` with all symbols whose prices are needed.

    `unasked`: percent of the price left to liquidation at which everybody is told; None: nobody is.
    """

    def __init__(
        self,
        clock: Clock,
        price_of: Callable[[Instrument], Price | None],
        on_due: Callable[[], None],
        on_symbols: Callable[[Mapping[Venue, frozenset[str]]], None],
        *,
        longest_gap: timedelta,
        unasked: Decimal | None,
    ) -> None:
        self.due: dict[StateKey, Reach] = {}
        self.arming: dict[StateKey, Entry] = {}
        self.owed: dict[Instrument, datetime] = {}
        self._asking: dict[Instrument, datetime] = {}
        self.positions = OpenPositions(self._wanted, self._position_changed)
        self._clock = clock
        self._price_of = price_of
        self._on_due = on_due
        self._on_symbols = on_symbols
        self._longest_gap = longest_gap
        # A fifth is far enough for whoever did not ask not to be told of each wobble.
        self._unasked = (
            None
            if unasked is None
            else Rule(
                AlertKind.LIQUIDATION_NEAR, "", threshold=unasked, hysteresis=unasked / 5, webhook=True, repeating=True
            )
        )
        self._held: frozenset[int] = frozenset()
        self._taken: frozenset[int] = frozenset()
        self._alerts: dict[UUID, UserAlert] = {}
        self._of_user: dict[str, set[UUID]] = {}
        self._states: dict[UUID, dict[str, State]] = {}
        self._liquidations: dict[str, Decimal] = {}
        self._entries: dict[StateKey, Entry] = {}
        self._of_position: dict[str, set[StateKey]] = {}
        self._of_alert: dict[UUID, set[StateKey]] = {}
        self._of_instrument: dict[Instrument, set[StateKey]] = {}
        self._books: dict[Instrument, _Watched] = {}
        self._told_symbols: frozenset[Instrument] = frozenset()

    def __len__(self) -> int:
        """How many thresholds are held against prices."""
        return len(self._entries)

    def on_price(self, price: Price) -> None:
        """Take in a checked price; quick, and never waits."""
        watched = self._books.get(price.instrument)
        if watched is None:
            return
        if price.at > watched.until:
            if price.at - watched.until > self._longest_gap:
                self._owe(price.instrument, watched.until)
            watched.until = price.at
        reached = watched.book.reached(price.value)
        if reached:
            self._reached(reached, price.value, price.at)

    def recheck(self) -> None:
        """Hold the last prices against everything again: what was only just put there, or armed."""
        for instrument, watched in tuple(self._books.items()):
            price = self._price_of(instrument)
            if price is not None and (reached := watched.book.reached(price.value)):
                self._reached(reached, price.value, price.at)

    def hold(self, partitions: Iterable[int]) -> None:
        """These partitions are this replica's from now on; what is known of the others is let go."""
        self._held = frozenset(partitions)
        self._taken &= self._held
        for key, entry in tuple(self._entries.items()):
            if entry.partition not in self._held:
                self._remove(key)
        self._tell_symbols()

    def take(
        self,
        partitions: Iterable[int],
        until: Mapping[int, datetime],
        behind: Mapping[int, Mapping[Instrument, datetime]],
    ) -> None:
        """Partitions were taken, and `load` has been called since: what nobody watched meanwhile is owed."""
        taken = frozenset(partitions) & self._held
        self._taken |= taken
        for entry in self._entries.values():
            if entry.partition in taken and entry.looks_back:
                lagging = behind.get(entry.partition, {}).get(entry.instrument)
                watched = lagging or until.get(entry.partition)
                self._owe(entry.instrument, entry.since if watched is None else max(entry.since, watched))

    def load(self, alerts: Iterable[UserAlert], states: Mapping[StateKey, State], user_id: str | None = None) -> None:
        """Take in all alerts that may fire, of one user or of everybody."""
        found = {alert.alert_id: alert for alert in alerts}
        known = self._alerts.keys() if user_id is None else self._of_user.get(user_id, set())
        for alert_id in set(known) - found.keys():
            self._forget(alert_id)
        for alert_id in (*found, *(() if user_id is not None else (UNASKED,))):
            self._states[alert_id] = {}
        for (alert_id, position_id), state in states.items():
            self._states.setdefault(alert_id, {})[position_id] = state
        for alert in found.values():
            self._take_alert(alert)
        if user_id is None:
            for position in self.positions.all():
                self._position_changed(position.position_id)
        self._tell_symbols()

    def set_liquidation(self, position_id: str, price: Decimal | None) -> None:
        """Where a position would be liquidated, as the venue says now; None: nowhere, as far as it says."""
        if self._liquidations.get(position_id) == price or self.positions.get(position_id) is None:
            return
        if price is None:
            del self._liquidations[position_id]
        else:
            self._liquidations[position_id] = price
        self._position_changed(position_id)

    def liquidation(self, position_id: str) -> Decimal | None:
        return self._liquidations.get(position_id)

    def held(self) -> frozenset[int]:
        """The partitions that are watched."""
        return self._held

    def alerts(self, kind: AlertKind) -> list[UserAlert]:
        """Those of a kind that may fire."""
        return [alert for alert in self._alerts.values() if alert.rule.kind is kind]

    def users(self) -> frozenset[str]:
        """The users who have an alert about positions."""
        return frozenset(user_id for user_id in self._of_user if self.follows(user_id))

    def follows(self, user_id: str) -> bool:
        """Whether a user has an alert about positions."""
        return any(self._alerts[alert_id].rule.kind in OF_POSITIONS for alert_id in self._of_user.get(user_id, ()))

    def watched(self, now: datetime) -> dict[Instrument, datetime]:
        """The instruments whose prices were not held against everything up to now, and up to when they were."""
        lagging = {one: held.until for one, held in self._books.items() if now - held.until > self._longest_gap}
        behind = {**lagging, **self._asking}
        return behind | {one: min(since, behind.get(one, since)) for one, since in self.owed.items()}

    def ask(self, instrument: Instrument) -> datetime | None:
        """What is owed for an instrument is asked for from now on: since when it is, None where nothing is.

        What comes to be owed meanwhile goes on being owed. It ends with `looked_back` or `not_told`.
        """
        since = self.owed.pop(instrument, None)
        if since is not None:
            self._asking[instrument] = since
        return since

    def not_told(self, instrument: Instrument) -> None:
        """What was asked for was not answered: it is owed again."""
        since = self._asking.pop(instrument, None)
        if since is not None and instrument in self._books:
            self._owe(instrument, since)

    def looked_back(self, instrument: Instrument, candles: Iterable[Candle]) -> int:
        """Take in the candles of what was asked for; how many entries they fired."""
        self._asking.pop(instrument, None)
        watched, bars, fired = self._books.get(instrument), tuple(candles), 0
        if watched is None:
            return 0
        book = watched.book
        for key in tuple(self._of_instrument[instrument]):
            entry = self._entries[key]
            if key not in book or not entry.looks_back:
                continue
            seen = look_back(entry.condition, bars, entry.since, armed=entry.armed)
            if seen.price is not None and seen.at is not None:
                if not entry.armed:
                    self._arm(key, entry)
                book.remove(key)
                self.due[key] = Reach(entry, seen.price, seen.at, unwatched=True)
                fired += 1
            elif seen.armed and not entry.armed:
                self._arm(key, entry)
        if fired:
            self._on_due()
        return fired

    def told(self, key: StateKey, reach: Reach, now: datetime) -> None:
        """It was written that this was told."""
        if self.due.get(key) is reach:
            del self.due[key]
        entry = self._entries.get(key)
        alert = reach.entry.alert
        if alert is not None and not alert.rule.repeating:
            if (known := self._alerts.get(alert.alert_id)) is not None and known.version == alert.version:
                self._forget(alert.alert_id)
                self._tell_symbols()
            return
        self._states.setdefault(key[0], {})[key[1]] = State(armed=False, since=now)
        if entry is not None:
            entry.armed, entry.since = False, now
            self._wait(key, entry)

    def drop(self, key: StateKey, reach: Reach) -> None:
        """It will not be told: the partition is another's now, or the alert has changed."""
        if self.due.get(key) is reach:
            self._remove(key)

    def _wanted(self, position: Position) -> bool:
        return (self._unasked is not None and position.enforced) or self.follows(position.user_id)

    def _take_alert(self, alert: UserAlert) -> None:
        before = self._alerts.get(alert.alert_id)
        self._alerts[alert.alert_id] = alert
        self._of_user.setdefault(alert.rule.user_id, set()).add(alert.alert_id)
        if before is not None and before.version != alert.version:
            for key in tuple(self._of_alert.get(alert.alert_id, ())):
                self._remove(key)
        if alert.rule.kind is AlertKind.PRICE_TARGET:
            key = (alert.alert_id, "")
            if key not in self._entries:
                stands = self._stands(key, alert.rule, alert.armed_at)
                entry = entry_of_price(alert, armed=stands.armed, since=stands.since)
                self._put(key, entry)
                late = before is None and self._clock.now() - alert.armed_at > NEWS
                if late and entry is not None and entry.partition in self._taken:
                    self._owe(entry.instrument, entry.since)
        elif alert.rule.kind in THRESHOLDS:
            for position in self.positions.of_user(alert.rule.user_id):
                self._hold_against(alert, position)

    def _hold_against(self, alert: UserAlert | None, position: Position) -> None:
        rule = self._unasked if alert is None else alert.rule
        if rule is None or (alert is not None and not alert.covers(position.position_id)):
            return
        key = (UNASKED if alert is None else alert.alert_id, position.position_id)
        known = self._entries.get(key)
        since = position.opened_at if alert is None else max(alert.armed_at, position.opened_at)
        stands = State(known.armed, known.since) if known is not None else self._stands(key, rule, since)
        liquidation = self._liquidations.get(position.position_id)
        entry = entry_of_position(rule, alert, position, liquidation, armed=stands.armed, since=stands.since)
        if known is not None and entry is not None and known.condition == entry.condition:
            known.alert, known.position = alert, position
            return
        if known is not None and entry is not None:
            # What the prices of before meant for it was said by its condition of then.
            entry = replace(entry, since=self._clock.now())
        self._put(key, entry)

    def _stands(self, key: StateKey, rule: Rule, since: datetime) -> State:
        return self._states.get(key[0], {}).get(key[1]) or State(first_armed(rule), since)

    def _position_changed(self, position_id: str) -> None:
        position = self.positions.get(position_id)
        if position is None:
            for key in tuple(self._of_position.get(position_id, ())):
                self._remove(key)
            self._liquidations.pop(position_id, None)
        else:
            if position.enforced:
                self._hold_against(None, position)
            else:
                self._remove((UNASKED, position_id))
            for alert_id in self._of_user.get(position.user_id, ()):
                alert = self._alerts[alert_id]
                if alert.rule.kind in OF_POSITIONS & THRESHOLDS:
                    self._hold_against(alert, position)
        self._tell_symbols()

    def _put(self, key: StateKey, entry: Entry | None) -> None:
        arming = key in self.arming
        self._remove(key)
        if entry is None or entry.partition not in self._held:
            return
        self._entries[key] = entry
        if arming and entry.armed:
            self.arming[key] = entry
        for index, name in self._indexes(key, entry):
            index.setdefault(name, set()).add(key)
        if entry.instrument not in self._books:
            self._books[entry.instrument] = _Watched(ThresholdBook(), self._clock.now())
        self._wait(key, entry)

    def _wait(self, key: StateKey, entry: Entry) -> None:
        condition = entry.condition
        if entry.armed:
            self._books[entry.instrument].book.put(key, condition.level, rising=condition.rising)
        else:
            self._books[entry.instrument].book.put(key, condition.back, rising=not condition.rising)

    def _remove(self, key: StateKey) -> None:
        self.due.pop(key, None)
        self.arming.pop(key, None)
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        for index, name in self._indexes(key, entry):
            index[name].discard(key)
            if not index[name]:
                del index[name]
        self._books[entry.instrument].book.remove(key)
        if entry.instrument not in self._of_instrument:
            del self._books[entry.instrument]
            self.owed.pop(entry.instrument, None)

    def _forget(self, alert_id: UUID) -> None:
        alert = self._alerts.pop(alert_id)
        ids = self._of_user[alert.rule.user_id]
        ids.discard(alert_id)
        if not ids:
            del self._of_user[alert.rule.user_id]
        for key in tuple(self._of_alert.get(alert_id, ())):
            self._remove(key)
        self._states.pop(alert_id, None)

    def _indexes(self, key: StateKey, entry: Entry) -> tuple[tuple[dict[Any, set[StateKey]], object], ...]:
        return (
            (self._of_alert, key[0]),
            (self._of_position, key[1]),
            (self._of_instrument, entry.instrument),
        )

    def _reached(self, keys: Iterable[StateKey], price: Decimal, at: datetime) -> None:
        for key in keys:
            entry = self._entries[key]
            if entry.armed:
                self.due[key] = Reach(entry, price, at)
            else:
                self._arm(key, entry)
        self._on_due()

    def _arm(self, key: StateKey, entry: Entry) -> None:
        entry.armed, entry.since = True, self._clock.now()
        self._states.setdefault(key[0], {})[key[1]] = State(armed=True, since=entry.since)
        self.arming[key] = entry
        self._wait(key, entry)
        self._on_due()

    def _owe(self, instrument: Instrument, since: datetime) -> None:
        known = self.owed.get(instrument)
        self.owed[instrument] = since if known is None else min(since, known)

    def _tell_symbols(self) -> None:
        needed = frozenset(self._books)
        if needed != self._told_symbols:
            self._told_symbols = needed
            self._on_symbols({venue: frozenset(one.symbol for one in needed if one.venue is venue) for venue in Venue})
