"""A threshold in force: an alert held against one position, or a price alone, and what is said when it fires."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.common.trading.money import format_decimal, to_books
from services.common.trading.partition import partition_of
from services.common.trading.pnl import percent_of_entry, price_pnl
from services.monitor.domain.alert import Alert, AlertKind
from services.monitor.domain.alerts.conditions import (
    Condition,
    liquidation_condition,
    price_condition,
    profit_condition,
)
from services.monitor.domain.alerts.rule import Rule, UserAlert
from services.monitor.domain.position import Instrument, Position

_CENT = Decimal("0.01")
_LARGEST = Decimal(10) ** 20


@dataclass(slots=True)
class Entry:
    """`alert` is None for the alert that nobody asked for. It waits for `condition.level` where `armed`, else for
    `condition.back`; it has stood so since `since`. `liquidation`: the price on which the condition rests, if on one.
    """

    alert: UserAlert | None
    position: Position | None
    partition: int
    instrument: Instrument
    condition: Condition
    armed: bool
    since: datetime
    liquidation: Decimal | None = None

    @property
    def version(self) -> int:
        return 0 if self.alert is None else self.alert.version

    @property
    def looks_back(self) -> bool:
        """Whether past prices tell anything: where the liquidation price was by then is not known."""
        return self.liquidation is None


@dataclass(frozen=True, slots=True)
class Reach:
    """A price that fired an entry. `unwatched`: found in a candle that opened at `at`."""

    entry: Entry
    price: Decimal
    at: datetime
    unwatched: bool = False


def entry_of_price(alert: UserAlert, *, armed: bool, since: datetime) -> Entry | None:
    """A price target's. The partition is its user's."""
    if alert.rule.venue is None:
        return None
    instrument = Instrument(alert.rule.venue, alert.rule.symbol)
    partition = partition_of(alert.rule.user_id)
    return Entry(alert, None, partition, instrument, price_condition(alert.rule), armed, since)


def entry_of_position(
    rule: Rule,
    alert: UserAlert | None,
    position: Position,
    liquidation: Decimal | None,
    *,
    armed: bool,
    since: datetime,
) -> Entry | None:
    """That of a position's threshold; None where what it rests on is not known. The partition is its account's."""
    condition: Condition | None = None
    if rule.kind is not AlertKind.LIQUIDATION_NEAR:
        liquidation = None
        condition = profit_condition(rule, position)
    elif liquidation is not None and rule.threshold is not None:
        condition = liquidation_condition(rule.threshold, rule.hysteresis, position.side, liquidation)
    if condition is None:
        return None
    instrument = Instrument(position.venue, position.symbol)
    partition = partition_of(position.account_id)
    return Entry(alert, position, partition, instrument, condition, armed, since, liquidation)


def alert_of(reach: Reach) -> Alert:
    """What is told of it."""
    entry, price = reach.entry, to_books(reach.price)
    position, alert = entry.position, entry.alert
    when = f" about {reach.at:%Y-%m-%d %H:%M} UTC, while nobody watched" if reach.unwatched else ""
    level = entry.condition.level if entry.liquidation is None else entry.liquidation
    kind = AlertKind.LIQUIDATION_NEAR if alert is None else alert.rule.kind
    return Alert(
        kind=kind,
        user_id=alert.rule.user_id if alert is not None else "" if position is None else position.user_id,
        account_id="" if position is None else position.account_id,
        reason=_reason(kind, entry, price) + when,
        position_id="" if position is None else position.position_id,
        venue=entry.instrument.venue,
        symbol=entry.instrument.symbol,
        price=price,
        # An extreme threshold may be a price that no book could hold, and no level that anybody knows.
        level_price=to_books(level) if abs(level) < _LARGEST else None,
        alert_id="" if alert is None else str(alert.alert_id),
        note="" if alert is None else alert.rule.note,
    )


def _reason(kind: AlertKind, entry: Entry, price: Decimal) -> str:
    position = entry.position
    if kind is AlertKind.LIQUIDATION_NEAR and entry.liquidation is not None:
        left = abs(price - entry.liquidation) / price * 100
        return f"{_plain(left)} % of the price is left to the liquidation price"
    if position is None or position.entry_price is None:
        side = "below" if entry.condition.rising else "above"
        return f"the price reached {format_decimal(entry.condition.level)} from {side}"
    pnl = price_pnl(position.side, position.entry_price, price, position.quantity)
    percent = percent_of_entry(pnl, position.entry_price, position.quantity)
    share = "" if percent is None else f", {_plain(percent)} % of its entry"
    return f"the position's {'loss' if pnl < 0 else 'profit'} reached {_plain(abs(pnl))}{share}"


def _plain(number: Decimal) -> str:
    return format_decimal(number.quantize(_CENT))
