"""Opening by hand and by a flow: what is stated goes to the monitor as it is, and only the caller's own is shown."""

import json
from typing import Any

import httpx
import pytest

from protos.monitor.v1 import flows_pb2
from protos.positions.v1 import types_pb2
from services.monitor.domain.opening_errors import OpenUnresolved
from tests.unit.gateway.conftest import World
from tests.unit.gateway.positions import booked_position, closed_position

OPEN: dict[str, Any] = {"accountId": "account-1", "symbol": "btcusdt", "side": "short", "quantity": 0.001}


def with_conditions(body: dict[str, Any], conditions: str) -> str:
    """The JSON of a body with conditions as they are written, digit for digit."""
    return f'{json.dumps(body)[:-1]}, "marketConditions": {conditions}}}'


async def test_a_position_is_opened_by_hand(world: World, client: httpx.AsyncClient) -> None:
    world.monitor.opened = booked_position(origin=types_pb2.ORIGIN_MANUAL)
    body = {
        **OPEN,
        "leverage": 10,
        "stopLoss": {"trailingDistance": 0.03},
        "takeProfit": {"price": "60000.123456789012345678"},
    }
    answer = await client.post("/api/positions", json=body)
    assert (answer.status_code, answer.json()["intentId"]) == (200, "intent-1")
    assert answer.json()["position"]["origin"] == "manual"
    (asked,) = world.monitor.asked
    assert (asked.user_id, asked.account_id, asked.symbol, asked.side) == (
        "demo",
        "account-1",
        "BTCUSDT",
        types_pb2.SIDE_SHORT,
    )
    assert (asked.WhichOneof("size"), asked.quantity, asked.leverage) == ("quantity", "0.001", "10")
    assert (asked.stop_loss.trailing.distance, asked.take_profit.pinned.price) == ("0.03", "60000.123456789012345678")
    assert (asked.origin, bool(asked.request_id)) == (types_pb2.ORIGIN_MANUAL, True)
    (attempt,) = world.write_log.attempts.values()
    assert (attempt.action, attempt.details["size"], attempt.details["stopLoss"]) == (
        "open",
        "quantity 0.001",
        "trailing 0.03",
    )


@pytest.mark.parametrize("size", ["quantity", "notional", "riskPercent"])
async def test_levels_and_leverage_may_be_left_out(world: World, client: httpx.AsyncClient, size: str) -> None:
    world.monitor.opened = booked_position()
    body = {name: value for name, value in OPEN.items() if name != "quantity"} | {size: 1.5}
    assert (await client.post("/api/positions", json=body)).status_code == 200
    (asked,) = world.monitor.asked
    words = {"quantity": "quantity", "notional": "notional", "riskPercent": "risk_percent"}
    assert (asked.WhichOneof("size"), getattr(asked, words[size]), asked.leverage) == (words[size], "1.5", "")
    assert (asked.HasField("stop_loss"), asked.HasField("take_profit")) == (False, False)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"quantity": None}, "quantity"),
        ({"notional": 10}, "quantity"),
        ({"quantity": 0}, "quantity"),
        ({"quantity": None, "riskPercent": 0}, "riskPercent"),
        ({"quantity": None, "riskPercent": 101}, "riskPercent"),
        ({"leverage": -1}, "leverage"),
        ({"side": "LONG"}, "side"),
        ({"stopLoss": {}}, "stopLoss.price"),
        ({"stopLoss": {"price": 1, "trailingDistance": 0.1}}, "stopLoss.price"),
        ({"takeProfit": {"trailingDistance": 1}}, "takeProfit.trailingDistance"),
        ({"flowId": "f"}, "flowId"),
    ],
)
@pytest.mark.parametrize("path", ["/api/positions", "/api/flows/trend/executions"])
async def test_what_can_never_be_opened_is_refused(
    world: World, client: httpx.AsyncClient, path: str, changes: dict[str, Any], field: str
) -> None:
    answer = await client.post(path, json={**OPEN, **changes})
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert world.monitor.asked == []
    assert world.write_log.attempts == {}


async def test_an_unresolved_opening_may_be_asked_for_again(world: World, client: httpx.AsyncClient) -> None:
    world.monitor.fails = OpenUnresolved()
    headers = {"Idempotency-Key": "one"}
    answer = await client.post("/api/positions", json=OPEN, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "OPEN_UNRESOLVED")
    world.monitor.fails, world.monitor.opened = None, booked_position()
    assert (await client.post("/api/positions", json=OPEN, headers=headers)).status_code == 200
    one, other = world.monitor.asked
    assert one.request_id == other.request_id


async def test_an_execution_from_start_to_stop(world: World, client: httpx.AsyncClient) -> None:
    conditions = '{"atr": 420.123456789012345678}'
    content = with_conditions(
        {**OPEN, "nodeId": "entry", "agent": "trend", "aiReasoning": "higher highs", "aiConfidence": 0.82}, conditions
    )
    started = (await client.post("/api/flows/trend/executions", content=content)).json()["execution"]
    assert (started["flowId"], started["state"], started["symbol"]) == ("trend", "opening", "BTCUSDT")
    (asked,) = world.monitor.asked
    assert (asked.flow_id, asked.node_id, asked.agent) == ("trend", "entry", "trend")
    assert (asked.ai_reasoning, asked.ai_confidence, asked.market_conditions) == ("higher highs", "0.82", conditions)
    path = f"/api/executions/{started['id']}"
    update = flows_pb2.ExecutionUpdate(sequence=1, step=flows_pb2.EXECUTION_STEP_OPENING, detail="an order is sent")
    update.happened_at.FromJsonString("2025-10-21T12:00:00Z")
    world.monitor.updates = [update]
    assert (await client.get(path)).json()["updates"] == [
        {"sequence": 1, "timestamp": "2025-10-21T12:00:00.000Z", "step": "opening", "detail": "an order is sent"}
    ]
    listed = await client.get("/api/executions", params={"flow": "trend", "running": "true", "limit": 5})
    assert [execution["id"] for execution in listed.json()["executions"]] == [started["id"]]
    request = world.monitor.asked[-1]
    assert (request.flow_id, request.running, request.page_size) == ("trend", True, 5)
    assert (await client.post(f"{path}/stop")).json()["execution"]["state"] == "closing"
    world.monitor.executions[started["id"]].result.CopyFrom(closed_position().exit)
    assert (await client.get(path)).json()["execution"]["result"]["reason"] == "closed_externally"


@pytest.mark.parametrize("conditions", ["[1]", '"up"', "3", "true"])
async def test_conditions_are_an_object(client: httpx.AsyncClient, conditions: str) -> None:
    content = (
        httpx.Request("POST", "http://x", json=OPEN).content[:-1] + f', "marketConditions": {conditions}}}'.encode()
    )
    answer = await client.post("/api/flows/trend/executions", content=content)
    assert (answer.status_code, answer.json()["field"]) == (422, "marketConditions")


async def test_somebody_elses_execution_does_not_exist(world: World, client: httpx.AsyncClient) -> None:
    world.monitor.executions["x"] = flows_pb2.Execution(execution_id="x", user_id="eve", side=types_pb2.SIDE_LONG)
    assert (await client.get("/api/executions/x")).status_code == 404
    assert (await client.post("/api/executions/x/stop")).status_code == 404
    assert (await client.get("/api/executions")).json()["count"] == 0
