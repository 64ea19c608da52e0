"""Alerts: what a user wants to be told of, and what has been told."""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from protos.monitor.v1 import alerts_pb2
from protos.monitor.v1 import events_pb2 as monitor_events
from services.common.errors import FieldInvalid
from services.gateway.clients import Alerts
from services.gateway.http import alerts_examples as examples
from services.gateway.http import words
from services.gateway.http.body import NoBody, check_positive, check_signed
from services.gateway.http.identity import Authenticate, Caller
from services.gateway.http.json import Body, Document, optional_instant, optional_number, respond
from services.gateway.http.openapi import documented
from services.gateway.http.positions import Cursor, ExchangeName, Limit
from services.gateway.http.writes import Action, Details, Writes

AlertId = Annotated[str, Path(pattern=r"^[\x21-\x7e]{1,64}$", examples=["3f6c1f0e-5d0b-4a58-9a3e-5b1f6f0d2c11"])]
AlertKindName = Literal[
    "price_target",
    "profit_amount",
    "profit_percent",
    "stop_moved",
    "position_closed",
    "liquidation_near",
    "feed_stale",
    "reconciliation_suspicious",
]
SymbolText = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.:/-]{1,40}$")]
_Id = Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]{1,64}$")]
_Note = Annotated[str, msgspec.Meta(max_length=500)]
_Version = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


class AlertBody(Body, kw_only=True, frozen=True):
    """What to be told of. `price_target` needs exchange, symbol, direction and threshold (a price).

    `profit_amount` (quote currency) and `profit_percent` (of the entry notional; a loss is negative) need direction and
    threshold; `liquidation_near` may say how many percent of the price are left. A kind that is about positions is
    about one of them with `positionId`, else about all. A `repeating` alert fires again once the value has gone back by
    the `hysteresis`; `webhook`: it is posted there as well.
    """

    kind: AlertKindName
    exchange: ExchangeName | None = None
    symbol: SymbolText | None = None
    position_id: _Id | None = None
    direction: Literal["above", "below"] | None = None
    threshold: Decimal | None = None
    repeating: bool = False
    hysteresis: Decimal | None = None
    webhook: bool = False
    note: _Note = ""


class AlertChanges(Body, kw_only=True, frozen=True):
    """What to change of an alert, at least one; one that has fired is armed again by it."""

    threshold: Decimal | None = None
    repeating: bool | None = None
    hysteresis: Decimal | None = None
    webhook: bool | None = None
    active: bool | None = None
    note: _Note | None = None
    expected_version: _Version | None = None


class AlertDocument(Document, kw_only=True, frozen=True):
    """An alert of the caller. `active`: it may fire."""

    id: str
    kind: str
    exchange: str | None
    symbol: str | None
    position_id: str | None
    direction: str | None
    threshold: Decimal | None
    repeating: bool
    hysteresis: Decimal | None
    webhook: bool
    active: bool
    note: str | None
    created_at: str | None
    last_triggered_at: str | None
    times_triggered: int
    version: int


class AlertAnswer(Document, kw_only=True, frozen=True):
    """One alert."""

    success: bool = True
    alert: AlertDocument


class AlertsAnswer(Document, kw_only=True, frozen=True):
    """Alerts, the latest created first. `nextCursor` asks for what follows; null at the end."""

    success: bool = True
    alerts: list[AlertDocument]
    count: int
    next_cursor: str | None


class AlertRemoved(Document, kw_only=True, frozen=True):
    """The alert is gone."""

    success: bool = True
    id: str


class TriggeredDocument(Document, kw_only=True, frozen=True):
    """Something that its user was told. `alertId` is null where Tandem told it unasked."""

    id: str
    timestamp: str | None
    kind: str
    alert_id: str | None
    note: str | None
    account_id: str | None
    position_id: str | None
    exchange: str | None
    symbol: str | None
    price: Decimal | None
    level_price: Decimal | None
    reason: str


class TriggeredAnswer(Document, kw_only=True, frozen=True):
    """What has been told, the latest first. `nextCursor` asks for what follows; null at the end."""

    success: bool = True
    triggered: list[TriggeredDocument]
    count: int
    next_cursor: str | None


TYPES = (AlertBody, AlertChanges, AlertAnswer, AlertsAnswer, AlertRemoved, TriggeredAnswer)


