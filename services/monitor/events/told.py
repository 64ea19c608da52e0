"""Facts that the monitor tells."""

import uuid
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp

from protos.monitor.v1 import events_pb2
from protos.positions.v1 import events_pb2 as positions_pb2
from protos.positions.v1 import types_pb2
from services.common.outbox import OutboxEvent
from services.common.subjects import ephemeral_subject, subject
from services.common.trading.extremes import Extreme, TriggerPrice
from services.common.trading.money import format_decimal
from services.common.trading.side import Venue
from services.monitor.domain.alert import Alert, AlertKind
from services.monitor.domain.guard import GuardState
from services.monitor.domain.mark import Mark
from services.monitor.domain.position import Instrument

_EXCHANGES = {Venue.BINANCE: types_pb2.EXCHANGE_BINANCE, Venue.BYBIT: types_pb2.EXCHANGE_BYBIT}
_TRIGGER_PRICES = {
    TriggerPrice.MARK: events_pb2.TRIGGER_PRICE_MARK,
    TriggerPrice.LAST: events_pb2.TRIGGER_PRICE_LAST,
}
ALERT_KINDS = {
    AlertKind.FEED_STALE: events_pb2.ALERT_KIND_FEED_STALE,
    AlertKind.CLOSE_REFUSED: events_pb2.ALERT_KIND_CLOSE_REFUSED,
    AlertKind.CROSSED_AND_RECOVERED: events_pb2.ALERT_KIND_CROSSED_AND_RECOVERED,
    AlertKind.CROSSED_UNWATCHED: events_pb2.ALERT_KIND_CROSSED_UNWATCHED,
    AlertKind.LIQUIDATION_NEAR: events_pb2.ALERT_KIND_LIQUIDATION_NEAR,
    AlertKind.RESTING_ORDERS_CANCELLED: events_pb2.ALERT_KIND_RESTING_ORDERS_CANCELLED,
    AlertKind.OPEN_UNRESOLVED: events_pb2.ALERT_KIND_OPEN_UNRESOLVED,
    AlertKind.TRADING_PAUSED: events_pb2.ALERT_KIND_TRADING_PAUSED,
    AlertKind.PRICE_TARGET: events_pb2.ALERT_KIND_PRICE_TARGET,
    AlertKind.PROFIT_AMOUNT: events_pb2.ALERT_KIND_PROFIT_AMOUNT,
    AlertKind.PROFIT_PERCENT: events_pb2.ALERT_KIND_PROFIT_PERCENT,
    AlertKind.STOP_MOVED: events_pb2.ALERT_KIND_STOP_MOVED,
    AlertKind.POSITION_CLOSED: events_pb2.ALERT_KIND_POSITION_CLOSED,
    AlertKind.RECONCILIATION_SUSPICIOUS: events_pb2.ALERT_KIND_RECONCILIATION_SUSPICIOUS,
}


def heartbeat_subject(owner: str) -> str:
    """Where a replica's heartbeats go."""
    return ephemeral_subject("monitor", "guard_heartbeat", owner)


def write_heartbeat(
    owner: str, partitions: tuple[int, ...], unguarded: dict[str, str], followed_sequence: int, now: datetime
) -> bytes:
    """A heartbeat's payload."""
    return events_pb2.GuardHeartbeat(
        sent_at=_time(now),
        owner=owner,
        partitions=partitions,
        unguarded_accounts=unguarded,
        followed_sequence=followed_sequence,
    ).SerializeToString()


def guard_changed(state: GuardState, version: int, now: datetime) -> OutboxEvent:
    """The event of an account that is guarded from now on, or is not."""
    event_id = uuid.uuid4()
    message = events_pb2.GuardChanged(
        event_id=str(event_id),
        occurred_at=_time(now),
        user_id=state.user_id,
        account_id=state.account_id,
        guarded=state.guarded,
        reason=state.reason,
    )
    return OutboxEvent(
        aggregate_id=f"guard:{state.account_id}",
        version=version,
        subject=subject("monitor", "guard_changed", state.user_id),
        payload=message.SerializeToString(),
        id=event_id,
    )


def extreme_moved(
    instrument: Instrument, highs: Iterable[Extreme], lows: Iterable[Extreme], now: datetime
) -> OutboxEvent:
    """The event of new extremes. A price has no user: the last token of its subject says what it is a price of."""
    event_id = uuid.uuid4()
    name = f"{instrument.venue}:{instrument.symbol}:{instrument.trigger_price}"
    message = events_pb2.ExtremeMoved(
        event_id=str(event_id),
        occurred_at=_time(now),
        exchange=_EXCHANGES[instrument.venue],
        symbol=instrument.symbol,
        trigger_price=_TRIGGER_PRICES[instrument.trigger_price],
        highs=[events_pb2.Extreme(price=format_decimal(point.price), at=_time(point.at)) for point in highs],
        lows=[events_pb2.Extreme(price=format_decimal(point.price), at=_time(point.at)) for point in lows],
    )
    return OutboxEvent(
        aggregate_id=f"extremes:{name}",
        version=int(now.timestamp() * 1000),
        subject=subject("monitor", "extreme_moved", name),
        payload=message.SerializeToString(),
        id=event_id,
    )


def write_mark(mark: Mark) -> tuple[str, bytes]:
    """The subject and payload of a live mark."""
    position = mark.position
    message = events_pb2.PositionMarked(
        marked_at=_time(mark.at),
        user_id=position.user_id,
        position_id=position.position_id,
        mark_price=format_decimal(mark.price),
        unrealized_pnl=format_decimal(mark.unrealized_pnl),
        unrealized_pnl_percent=_text(mark.unrealized_pnl_percent),
        stop_loss=_text(mark.stop_loss),
    )
    return ephemeral_subject("monitor", "position_marked", position.user_id), message.SerializeToString()


def account_stirred(user_id: str, account_id: str, venue: Venue, now: datetime) -> tuple[str, bytes]:
    """The subject and payload of a prompt to the reconciler, in the words that positions prompts it with."""
    message = positions_pb2.AccountStirred(
        sent_at=_time(now), user_id=user_id, account_id=account_id, exchange=_EXCHANGES[venue]
    )
    return ephemeral_subject("monitor", "account_stirred", user_id), message.SerializeToString()


def write_alert(alert: Alert, now: datetime, event_id: uuid.UUID) -> events_pb2.AlertTriggered:
    """An alert as the contract tells it."""
    return events_pb2.AlertTriggered(
        event_id=str(event_id),
        occurred_at=_time(now),
        user_id=alert.user_id,
        account_id=alert.account_id,
        position_id=alert.position_id,
        kind=ALERT_KINDS[alert.kind],
        exchange=types_pb2.EXCHANGE_UNSPECIFIED if alert.venue is None else _EXCHANGES[alert.venue],
        symbol=alert.symbol,
        price=_text(alert.price),
        level_price=_text(alert.level_price),
        reason=alert.reason,
        alert_id=alert.alert_id,
        note=alert.note,
    )


def alert_triggered(alert: Alert, now: datetime, event_id: uuid.UUID | None = None) -> OutboxEvent:
    """The event of an alert."""
    event_id = event_id or uuid.uuid4()
    return OutboxEvent(
        aggregate_id=f"alert:{event_id}",
        version=1,
        subject=subject("monitor", "alert_triggered", alert.user_id),
        payload=write_alert(alert, now, event_id).SerializeToString(),
        id=event_id,
    )


def _text(number: Decimal | None) -> str:
    return "" if number is None else format_decimal(number)


def _time(moment: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp
