"""Every route of the OpenAPI document, called on the running stack as somebody would in the course of a day."""

from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.e2e.test_gateway import administrator, adopted
from tests.e2e.trader import Json, Trader, exact, new_trader, until
from tests.stack import RunningStack

Params = dict[str, Any]


@dataclass
class Walk:
    """Calls routes by their templates, and remembers what each answered."""

    client: httpx.AsyncClient
    answered: dict[str, int] = field(default_factory=dict)

    async def fetch(self, method: str, template: str, body: Json = None, status: int = 200, **params: Any) -> Any:
        """The answer itself. What is no part of the path goes into the query."""
        path, query = template, {}
        for name, value in params.items():
            if f"{{{name}}}" in template:
                path = path.replace(f"{{{name}}}", value)
            else:
                query[name] = value
        answer = await self.client.request(method, path, json=body, params=query)
        self.answered[f"{method} {template}"] = answer.status_code
        assert answer.status_code == status, f"{method} {template}: {answer.status_code} {answer.text[:500]}"
        return answer

    async def call(self, method: str, template: str, body: Json = None, status: int = 200, **params: Any) -> Json:
        """The JSON of the answer."""
        answer = await self.fetch(method, template, body, status, **params)
        assert answer.json()["success"] is (status == 200)
        return exact(answer.text)


async def test_every_route_answers_on_a_running_stack(stack: RunningStack) -> None:
    async with new_trader(stack, "binance") as trader, administrator(stack) as client:
        user, admin = Walk(trader.gateway), Walk(client)
        pushes = await trader.listen()
        symbol, position_id = await adopted(trader)
        await walk_positions(user, symbol, position_id)
        await walk_alerts(user, symbol)
        await walk_advisor_and_pauses(user, symbol, position_id)
        account_id = (await user.call("GET", "/api/user-api-keys"))["keys"][0]["id"]
        await walk_openings(user, trader, account_id)
        await user.call("POST", "/api/positions/{position_id}/close", position_id=position_id)
        await walk_history(user, position_id)
        await walk_administration(admin, trader, account_id)
        await walk_keys(user, trader, account_id)
        pushed = {message["type"] for message in pushes.messages}
        answered = user.answered | admin.answered
        document = (await client.get("/openapi.json")).json()
    facts = {"position_opened", "position_closed", "position_levels_changed", "execution_updated"}
    assert (facts | {"reconciliation_finished"}) - pushed == set()
    promised = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    assert promised - answered.keys() == set()
    for route in sorted(answered):
        print(answered[route], route)  # noqa: T201 - shown with -s: the list of what was tried


async def walk_positions(user: Walk, symbol: str, position_id: str) -> None:
    await user.fetch("GET", "/api/status")
    for path in ("/api/positions/current", "/api/operations/positions"):
        assert [row["pair"] for row in (await user.call("GET", path))["positions"]] == [symbol]
    await user.call("GET", "/api/positions/current/{exchange}", exchange="binance")
    await user.call("POST", "/api/positions/sync")
    await user.call("GET", "/api/positions/status")
    runs = (await user.call("GET", "/api/positions/reconciliation/runs", limit="1"))["runs"]
    assert (runs[0]["result"], runs[0]["trigger"]) == ("in_step", "request")
    found = await user.call("GET", "/api/positions/reconciliation/discrepancies")
    assert [(one["kind"], one["symbol"]) for one in found["discrepancies"]] == [("opened_externally", symbol)]
    assert (await user.call("GET", "/api/positions"))["count"] == 1
    one = await user.call("GET", "/api/positions/{position_id}", position_id=position_id)
    assert (one["position"]["triggerPrice"], one["live"]["origin"]) == ("mark", "external")
    await user.call("GET", "/api/portfolio")
    at: Params = {"position_id": position_id}
    await user.call("PATCH", "/api/positions/{position_id}/stop-loss", {"price": 90}, **at)
    await user.call("PATCH", "/api/positions/{position_id}/take-profit", {"price": 150}, **at)
    await user.call("POST", "/api/positions/{position_id}/manage", {}, **at)
    await user.call("POST", "/api/positions/{position_id}/release", **at)
    assert (await user.call("GET", "/api/positions/{position_id}/timeline", **at))["count"] >= 5


async def walk_alerts(user: Walk, symbol: str) -> None:
    body = {"kind": "price_target", "exchange": "binance", "symbol": symbol, "direction": "above", "threshold": 1000}
    alert = (await user.call("POST", "/api/alerts", body))["alert"]
    at: Params = {"alert_id": alert["id"]}
    assert (await user.call("GET", "/api/alerts"))["alerts"] == [alert]
    assert (await user.call("GET", "/api/alerts/{alert_id}", **at))["alert"] == alert
    changed = (await user.call("PATCH", "/api/alerts/{alert_id}", {"threshold": 2000}, **at))["alert"]
    assert (changed["threshold"], changed["version"]) == (2000, alert["version"] + 1)
    await user.call("GET", "/api/alerts/triggered")
    assert (await user.call("GET", "/api/alerts/webhook"))["webhook"] is None
    made = await user.call("PUT", "/api/alerts/webhook", {"url": "https://1.1.1.1/tandem"})
    assert made["secret"]
    shown = await user.fetch("GET", "/api/alerts/webhook")
    assert made["secret"] not in shown.text
    await user.call("DELETE", "/api/alerts/webhook")
    await user.call("DELETE", "/api/alerts/{alert_id}", **at)
    assert (await user.call("GET", "/api/alerts"))["count"] == 0


async def walk_advisor_and_pauses(user: Walk, symbol: str, position_id: str) -> None:
    await user.call("GET", "/api/positions/{position_id}/evaluations", position_id=position_id)
    set_to = await user.call("PUT", "/api/settings/advisor", {"mode": "off"})
    assert (await user.call("GET", "/api/settings/advisor"))["advisor"] == set_to["advisor"]
    await user.call("GET", "/api/sentiment/{symbol}", symbol=symbol)
    body = {"openingPaused": True, "closingPaused": False, "reason": "lunch"}
    paused = (await user.call("PUT", "/api/settings/pause", body))["pause"]
    assert (await user.call("GET", "/api/settings/pause"))["pause"] == paused
    await user.call("PUT", "/api/settings/pause", {**body, "openingPaused": False, "closingPaused": True}, status=409)
    await user.call("PUT", "/api/settings/pause", {**body, "openingPaused": False})


async def walk_openings(user: Walk, trader: Trader, account_id: str) -> None:
    symbol = await trader.mint_symbol("100")
    body = {"accountId": account_id, "symbol": symbol, "side": "long", "quantity": 1}
    opened = (await user.call("POST", "/api/positions", {**body, "stopLoss": {"price": 90}}))["position"]
    assert (opened["symbol"], opened["origin"], opened["managed"]) == (symbol, "manual", True)
    flow = {**body, "symbol": await trader.mint_symbol("100"), "aiConfidence": 0.8, "marketConditions": {"trend": "up"}}
    started = await user.call("POST", "/api/flows/{flow_id}/executions", flow, flow_id="trend")
    at: Params = {"execution_id": started["execution"]["id"]}

    async def read() -> Json:
        return (await user.call("GET", "/api/executions/{execution_id}", **at))["execution"]

    execution = await until(read, lambda one: one["state"] == "open", "the execution open")
    position = await user.call("GET", "/api/positions/{position_id}", position_id=execution["positionId"])
    assert (position["position"]["flowId"], position["position"]["entry"]["marketConditions"]) == (
        "trend",
        {"trend": "up"},
    )
    assert (await user.call("GET", "/api/executions", flow="trend", running="true"))["count"] == 1
    await user.call("POST", "/api/executions/{execution_id}/stop", **at)
    ended = await until(read, lambda one: one["state"] == "closed", "the execution closed")
    assert ended["result"]["reason"] == "manual"
    await user.call("POST", "/api/positions/{position_id}/close", position_id=opened["id"])


async def walk_history(user: Walk, position_id: str) -> None:
    for path in ("/api/positions/history", "/api/positions/analytics"):
        await user.call("GET", path, period="7d")
    for name in ("summary", "equity", "breakdown"):
        await user.call("GET", f"/api/performance/{name}", period="7d")
    lines = (await user.fetch("GET", "/api/positions/history.csv", period="7d")).text.splitlines()
    assert len(lines) == 4
    assert position_id in lines[-1] + lines[1] + lines[2]
    report = await user.fetch("GET", "/api/performance/report.pdf", period="7d")
    assert report.content.startswith(b"%PDF-")
    fills = (await user.call("GET", "/api/transactions"))["transactions"]
    await user.call("GET", "/api/transactions/{transaction_id}", transaction_id=fills[0]["id"])


async def walk_administration(admin: Walk, trader: Trader, account_id: str) -> None:
    status = await admin.call("GET", "/api/admin/status")
    assert (status["status"], status["reconciliation"]["isRunning"]) == ("operational", True)
    at: Params = {"user_id": trader.user_id}
    await admin.call("GET", "/api/admin/users/{user_id}/positions", **at)
    await admin.call("PUT", "/api/admin/users/{user_id}/plan", {"name": "pro", "commissionPercent": 5}, **at)
    for body in ({"userId": trader.user_id}, {"accountId": account_id}):
        assert (await admin.call("POST", "/api/admin/reconcile", body))["runs"][0]["accountId"] == account_id
    assert (await admin.call("GET", "/api/admin/reconciliation"))["reconciliation"]["accounts"] >= 1
    for name in ("runs", "discrepancies"):
        page = await admin.call("GET", f"/api/admin/reconciliation/{name}", account=account_id)
        assert {row["accountId"] for row in page[name]} == {account_id}
    nothing_missing = {"accountId": account_id, "note": "nothing is missing"}
    path = "/api/admin/reconciliation/confirm-absence"
    assert (await admin.call("POST", path, nothing_missing, status=409))["code"] == "NO_PENDING_ABSENCE"
    await admin.call("GET", "/api/admin/audit", user=trader.user_id)
    nothing = {"openingPaused": False, "closingPaused": False}
    await admin.call("PUT", "/api/admin/users/{user_id}/pause", nothing, **at)
    await admin.call("GET", "/api/admin/users/{user_id}/pause", **at)
    await admin.call("PUT", "/api/admin/pause", nothing)
    await admin.call("GET", "/api/admin/pause")


async def walk_keys(user: Walk, trader: Trader, account_id: str) -> None:
    at: Params = {"key_id": account_id}
    await user.call("POST", "/api/user-api-keys/{key_id}/verify", **at)
    changed = (await user.call("PATCH", "/api/user-api-keys/{key_id}", {"triggerPrice": "last"}, **at))["key"]
    assert changed["triggerPrice"] == "last"
    await user.call("DELETE", "/api/user-api-keys/{key_id}", **at)
    body = {"exchange": "binance", "apiKey": trader.api_key, "apiSecret": trader.secret}
    await user.call("POST", "/api/user-api-keys/add", body)
