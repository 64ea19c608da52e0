"""An alert as its user states it.

Invariants: a rule that passed `check_rule` has exactly what its kind needs, within what the books can hold; a repeating
one always has a hysteresis above zero.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from services.common.errors import Exhausted, FieldInvalid, NotFound
from services.common.trading.money import to_books
from services.common.trading.side import Venue
from services.monitor.domain.alert import AlertKind

LONGEST_NOTE = 280
LONGEST_SYMBOL = 50
_LARGEST = Decimal(10) ** 18
_JOINTS = str.maketrans("", "", "-_")
_PRICE_HYSTERESIS = Decimal("0.1")
_TWENTIETH = Decimal(20)
_LONGEST_WAY_LEFT = Decimal(100)

THRESHOLDS = frozenset(
    {AlertKind.PRICE_TARGET, AlertKind.PROFIT_AMOUNT, AlertKind.PROFIT_PERCENT, AlertKind.LIQUIDATION_NEAR}
)
"""The kinds that a price decides."""
DIRECTED = THRESHOLDS - {AlertKind.LIQUIDATION_NEAR}
OF_POSITIONS = frozenset(
    {
        AlertKind.PROFIT_AMOUNT,
        AlertKind.PROFIT_PERCENT,
        AlertKind.LIQUIDATION_NEAR,
        AlertKind.STOP_MOVED,
        AlertKind.POSITION_CLOSED,
    }
)
"""The kinds that are about one position, or about each of the user's."""
STATED = THRESHOLDS | OF_POSITIONS | {AlertKind.FEED_STALE, AlertKind.RECONCILIATION_SUSPICIOUS}
"""The kinds that a user can ask for."""


class AlertNotFound(NotFound):
    """Alert {alert_id} does not exist."""


class TooManyAlerts(Exhausted):
    """A user has at most {limit} alerts."""


class Direction(StrEnum):
    """From where a threshold is reached."""

    ABOVE = "above"
    BELOW = "below"

    @property
    def sign(self) -> int:
        return 1 if self is Direction.ABOVE else -1


@dataclass(frozen=True, slots=True)
class Rule:
    """What a user states. `threshold` and `hysteresis`: see monitor.v1.Alert; None where not given."""

    kind: AlertKind
    user_id: str
    venue: Venue | None = None
    symbol: str = ""
    position_id: str = ""
    direction: Direction | None = None
    threshold: Decimal | None = None
    repeating: bool = False
    hysteresis: Decimal | None = None
    webhook: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class UserAlert:
    """A rule in force. `account_id` is its position's account; `armed_at` is since when this threshold counts."""

    alert_id: UUID
    rule: Rule
    account_id: str
    active: bool
    created_at: datetime
    armed_at: datetime
    last_triggered_at: datetime | None = None
    times_triggered: int = 0
    version: int = 1

    def covers(self, position_id: str) -> bool:
        """Whether an alert about positions is about this one."""
        return self.rule.kind in OF_POSITIONS and self.rule.position_id in {"", position_id}


def check_rule(rule: Rule) -> None:
    """Raises FieldInvalid for the first thing that is wrong with what a user states."""
    if rule.kind not in STATED:
        raise FieldInvalid(field="kind", problem="is not one that can be asked for")
    if len(rule.note) > LONGEST_NOTE:
        raise FieldInvalid(field="note", problem=f"is longer than {LONGEST_NOTE} characters")
    if rule.kind not in OF_POSITIONS and rule.position_id:
        raise FieldInvalid(field="position_id", problem="is not for this kind")
    if rule.kind is AlertKind.PRICE_TARGET:
        if rule.venue is None:
            raise FieldInvalid(field="exchange", problem="is not given, or not known")
        if not 0 < len(rule.symbol) <= LONGEST_SYMBOL or not rule.symbol.translate(_JOINTS).isalnum():
            raise FieldInvalid(field="symbol", problem="is not given, or not known")
    if (rule.kind in DIRECTED) != (rule.direction is not None):
        raise FieldInvalid(field="direction", problem="is needed for prices and profits, and for nothing else")
    if (rule.kind in THRESHOLDS) != (rule.threshold is not None):
        raise FieldInvalid(field="threshold", problem="is needed for prices, profits and liquidation, and only there")
    if rule.hysteresis is not None and rule.kind not in THRESHOLDS:
        raise FieldInvalid(field="hysteresis", problem="is not for this kind")
    if rule.threshold is not None:
        _check_threshold(rule.kind, rule.threshold, rule.hysteresis)


def _check_threshold(kind: AlertKind, threshold: Decimal, hysteresis: Decimal | None) -> None:
    _check_kept("threshold", threshold)
    if kind in {AlertKind.PRICE_TARGET, AlertKind.LIQUIDATION_NEAR} and threshold <= 0:
        raise FieldInvalid(field="threshold", problem="is not above 0")
    if hysteresis is not None:
        _check_kept("hysteresis", hysteresis)
        if hysteresis <= 0:
            raise FieldInvalid(field="hysteresis", problem="is not above 0")
        if kind is AlertKind.PRICE_TARGET and hysteresis >= _LONGEST_WAY_LEFT:
            raise FieldInvalid(field="hysteresis", problem="is not under 100 percent")
    if kind is AlertKind.LIQUIDATION_NEAR:
        back = threshold + (hysteresis if hysteresis is not None else threshold / _TWENTIETH)
        if back >= _LONGEST_WAY_LEFT:
            raise FieldInvalid(field="threshold", problem="with its hysteresis is not under 100 percent")


def _check_kept(field: str, number: Decimal) -> None:
    if not number.is_finite() or abs(number) >= _LARGEST or to_books(number) != number:
        raise FieldInvalid(field=field, problem="is not a number with at most 18 digits before and after the point")


def default_hysteresis(kind: AlertKind, threshold: Decimal) -> Decimal:
    """Percent of a price; else in the threshold's own unit. Zero for a profit of zero: see `conditions`."""
    return _PRICE_HYSTERESIS if kind is AlertKind.PRICE_TARGET else abs(threshold) / _TWENTIETH