def alerts_router(alerts: Alerts, authenticate: Authenticate, writes: Writes) -> APIRouter:
    """Include it after the router of /api/alerts/webhook."""
    router = APIRouter(prefix="/api/alerts", tags=["alerts"])

    @router.post(
        "",
        summary="Be told of something",
        **documented(AlertAnswer, examples.ALERT, body=AlertBody, body_example=examples.ALERT_BODY, write=True),
    )
    async def create(request: Request, caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        async def command(body: AlertBody, request_id: str) -> Document:
            alert = await alerts.create_alert(
                alerts_pb2.CreateAlertRequest(user_id=caller.user_id, alert=_stated(body), request_id=request_id)
            )
            return AlertAnswer(alert=alert_document(alert))

        return await writes.perform(request, caller, Action("create_alert"), AlertBody, command, _stated_details)

    @router.get("", summary="My alerts", **documented(AlertsAnswer, examples.ALERTS))
    async def list_alerts(
        caller: Annotated[Caller, Depends(authenticate)], limit: Limit = 50, cursor: Cursor = ""
    ) -> Response:
        page = await alerts.list_alerts(
            alerts_pb2.ListAlertsRequest(user_id=caller.user_id, page_size=limit, page_token=cursor)
        )
        rows = [alert_document(alert) for alert in page.alerts]
        return respond(AlertsAnswer(alerts=rows, count=len(rows), next_cursor=page.next_page_token or None))

    @router.get("/triggered", summary="What I have been told", **documented(TriggeredAnswer, examples.TRIGGERED))
    async def list_triggered(
        caller: Annotated[Caller, Depends(authenticate)], limit: Limit = 50, cursor: Cursor = ""
    ) -> Response:
        page = await alerts.list_triggered(
            alerts_pb2.ListTriggeredAlertsRequest(user_id=caller.user_id, page_size=limit, page_token=cursor)
        )
        rows = [triggered_document(told) for told in page.triggered]
        return respond(TriggeredAnswer(triggered=rows, count=len(rows), next_cursor=page.next_page_token or None))

    @router.get("/{alert_id}", summary="One alert", **documented(AlertAnswer, examples.ALERT))
    async def get_alert(alert_id: AlertId, caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        return respond(AlertAnswer(alert=alert_document(await alerts.get_alert(caller.user_id, alert_id))))

    @router.patch(
        "/{alert_id}",
        summary="Change an alert, or arm it again",
        **documented(AlertAnswer, examples.ALERT, body=AlertChanges, body_example=examples.ALERT_CHANGES, write=True),
    )
    async def change(alert_id: AlertId, request: Request, caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        async def command(body: AlertChanges, request_id: str) -> Document:
            alert = await alerts.update_alert(_changed(caller.user_id, alert_id, body, request_id))
            return AlertAnswer(alert=alert_document(alert))

        return await writes.perform(
            request, caller, Action("change_alert", alert_id), AlertChanges, command, _changed_details
        )

    @router.delete(
        "/{alert_id}", summary="Be told of it no more", **documented(AlertRemoved, examples.REMOVED, write=True)
    )
    async def remove(alert_id: AlertId, request: Request, caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        async def command(_: NoBody, request_id: str) -> Document:
            await alerts.delete_alert(
                alerts_pb2.DeleteAlertRequest(user_id=caller.user_id, alert_id=alert_id, request_id=request_id)
            )
            return AlertRemoved(id=alert_id)

        return await writes.perform(request, caller, Action("remove_alert", alert_id), NoBody, command)

    return router


def alert_document(alert: alerts_pb2.Alert) -> AlertDocument:
    return AlertDocument(
        id=alert.alert_id,
        kind=words.alert_kind(alert.kind),
        exchange=words.known_exchange(alert.exchange),
        symbol=alert.symbol or None,
        position_id=alert.position_id or None,
        direction=words.direction(alert.direction),
        threshold=optional_number(alert.threshold),
        repeating=alert.repeating,
        hysteresis=optional_number(alert.hysteresis),
        webhook=alert.webhook,
        active=alert.active,
        note=alert.note or None,
        created_at=optional_instant(alert.created_at, present=alert.HasField("created_at")),
        last_triggered_at=optional_instant(alert.last_triggered_at, present=alert.HasField("last_triggered_at")),
        times_triggered=alert.times_triggered,
        version=alert.version,
    )


def triggered_document(told: monitor_events.AlertTriggered) -> TriggeredDocument:
    return TriggeredDocument(
        id=told.event_id,
        timestamp=optional_instant(told.occurred_at, present=told.HasField("occurred_at")),
        kind=words.alert_kind(told.kind),
        alert_id=told.alert_id or None,
        note=told.note or None,
        account_id=told.account_id or None,
        position_id=told.position_id or None,
        exchange=words.known_exchange(told.exchange),
        symbol=told.symbol or None,
        price=optional_number(told.price),
        level_price=optional_number(told.level_price),
        reason=told.reason,
    )


def _stated(body: AlertBody) -> alerts_pb2.Alert:
    return alerts_pb2.Alert(
        kind=words.ALERT_KINDS[body.kind],
        exchange=words.optional_exchange(body.exchange),
        symbol=(body.symbol or "").upper(),
        position_id=body.position_id or "",
        direction=words.DIRECTIONS[body.direction] if body.direction else alerts_pb2.ALERT_DIRECTION_UNSPECIFIED,
        threshold="" if body.threshold is None else check_signed("threshold", body.threshold),
        repeating=body.repeating,
        hysteresis="" if body.hysteresis is None else check_positive("hysteresis", body.hysteresis),
        webhook=body.webhook,
        note=body.note,
    )


def _stated_details(body: AlertBody) -> Details:
    stated = _stated(body)
    return {
        "kind": body.kind,
        "symbol": stated.symbol or None,
        "positionId": body.position_id,
        "direction": body.direction,
        "threshold": stated.threshold or None,
    }


def _changed(user_id: str, alert_id: str, body: AlertChanges, request_id: str) -> alerts_pb2.UpdateAlertRequest:
    return alerts_pb2.UpdateAlertRequest(
        user_id=user_id,
        alert_id=alert_id,
        threshold=None if body.threshold is None else check_signed("threshold", body.threshold),
        repeating=body.repeating,
        hysteresis=None if body.hysteresis is None else check_positive("hysteresis", body.hysteresis),
        webhook=body.webhook,
        active=body.active,
        note=body.note,
        expected_version=body.expected_version or 0,
        request_id=request_id,
    )


def _changed_details(body: AlertChanges) -> Details:
    stated = _changed("", "", body, "")
    changes: Details = {
        "threshold": stated.threshold or None,
        "repeating": body.repeating,
        "hysteresis": stated.hysteresis or None,
        "webhook": body.webhook,
        "active": body.active,
        "note": body.note,
    }
    if all(value is None for value in changes.values()):
        raise FieldInvalid(field="body", problem="expected at least one change")
    return {name: value for name, value in changes.items() if value is not None}
