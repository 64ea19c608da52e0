"""The open routes: the state of the whole, and the documentation."""

import json
from typing import Any

import httpx
import pytest

from tests.unit.gateway.conftest import World

STATUS = {
    "api_version": "v6.0.0",
    "status": "operational",
    "services": {"positions": "active", "reconciler": "active", "monitor": "active", "gateway": "active"},
    "tradingMode": "PERSONAL",
    "hybridPositionManagement": "enabled",
    "note": "Real-time positions from exchange via /api/positions/*",
}


async def test_the_status_is_open_and_has_its_shape(world: World, client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/status", headers={"Authorization": ""})
    assert json.loads(answer.text, object_pairs_hook=list) == json.loads(json.dumps(STATUS), object_pairs_hook=list)


async def test_a_service_that_does_not_serve_is_inactive_and_the_whole_degraded(
    world: World, client: httpx.AsyncClient
) -> None:
    world.health["monitor"].up = False
    answer = await client.get("/api/status")
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["services"]["monitor"]) == ("degraded", "inactive")


async def test_however_many_ask_the_services_are_asked_once_a_second(world: World, client: httpx.AsyncClient) -> None:
    for _ in range(5):
        await client.get("/api/status")
    assert world.health["positions"].asked == 1
    world.clock.advance(1)
    world.health["positions"].up = False
    assert (await client.get("/api/status")).json()["status"] == "degraded"
    assert world.health["positions"].asked == 2


async def test_health_and_metrics_are_not_on_the_public_port(client: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "counted"),
    [
        ("GET", "/api/positions/current", ("GET", "/api/positions/current", "401")),
        ("PATCH", "/api/positions/OP_1_1/stop-loss", ("PATCH", "/api/positions/{position_id}/stop-loss", "401")),
        ("BREW", "/api/status", ("OTHER", "/api/status", "405")),
        ("GET", "/api/made-up", ("OTHER", "none", "404")),
    ],
)
async def test_what_is_refused_is_counted_by_its_route_and_never_by_what_a_stranger_says(
    world: World, client: httpx.AsyncClient, method: str, path: str, counted: tuple[str, str, str]
) -> None:
    await client.request(method, path, headers={"Authorization": ""})
    labels = dict(zip(("method", "route", "status"), counted, strict=True))
    assert world.registry.get_sample_value("tandem_http_requests_total", labels) == 1


async def test_every_route_is_documented_with_an_example_and_its_errors(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert (await client.get("/docs")).status_code == 200
    assert set(document["paths"]) == {
        "/api/status",
        "/api/positions/current",
        "/api/positions/current/{exchange}",
        "/api/operations/positions",
        "/api/positions/sync",
        "/api/positions/status",
        "/api/positions/history",
        "/api/positions/analytics",
        "/api/performance/summary",
        "/api/performance/equity",
        "/api/performance/breakdown",
        "/api/positions",
        "/api/positions/{position_id}",
        "/api/positions/{position_id}/timeline",
        "/api/positions/{position_id}/manage",
        "/api/positions/{position_id}/release",
        "/api/transactions",
        "/api/transactions/{transaction_id}",
        "/api/portfolio",
        "/api/user-api-keys/{key_id}",
        "/api/user-api-keys/{key_id}/verify",
        "/api/admin/status",
        "/api/admin/audit",
        "/api/admin/users/{user_id}/positions",
        "/api/admin/users/{user_id}/plan",
        "/api/positions/{position_id}/stop-loss",
        "/api/positions/{position_id}/take-profit",
        "/api/positions/{position_id}/close",
        "/api/user-api-keys",
        "/api/user-api-keys/add",
        "/api/positions/history.csv",
        "/api/performance/report.pdf",
        "/api/alerts",
        "/api/alerts/{alert_id}",
        "/api/alerts/triggered",
        "/api/alerts/webhook",
        "/api/positions/reconciliation/runs",
        "/api/positions/reconciliation/discrepancies",
        "/api/admin/reconcile",
        "/api/admin/reconciliation",
        "/api/admin/reconciliation/runs",
        "/api/admin/reconciliation/discrepancies",
        "/api/admin/reconciliation/confirm-absence",
        "/api/flows/{flow_id}/executions",
        "/api/executions",
        "/api/executions/{execution_id}",
        "/api/executions/{execution_id}/stop",
        "/api/positions/{position_id}/evaluations",
        "/api/settings/advisor",
        "/api/sentiment/{symbol}",
        "/api/settings/pause",
        "/api/admin/pause",
        "/api/admin/users/{user_id}/pause",
    }
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation["responses"]["200"]["content"]
            if not path.endswith((".csv", ".pdf")):
                shown = content["application/json"]
                assert shown["example"], (path, method)
                _assert_fits(document, shown["schema"], shown["example"], path)
            if method != "get":
                assert "Idempotency-Key" in [parameter["name"] for parameter in operation["parameters"]], path
            if path != "/api/status":
                assert operation["security"] == [{"token": []}]
                assert {"401", "422", "503"} <= set(operation["responses"])


def _assert_fits(document: dict[str, Any], schema: dict[str, Any], example: Any, where: str) -> None:
    """An example has exactly the fields of its schema, all the way down."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    choices = schema.get("anyOf", [schema])
    if example is None:
        assert {} in choices or {"type": "null"} in choices, where
        return
    others = [choice for choice in choices if choice != {"type": "null"}]
    if len(others) == 1 and others != [schema]:
        _assert_fits(document, others[0], example, where)
        return
    if isinstance(example, dict) and "properties" in schema:
        missing = set(schema.get("required", ())) - set(example)
        unknown = set(example) - set(schema["properties"])
        assert (missing, unknown) == (set(), set()), where
        for name, value in example.items():
            _assert_fits(document, schema["properties"][name], value, f"{where}.{name}")
    elif isinstance(example, list) and "items" in schema:
        for value in example:
            _assert_fits(document, schema["items"], value, where)
