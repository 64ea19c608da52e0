"""AlertsService over gRPC."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from protos.monitor.v1 import alerts_pb2
from protos.monitor.v1.alerts_pb2_grpc import AlertsServiceServicer, add_AlertsServiceServicer_to_server
from protos.positions.v1 import types_pb2
from services.common.errors import FieldInvalid
from services.common.identity import AccessTable
from services.common.server import Registration
from services.common.trading.money import format_decimal, parse_decimal
from services.monitor.alerts.commands import AlertCommands, Changes
from services.monitor.alerts.rows import Delivery
from services.monitor.alerts.store import PostgresAlerts
from services.monitor.alerts.webhooks import Webhook, Webhooks
from services.monitor.clients.messages import VENUES
from services.monitor.domain.alerts.delivery import DeliveryState
from services.monitor.domain.alerts.rule import AlertNotFound, Direction, Rule, UserAlert
from services.monitor.events.told import ALERT_KINDS, write_alert

FULL_NAME = "monitor.v1.AlertsService"
ACCESS: AccessTable = {FULL_NAME: frozenset({"gateway"})}

Context = grpc.aio.ServicerContext[Any, Any]

_LONGEST_ID = 200
_DEFAULT_PAGE = 50
_LARGEST_PAGE = 500
_LARGEST_TOKEN = 2**63
_EXCHANGES = {ours: theirs for theirs, ours in VENUES.items()}
_KINDS = {theirs: ours for ours, theirs in ALERT_KINDS.items()}
_DIRECTIONS = {
    alerts_pb2.ALERT_DIRECTION_ABOVE: Direction.ABOVE,
    alerts_pb2.ALERT_DIRECTION_BELOW: Direction.BELOW,
}
_TO_DIRECTION = {ours: theirs for theirs, ours in _DIRECTIONS.items()}
_STATES = {
    DeliveryState.PENDING: alerts_pb2.DELIVERY_STATE_PENDING,
    DeliveryState.DELIVERED: alerts_pb2.DELIVERY_STATE_DELIVERED,
    DeliveryState.FAILED: alerts_pb2.DELIVERY_STATE_FAILED,
}


class AlertsRpc(AlertsServiceServicer):
    """Answers the gateway; every call is one user's."""

    def __init__(self, commands: AlertCommands, store: PostgresAlerts, webhooks: Webhooks) -> None:
        self._commands = commands
        self._store = store
        self._webhooks = webhooks

    async def CreateAlert(
        self, request: alerts_pb2.CreateAlertRequest, context: Context
    ) -> alerts_pb2.CreateAlertResponse:
        alert = request.alert
        if alert.kind not in _KINDS:
            raise FieldInvalid(field="kind", problem="is not given, or not known")
        rule = Rule(
            kind=_KINDS[alert.kind],
            user_id=_required(request.user_id, "user_id"),
            venue=VENUES.get(alert.exchange),
            symbol=alert.symbol,
            position_id=_held(alert.position_id, "position_id"),
            direction=_DIRECTIONS.get(alert.direction),
            threshold=_number(alert.threshold, "threshold"),
            repeating=alert.repeating,
            hysteresis=_number(alert.hysteresis, "hysteresis"),
            webhook=alert.webhook,
            note=alert.note,
        )
        made = await self._commands.create(rule, _required(request.request_id, "request_id"))
        return alerts_pb2.CreateAlertResponse(alert=_alert(made))

    async def ListAlerts(
        self, request: alerts_pb2.ListAlertsRequest, context: Context
    ) -> alerts_pb2.ListAlertsResponse:
        page = await self._store.page(
            _required(request.user_id, "user_id"), _size(request.page_size), _place(request.page_token)
        )
        return alerts_pb2.ListAlertsResponse(alerts=[_alert(one) for one in page[0]], next_page_token=_token(page[1]))

    async def GetAlert(self, request: alerts_pb2.GetAlertRequest, context: Context) -> alerts_pb2.GetAlertResponse:
        found = await self._store.get(_required(request.user_id, "user_id"), _alert_id(request.alert_id))
        return alerts_pb2.GetAlertResponse(alert=_alert(found))

    async def UpdateAlert(
        self, request: alerts_pb2.UpdateAlertRequest, context: Context
    ) -> alerts_pb2.UpdateAlertResponse:
        if request.expected_version < 0:
            raise FieldInvalid(field="expected_version", problem="is negative")
        changes = Changes(
            threshold=_required_number(request.threshold, "threshold") if request.HasField("threshold") else None,
            repeating=request.repeating if request.HasField("repeating") else None,
            hysteresis=_required_number(request.hysteresis, "hysteresis") if request.HasField("hysteresis") else None,
            webhook=request.webhook if request.HasField("webhook") else None,
            active=request.active if request.HasField("active") else None,
            note=request.note if request.HasField("note") else None,
        )
        changed = await self._commands.change(
            _required(request.user_id, "user_id"),
            _alert_id(request.alert_id),
            changes,
            _required(request.request_id, "request_id"),
            request.expected_version or None,
        )
        return alerts_pb2.UpdateAlertResponse(alert=_alert(changed))

    async def DeleteAlert(
        self, request: alerts_pb2.DeleteAlertRequest, context: Context
    ) -> alerts_pb2.DeleteAlertResponse:
        _required(request.request_id, "request_id")
        await self._commands.delete(_required(request.user_id, "user_id"), _alert_id(request.alert_id))
        return alerts_pb2.DeleteAlertResponse()

    async def ListTriggeredAlerts(
        self, request: alerts_pb2.ListTriggeredAlertsRequest, context: Context
    ) -> alerts_pb2.ListTriggeredAlertsResponse:
        told, after = await self._store.told(
            _required(request.user_id, "user_id"), _size(request.page_size), _place(request.page_token)
        )
        triggered = [write_alert(one.alert, one.occurred_at, one.event_id) for one in told]
        return alerts_pb2.ListTriggeredAlertsResponse(triggered=triggered, next_page_token=_token(after))

    async def SetWebhook(
        self, request: alerts_pb2.SetWebhookRequest, context: Context
    ) -> alerts_pb2.SetWebhookResponse:
        webhook, secret = await self._webhooks.set(
            _required(request.user_id, "user_id"), request.url, _required(request.request_id, "request_id")
        )
        return alerts_pb2.SetWebhookResponse(webhook=_webhook(webhook), secret=secret)

    async def GetWebhook(
        self, request: alerts_pb2.GetWebhookRequest, context: Context
    ) -> alerts_pb2.GetWebhookResponse:
        webhook = await self._webhooks.get(_required(request.user_id, "user_id"))
        return alerts_pb2.GetWebhookResponse(webhook=None if webhook is None else _webhook(webhook))

    async def DeleteWebhook(
        self, request: alerts_pb2.DeleteWebhookRequest, context: Context
    ) -> alerts_pb2.DeleteWebhookResponse:
        _required(request.request_id, "request_id")
        await self._webhooks.delete(_required(request.user_id, "user_id"))
        return alerts_pb2.DeleteWebhookResponse()


