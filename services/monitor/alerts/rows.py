"""Alerts as rows of their tables, and back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from services.common.trading.side import Venue
from services.monitor.domain.alert import Alert, AlertKind
from services.monitor.domain.alerts.delivery import DeliveryState
from services.monitor.domain.alerts.rule import Direction, Rule, UserAlert


@dataclass(frozen=True, slots=True)
class State:
    """Where a threshold stands for one position: whether it may fire, and since when."""

    armed: bool
    since: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """What a user was told."""

    event_id: UUID
    occurred_at: datetime
    alert: Alert
    place: int = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """How posting one event went so far. `result`: of the last attempt."""

    event_id: UUID
    state: DeliveryState
    attempts: int
    last_attempt_at: datetime | None
    result: str


def alert_to_row(alert: UserAlert) -> dict[str, Any]:
    """All columns of an alert's row but its place."""
    rule = alert.rule
    return {
        "alert_id": alert.alert_id,
        "user_id": rule.user_id,
        "kind": rule.kind.value,
        "venue": rule.venue.value if rule.venue else None,
        "symbol": rule.symbol,
        "position_id": rule.position_id,
        "account_id": alert.account_id,
        "direction": rule.direction.value if rule.direction else None,
        "threshold": rule.threshold,
        "repeating": rule.repeating,
        "hysteresis": rule.hysteresis,
        "webhook": rule.webhook,
        "note": rule.note,
        "active": alert.active,
        "created_at": alert.created_at,
        "armed_at": alert.armed_at,
        "last_triggered_at": alert.last_triggered_at,
        "times_triggered": alert.times_triggered,
        "version": alert.version,
    }


def alert_from_row(row: RowMapping) -> UserAlert:
    """The alert of a row."""
    return UserAlert(
        alert_id=row["alert_id"],
        rule=Rule(
            kind=AlertKind(row["kind"]),
            user_id=row["user_id"],
            venue=Venue(row["venue"]) if row["venue"] else None,
            symbol=row["symbol"],
            position_id=row["position_id"],
            direction=Direction(row["direction"]) if row["direction"] else None,
            threshold=row["threshold"],
            repeating=row["repeating"],
            hysteresis=row["hysteresis"],
            webhook=row["webhook"],
            note=row["note"],
        ),
        account_id=row["account_id"],
        active=row["active"],
        created_at=row["created_at"],
        armed_at=row["armed_at"],
        last_triggered_at=row["last_triggered_at"],
        times_triggered=row["times_triggered"],
        version=row["version"],
    )


def told_to_row(told: Told, cause: str) -> dict[str, Any]:
    """All columns of the record's row but its place."""
    alert = told.alert
    return {
        "event_id": told.event_id,
        "occurred_at": told.occurred_at,
        "user_id": alert.user_id,
        "account_id": alert.account_id,
        "position_id": alert.position_id,
        "kind": alert.kind.value,
        "venue": alert.venue.value if alert.venue else None,
        "symbol": alert.symbol,
        "price": alert.price,
        "level_price": alert.level_price,
        "reason": alert.reason,
        "alert_id": alert.alert_id,
        "note": alert.note,
        "cause": cause,
    }


def told_from_row(row: RowMapping) -> Told:
    """What a row records."""
    return Told(
        event_id=row["event_id"],
        occurred_at=row["occurred_at"],
        alert=Alert(
            kind=AlertKind(row["kind"]),
            user_id=row["user_id"],
            account_id=row["account_id"],
            reason=row["reason"],
            position_id=row["position_id"],
            venue=Venue(row["venue"]) if row["venue"] else None,
            symbol=row["symbol"],
            price=row["price"],
            level_price=row["level_price"],
            alert_id=row["alert_id"],
            note=row["note"],
        ),
        place=row["place"],
    )


def delivery_from_row(row: RowMapping) -> Delivery:
    """How a row says that a delivery stands."""
    return Delivery(
        row["event_id"], DeliveryState(row["state"]), row["attempts"], row["last_attempt_at"], row["result"]
    )
