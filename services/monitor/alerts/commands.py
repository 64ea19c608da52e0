"""What users do with their alerts.

Invariants: a threshold that is reached already is refused where it would fire but once, as it would fire at once; a
repeating one waits until the value has gone back; an alert is about a position of its own user alone.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID, uuid4

from services.common.clock import Clock
from services.common.errors import FieldInvalid, PositionAlreadyClosed
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.prices import PriceKind, PriceReader
from services.common.trading.money import format_decimal
from services.monitor.alerts.store import PostgresAlerts
from services.monitor.domain.alert import AlertKind
from services.monitor.domain.alerts.conditions import Condition, price_condition, profit_condition
from services.monitor.domain.alerts.rule import THRESHOLDS, Rule, UserAlert, check_rule
from services.monitor.domain.position import Instrument, Position
from services.monitor.domain.price_check import Price


class PositionBooks(Protocol):
    """The books, as far as an alert is about one position."""

    async def get_position(self, position_id: str, user_id: str | None = None) -> Position:
        """Raises PositionNotFound, ServiceUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be changed of an alert; None leaves it as it is."""

    threshold: Decimal | None = None
    repeating: bool | None = None
    hysteresis: Decimal | None = None
    webhook: bool | None = None
    active: bool | None = None
    note: str | None = None


class AlertCommands:
    """`on_changed` is told whose alerts have changed, after the commit. The same request id is the same write."""

    def __init__(
        self,
        store: PostgresAlerts,
        books: PositionBooks,
        reader: PriceReader,
        clock: Clock,
        price_of: Callable[[Instrument], Price | None],
        on_changed: Callable[[str], Awaitable[object]],
    ) -> None:
        self._store = store
        self._books = books
        self._reader = reader
        self._clock = clock
        self._price_of = price_of
        self._on_changed = on_changed

    async def create(self, rule: Rule, request_id: str) -> UserAlert:
        """Make an alert. Raises FieldInvalid, PositionNotFound, PositionAlreadyClosed, TooManyAlerts."""
        check_rule(rule)
        known = await self._store.requested(rule.user_id, request_id)
        if known is not None:
            return known
        account_id, condition = "", price_condition(rule) if rule.kind is AlertKind.PRICE_TARGET else None
        if rule.position_id:
            position = await self._position(rule)
            account_id = position.account_id
            rule = replace(rule, venue=position.venue, symbol=position.symbol)
            condition = _condition(rule, position)
        elif rule.kind is not AlertKind.PRICE_TARGET:
            rule = replace(rule, venue=None, symbol="")
        # The moment before the price is read: what comes after it is not missed.
        now = self._clock.now()
        armed = await self._may_fire(rule, condition)
        alert = UserAlert(uuid4(), rule, account_id, active=True, created_at=now, armed_at=now)
        made = await self._store.create(alert, request_id, armed=armed)
        await self._on_changed(rule.user_id)
        return made

    async def change(
        self, user_id: str, alert_id: UUID, changes: Changes, request_id: str, expected_version: int | None
    ) -> UserAlert:
        """Change what is given; one that has fired once is armed again by it.

        Raises AlertNotFound, FieldInvalid, VersionConflict, PositionAlreadyClosed.
        """
        now = self._clock.now()
        known = await self._store.requested(user_id, request_id)
        if known is not None and known.alert_id == alert_id:
            return known
        before = await self._store.get(user_id, alert_id)
        rule = _changed(before.rule, changes)
        check_rule(rule)
        active = changes.active is not False
        stated = _threshold_of(rule) != _threshold_of(before.rule)
        armed = True
        if active and (stated or not before.active):
            condition = price_condition(rule) if rule.kind is AlertKind.PRICE_TARGET else None
            if rule.position_id:
                condition = _condition(rule, await self._position(rule))
            armed = await self._may_fire(rule, condition)

        def apply(current: UserAlert) -> tuple[UserAlert, bool]:
            fresh = replace(current, rule=_changed(current.rule, changes), active=active)
            anew = active and (stated or not current.active)
            return (replace(fresh, armed_at=now) if anew else fresh), armed

        changed = await self._store.change(user_id, alert_id, request_id, expected_version, now, apply)
        await self._on_changed(user_id)
        return changed

    async def delete(self, user_id: str, alert_id: UUID) -> None:
        """Raises AlertNotFound."""
        await self._store.delete(user_id, alert_id)
        await self._on_changed(user_id)

    async def prune(self, before: datetime) -> None:
        """Forget what was told before a moment. Raises DatabaseUnavailable."""
        await self._store.prune(before)

    async def _position(self, rule: Rule) -> Position:
        position = await self._books.get_position(rule.position_id, rule.user_id)
        if not position.is_open:
            raise PositionAlreadyClosed(position_id=rule.position_id)
        return position

    async def _may_fire(self, rule: Rule, condition: Condition | None) -> bool:
        if condition is None or rule.venue is None:
            return True
        price = await self._price(Instrument(rule.venue, rule.symbol))
        if price is None or not condition.reached(price):
            return True
        if not rule.repeating:
            raise FieldInvalid(field="threshold", problem=f"is reached already: the price is {format_decimal(price)}")
        return False

    async def _price(self, instrument: Instrument) -> Decimal | None:
        """The price now; None where nobody can tell. Raises FieldInvalid for a symbol that its venue does not have."""
        young = self._price_of(instrument)
        if young is not None:
            return young.value
        try:
            price = (await self._reader.read_price(instrument.venue, instrument.symbol, PriceKind.MARK)).price
        except VenueError as error:
            if error.kind in {VenueErrorKind.UNKNOWN_SYMBOL, VenueErrorKind.REFUSED}:
                raise FieldInvalid(field="symbol", problem="is not one that the exchange has") from None
            return None
        return price if price.is_finite() and price > 0 else None


def _condition(rule: Rule, position: Position) -> Condition | None:
    return profit_condition(rule, position) if rule.direction is not None else None


def _changed(rule: Rule, changes: Changes) -> Rule:
    given = {
        name: value
        for name in ("threshold", "repeating", "hysteresis", "webhook", "note")
        if (value := getattr(changes, name)) is not None
    }
    return replace(rule, **given)


def _threshold_of(rule: Rule) -> tuple[object, ...]:
    return (rule.threshold, rule.hysteresis, rule.repeating) if rule.kind in THRESHOLDS else ()