def registration(commands: AlertCommands, store: PostgresAlerts, webhooks: Webhooks) -> Registration:
    """How a server takes it on."""
    return Registration(add_AlertsServiceServicer_to_server, AlertsRpc(commands, store, webhooks), FULL_NAME)


def _alert(alert: UserAlert) -> alerts_pb2.Alert:
    rule = alert.rule
    return alerts_pb2.Alert(
        alert_id=str(alert.alert_id),
        user_id=rule.user_id,
        kind=ALERT_KINDS[rule.kind],
        exchange=types_pb2.EXCHANGE_UNSPECIFIED if rule.venue is None else _EXCHANGES[rule.venue],
        symbol=rule.symbol,
        position_id=rule.position_id,
        direction=(alerts_pb2.ALERT_DIRECTION_UNSPECIFIED if rule.direction is None else _TO_DIRECTION[rule.direction]),
        threshold="" if rule.threshold is None else format_decimal(rule.threshold),
        repeating=rule.repeating,
        hysteresis="" if rule.hysteresis is None else format_decimal(rule.hysteresis),
        webhook=rule.webhook,
        active=alert.active,
        note=rule.note,
        created_at=_stamp(alert.created_at),
        last_triggered_at=_stamp(alert.last_triggered_at),
        times_triggered=alert.times_triggered,
        version=alert.version,
    )


def _webhook(webhook: Webhook) -> alerts_pb2.Webhook:
    return alerts_pb2.Webhook(
        url=webhook.url,
        created_at=_stamp(webhook.created_at),
        deliveries=[_delivery(delivery) for delivery in webhook.deliveries],
    )


def _delivery(delivery: Delivery) -> alerts_pb2.Delivery:
    return alerts_pb2.Delivery(
        event_id=str(delivery.event_id),
        state=_STATES[delivery.state],
        attempts=delivery.attempts,
        last_attempt_at=_stamp(delivery.last_attempt_at),
        result=delivery.result,
    )


def _stamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def _required(text: str, field: str) -> str:
    if not text:
        raise FieldInvalid(field=field, problem="is empty")
    return _held(text, field)


def _held(text: str, field: str) -> str:
    if len(text) > _LONGEST_ID:
        raise FieldInvalid(field=field, problem=f"is longer than {_LONGEST_ID} characters")
    return text


def _number(text: str, field: str) -> Decimal | None:
    return _required_number(text, field) if text else None


def _required_number(text: str, field: str) -> Decimal:
    try:
        return parse_decimal(text)
    except ValueError:
        raise FieldInvalid(field=field, problem="is not a decimal number") from None


def _alert_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise AlertNotFound(alert_id=_held(text, "alert_id")) from None


def _size(size: int) -> int:
    if size < 0:
        raise FieldInvalid(field="page_size", problem="is negative")
    return min(size or _DEFAULT_PAGE, _LARGEST_PAGE)


def _place(token: str) -> int | None:
    if not token:
        return None
    if not token.isascii() or not token.isdecimal() or not 0 < int(token[:20]) < _LARGEST_TOKEN or len(token) > 20:
        raise FieldInvalid(field="page_token", problem="is not one that a page was answered with")
    return int(token)


def _token(place: int | None) -> str:
    return "" if place is None else str(place)
