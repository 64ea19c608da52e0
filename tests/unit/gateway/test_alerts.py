"""Alerts and their webhook: what is stated goes to the monitor as it is, and no secret stays behind."""

from typing import Any

import httpx
import pytest

from protos.monitor.v1 import alerts_pb2, events_pb2
from protos.positions.v1 import types_pb2
from tests.unit.gateway.conftest import World

KEY = {"Idempotency-Key": "one"}
PRICE = {"kind": "price_target", "exchange": "binance", "symbol": "btcusdt", "direction": "above", "threshold": 70000.5}


async def test_an_alert_from_its_making_to_its_end(world: World, client: httpx.AsyncClient) -> None:
    made = (await client.post("/api/alerts", json={**PRICE, "webhook": True, "note": "sell"})).json()["alert"]
    assert {"kind": "price_target", "symbol": "BTCUSDT", "threshold": 70000.5, "active": True}.items() <= made.items()
    (request,) = world.monitor.asked
    assert (request.user_id, request.alert.exchange) == ("demo", types_pb2.EXCHANGE_BINANCE)
    assert (request.alert.threshold, request.alert.direction) == ("70000.5", alerts_pb2.ALERT_DIRECTION_ABOVE)
    path = f"/api/alerts/{made['id']}"
    assert (await client.get(path)).json() == {"success": True, "alert": made}
    assert (await client.get("/api/alerts")).json()["alerts"] == [made]
    changed = (await client.patch(path, json={"threshold": -5, "active": False})).json()["alert"]
    assert (changed["threshold"], changed["active"], changed["note"], changed["version"]) == (-5, False, "sell", 2)
    assert (await client.delete(path)).json() == {"success": True, "id": made["id"]}
    assert (await client.get(path)).status_code == 404
    actions = [(attempt.action, attempt.target) for attempt in world.write_log.attempts.values()]
    assert actions == [("create_alert", None), ("change_alert", made["id"]), ("remove_alert", made["id"])]


async def test_somebody_elses_alert_does_not_exist(world: World, client: httpx.AsyncClient) -> None:
    world.monitor.alerts["alert-9"] = alerts_pb2.Alert(alert_id="alert-9", user_id="eve")
    for method, body in (("GET", None), ("PATCH", {"active": True}), ("DELETE", None)):
        answer = await client.request(method, "/api/alerts/alert-9", json=body)
        assert (answer.status_code, answer.json()["success"]) == (404, False)
    assert "alert-9" in world.monitor.alerts
    assert (await client.get("/api/alerts")).json()["count"] == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "kind"),
        ({**PRICE, "kind": "close_refused"}, "kind"),
        ({**PRICE, "threshold": "NaN"}, "threshold"),
        ({**PRICE, "hysteresis": 0}, "hysteresis"),
        ({**PRICE, "hysteresis": "1e-19"}, "hysteresis"),
        ({**PRICE, "symbol": "BTC USDT"}, "symbol"),
        ({**PRICE, "direction": "sideways"}, "direction"),
        ({**PRICE, "treshold": 1}, "treshold"),
    ],
)
async def test_what_can_be_no_alert_is_refused(
    world: World, client: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    answer = await client.post("/api/alerts", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert world.monitor.asked == []


async def test_a_change_of_nothing_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.patch("/api/alerts/alert-1", json={"expectedVersion": 1})
    assert (answer.status_code, answer.json()["field"]) == (422, "body")


async def test_what_was_told(world: World, client: httpx.AsyncClient) -> None:
    told = events_pb2.AlertTriggered(
        event_id="e", user_id="demo", kind=events_pb2.ALERT_KIND_TRADING_PAUSED, reason="paused by root"
    )
    told.occurred_at.FromJsonString("2025-10-21T12:00:00Z")
    world.monitor.told = [told, events_pb2.AlertTriggered(event_id="f", user_id="eve")]
    assert (await client.get("/api/alerts/triggered")).json() == {
        "success": True,
        "triggered": [
            {
                "id": "e",
                "timestamp": "2025-10-21T12:00:00.000Z",
                "kind": "trading_paused",
                "alertId": None,
                "note": None,
                "accountId": None,
                "positionId": None,
                "exchange": None,
                "symbol": None,
                "price": None,
                "levelPrice": None,
                "reason": "paused by root",
            }
        ],
        "count": 1,
        "nextCursor": None,
    }


async def test_a_webhooks_secret_is_shown_and_kept_nowhere(world: World, client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/alerts/webhook")).json() == {"success": True, "webhook": None}
    body = {"url": "https://hooks.example.com/T0/secret-path"}
    first = await client.put("/api/alerts/webhook", json=body, headers=KEY)
    again = await client.put("/api/alerts/webhook", json=body, headers=KEY)
    assert first.json()["secret"] == again.json()["secret"] == "shown once"
    assert "Idempotency-Replayed" not in again.headers
    one, other = [asked for asked in world.monitor.asked if isinstance(asked, alerts_pb2.SetWebhookRequest)]
    assert one.request_id == other.request_id
    kept = repr(world.write_log.attempts) + repr(vars(world.write_log))
    assert "shown once" not in kept
    assert "secret-path" not in kept
    assert "hooks.example.com" in kept
    shown = (await client.get("/api/alerts/webhook")).json()["webhook"]
    assert shown == {"url": body["url"], "createdAt": None, "deliveries": []}
    assert (await client.delete("/api/alerts/webhook")).json() == {"success": True}
    assert world.monitor.webhooks == {}
