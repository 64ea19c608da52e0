"""Facts that alerts are made of, and the news that somebody's alerts have changed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from protos.monitor.v1 import events_pb2
from protos.positions.v1 import events_pb2 as positions_pb2
from protos.positions.v1 import types_pb2
from protos.reconciler.v1 import events_pb2 as reconciler_pb2
from services.common.bus import Received
from services.common.subjects import all_users, all_users_ephemeral, ephemeral_subject
from services.common.trading.money import format_decimal, parse_decimal
from services.common.trading.side import Venue
from services.monitor.alerts.rows import Told
from services.monitor.clients.messages import VENUES, read_time
from services.monitor.domain.alert import Alert, AlertKind
from services.monitor.events.told import ALERT_KINDS

CONSUMER = "monitor-alerts"
FACTS = (
    all_users("positions", "position_closed"),
    all_users("monitor", "guard_changed"),
    all_users("monitor", "alert_triggered"),
    all_users("reconciler", "reconciliation_suspicious"),
)
"""The subjects of `CONSUMER`, which all replicas share."""

CHANGED = all_users_ephemeral("monitor", "alerts_changed")
"""Where a replica says whose alerts it has changed; the payload is the user's id."""

_KINDS = {theirs: ours for ours, theirs in ALERT_KINDS.items()}
_STALE = frozenset({"FEED_STALE", "FEED_DOWN"})
_NAMES = {venue.value: venue for venue in Venue}


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that a user may want to be told of. `closes`: the position that is over by it."""

    alert: Alert
    occurred_at: datetime
    closes: str = ""


def changed_subject(user_id: str) -> str:
    """Where it is said that a user's alerts have changed."""
    return ephemeral_subject("monitor", "alerts_changed", user_id)


def read_fact(message: Received) -> Fact | Told | None:
    """What a message of FACTS says: a fact for users' alerts, or what was told unasked; None for what is neither.

    Raises ValueError, KeyError, DecodeError for one that cannot be understood.
    """
    return _READERS[message.subject.split(".")[2]](message.payload)


def _closed(payload: bytes) -> Fact:
    fact = positions_pb2.PositionClosed.FromString(payload)
    return Fact(_of_closed(fact.position), read_time(fact.occurred_at), fact.position.position_id)


def _guard(payload: bytes) -> Fact | None:
    fact = events_pb2.GuardChanged.FromString(payload)
    if fact.guarded or fact.reason not in _STALE:
        return None
    reason = "no price has come for too long: levels are not watched until one does"
    return Fact(Alert(AlertKind.FEED_STALE, fact.user_id, fact.account_id, reason), read_time(fact.occurred_at))


def _doubt(payload: bytes) -> Fact | None:
    fact = reconciler_pb2.ReconciliationSuspicious.FromString(payload)
    if fact.ended:
        return None
    kind, venue = AlertKind.RECONCILIATION_SUSPICIOUS, _NAMES.get(fact.exchange.lower())
    return Fact(Alert(kind, fact.user_id, fact.account_id, fact.reason, venue=venue), read_time(fact.occurred_at))


def _unasked(payload: bytes) -> Told | None:
    message = events_pb2.AlertTriggered.FromString(payload)
    if message.alert_id or message.kind not in _KINDS:
        return None
    alert = Alert(
        kind=_KINDS[message.kind],
        user_id=message.user_id,
        account_id=message.account_id,
        reason=message.reason,
        position_id=message.position_id,
        venue=VENUES.get(message.exchange),
        symbol=message.symbol,
        price=parse_decimal(message.price) if message.price else None,
        level_price=parse_decimal(message.level_price) if message.level_price else None,
    )
    return Told(UUID(message.event_id), read_time(message.occurred_at), alert)


def _of_closed(position: types_pb2.Position) -> Alert:
    end = position.exit
    why = types_pb2.ExitReason.Name(end.reason).removeprefix("EXIT_REASON_").lower()
    net = f", net profit {format_decimal(parse_decimal(end.realized_pnl))}" if end.realized_pnl else ""
    return Alert(
        kind=AlertKind.POSITION_CLOSED,
        user_id=position.user_id,
        account_id=position.account_id,
        reason=f"the position was closed: {why}{net}",
        position_id=position.position_id,
        venue=VENUES[position.exchange],
        symbol=position.symbol,
        price=parse_decimal(end.price) if end.price else None,
    )


_READERS: dict[str, Callable[[bytes], Fact | Told | None]] = {
    "position_closed": _closed,
    "guard_changed": _guard,
    "alert_triggered": _unasked,
    "reconciliation_suspicious": _doubt,
}
