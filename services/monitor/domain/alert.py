"""What users are told of, and what of an intent is worth it."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from services.common.trading.side import Venue
from services.monitor.domain.intent import Intent, Outcome
from services.monitor.domain.position import Position


class AlertKind(StrEnum):
    FEED_STALE = "feed_stale"
    CLOSE_REFUSED = "close_refused"
    CROSSED_AND_RECOVERED = "crossed_and_recovered"
    CROSSED_UNWATCHED = "crossed_unwatched"
    LIQUIDATION_NEAR = "liquidation_near"
    RESTING_ORDERS_CANCELLED = "resting_orders_cancelled"
    OPEN_UNRESOLVED = "open_unresolved"
    PRICE_TARGET = "price_target"
    PROFIT_AMOUNT = "profit_amount"
    PROFIT_PERCENT = "profit_percent"
    STOP_MOVED = "stop_moved"
    POSITION_CLOSED = "position_closed"
    RECONCILIATION_SUSPICIOUS = "reconciliation_suspicious"
    TRADING_PAUSED = "trading_paused"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert to one user. Prices in quote currency; what does not apply is None or empty.

    `alert_id` and `note`: the user's own alert that this is, and their words on it.
    """

    kind: AlertKind
    user_id: str
    account_id: str
    reason: str
    position_id: str = ""
    venue: Venue | None = None
    symbol: str = ""
    price: Decimal | None = None
    level_price: Decimal | None = None
    alert_id: str = ""
    note: str = ""


def alert_of_intent(intent: Intent) -> Alert | None:
    """What the end of an attempt to close is worth telling of."""
    kinds = {Outcome.REFUSED: AlertKind.CLOSE_REFUSED, Outcome.BLOCKED: AlertKind.RESTING_ORDERS_CANCELLED}
    kind = None if intent.outcome is None else kinds.get(intent.outcome)
    if kind is None:
        return None
    return Alert(
        kind=kind,
        user_id=intent.user_id,
        account_id=intent.account_id,
        reason=intent.reason,
        position_id=intent.position_id,
        venue=intent.venue,
        symbol=intent.symbol,
        price=intent.evidence.price,
        level_price=intent.evidence.level_price,
    )


def alert_of_position(
    kind: AlertKind, position: Position, reason: str, price: Decimal | None, level_price: Decimal | None
) -> Alert:
    """An alert about a position that is followed."""
    return Alert(
        kind=kind,
        user_id=position.user_id,
        account_id=position.account_id,
        reason=reason,
        position_id=position.position_id,
        venue=position.venue,
        symbol=position.symbol,
        price=price,
        level_price=level_price,
    )
