"""The webhook: where a user's alerts are posted to. Its secret is shown once and kept nowhere by the gateway."""

from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from protos.monitor.v1 import alerts_pb2
from services.gateway.clients import Alerts
from services.gateway.http import alerts_examples as examples
from services.gateway.http import words
from services.gateway.http.body import NoBody
from services.gateway.http.identity import Authenticate, Caller
from services.gateway.http.json import Body, Document, optional_instant, respond
from services.gateway.http.openapi import documented
from services.gateway.http.writes import Action, Details, Writes


class WebhookBody(Body, kw_only=True, frozen=True):
    """An https address that anybody may reach. A new secret is made with it."""

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2048, pattern=r"^[\x21-\x7e]+$")]

    def __repr__(self) -> str:
        return "WebhookBody()"


class DeliveryDocument(Document, kw_only=True, frozen=True):
    """One alert on its way: pending, delivered or failed; `result` is the last HTTP status, or what went wrong."""

    event_id: str
    state: str
    attempts: int
    last_attempt_at: str | None
    result: str | None


class WebhookDocument(Document, kw_only=True, frozen=True):
    """Where alerts are posted to, and how the last twenty went."""

    url: str
    created_at: str | None
    deliveries: list[DeliveryDocument]


class WebhookAnswer(Document, kw_only=True, frozen=True):
    """The webhook; null where there is none."""

    success: bool = True
    webhook: WebhookDocument | None


class WebhookMade(Document, kw_only=True, frozen=True):
    """The webhook and the secret of its signature, which is not shown again.

    `X-Tandem-Signature` is `t=<unix seconds>,v1=<hex of HMAC-SHA256 over "<t>.<body>">`.
    """

    success: bool = True
    webhook: WebhookDocument
    secret: str

    def __repr__(self) -> str:
        return "WebhookMade()"


class WebhookRemoved(Document, kw_only=True, frozen=True):
    """Nothing is posted any more."""

    success: bool = True


TYPES = (WebhookBody, WebhookAnswer, WebhookMade, WebhookRemoved)


def webhooks_router(alerts: Alerts, authenticate: Authenticate, writes: Writes) -> APIRouter:
    router = APIRouter(tags=["alerts"])

    @router.get(
        "/api/alerts/webhook", summary="Where my alerts are posted to", **documented(WebhookAnswer, examples.WEBHOOK)
    )
    async def get_webhook(caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        found = await alerts.get_webhook(caller.user_id)
        return respond(WebhookAnswer(webhook=_webhook(found.webhook) if found.HasField("webhook") else None))

    @router.put(
        "/api/alerts/webhook",
        summary="Have my alerts posted; makes a new secret",
        **documented(
            WebhookMade, examples.WEBHOOK_MADE, body=WebhookBody, body_example=examples.WEBHOOK_BODY, write=True
        ),
    )
    async def set_webhook(request: Request, caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        async def command(body: WebhookBody, request_id: str) -> Document:
            made = await alerts.set_webhook(
                alerts_pb2.SetWebhookRequest(user_id=caller.user_id, url=body.url, request_id=request_id)
            )
            return WebhookMade(webhook=_webhook(made.webhook), secret=made.secret)

        return await writes.perform(
            request, caller, Action("set_webhook"), WebhookBody, command, _details, keeps_answer=False
        )

    @router.delete(
        "/api/alerts/webhook",
        summary="Have nothing posted any more",
        **documented(WebhookRemoved, {"success": True}, write=True),
    )
    async def remove_webhook(request: Request, caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        async def command(_: NoBody, request_id: str) -> Document:
            await alerts.delete_webhook(alerts_pb2.DeleteWebhookRequest(user_id=caller.user_id, request_id=request_id))
            return WebhookRemoved()

        return await writes.perform(request, caller, Action("remove_webhook"), NoBody, command)

    return router


def _details(body: WebhookBody) -> Details:
    """The host alone: what follows it is often a secret."""
    try:
        return {"host": urlsplit(body.url).hostname}
    except ValueError:
        return {"host": None}


def _webhook(webhook: alerts_pb2.Webhook) -> WebhookDocument:
    return WebhookDocument(
        url=webhook.url,
        created_at=optional_instant(webhook.created_at, present=webhook.HasField("created_at")),
        deliveries=[
            DeliveryDocument(
                event_id=delivery.event_id,
                state=words.delivery_state(delivery.state),
                attempts=delivery.attempts,
                last_attempt_at=optional_instant(
                    delivery.last_attempt_at, present=delivery.HasField("last_attempt_at")
                ),
                result=delivery.result or None,
            )
            for delivery in webhook.deliveries
        ],
    )
