"""The document routes: all that is known of one position, in small letters."""

from typing import Any

import httpx
from grpc import StatusCode

from protos.positions.v1 import types_pb2
from services.common.errors import ServiceUnavailable
from services.common.status import RemoteFailure
from tests.unit.gateway.conftest import World
from tests.unit.gateway.positions import booked_position, closed_position, live_answer, live_position

ID = "OP_1729425600_123"
POSITION = {
    "id": ID,
    "accountId": "account-1",
    "exchange": "binance",
    "symbol": "BTCUSDT",
    "positionSide": "both",
    "side": "long",
    "status": "open",
    "origin": "external",
    "managed": False,
    "quantity": 0.001,
    "entryPrice": 65000,
    "leverage": None,
    "openedAt": "2025-10-20T12:00:00.000Z",
    "stopLoss": {
        "rule": "pinned",
        "distance": None,
        "price": 64000,
        "enforced": True,
        "armedAt": "2025-10-20T12:00:00.000Z",
        "armedMark": 66000,
    },
    "takeProfit": {
        "rule": "trailing",
        "distance": 0.04,
        "price": None,
        "enforced": False,
        "armedAt": None,
        "armedMark": None,
    },
    "floor": None,
    "exit": None,
    "version": 2,
    "flowId": None,
    "nodeId": None,
    "executionId": None,
    "agent": None,
    "entry": {
        "price": None,
        "size": None,
        "leverage": None,
        "margin": None,
        "totalValue": None,
        "fee": None,
        "timestamp": None,
        "aiReasoning": None,
        "aiConfidence": None,
        "marketConditions": None,
    },
    "aiManagement": None,
    "realizedPnl": None,
    "funding": None,
    "plan": None,
    "commissionPercent": None,
    "commission": None,
    "triggerPrice": "mark",
}
LIVE: dict[str, Any] = {
    "currentPrice": 66000,
    "pnl": 1,
    "pnlPercent": 1.54,
    "stopLoss": 64680,
    "takeProfit": 68640,
    "leverage": 10,
    "liquidationPrice": 58800.5,
    "notional": None,
    "margin": None,
    "marginLevel": None,
    "riskLevel": None,
    "inSync": True,
    "outOfSyncReasons": [],
    "guarded": False,
    "unguardedReason": "no level is enforced",
    "dataSource": "exchange",
    "ageSeconds": 0,
    "plan": None,
    "commission": None,
    "origin": None,
    "provenance": None,
    "triggerPrice": "mark",
    "shouldClose": None,
}


async def test_an_open_position_has_its_live_side(world: World, client: httpx.AsyncClient) -> None:
    world.books.positions[ID] = booked_position()
    world.live.answers["demo"] = live_answer(live_position(position_id="OP_1_2"), live_position())
    body = (await client.get(f"/api/positions/{ID}")).json()
    assert body == {
        "success": True,
        "position": POSITION,
        "live": LIVE,
        "dataSource": "database",
    }
    assert world.live.asked == [("demo", types_pb2.EXCHANGE_BINANCE)]


async def test_the_live_side_says_plan_provenance_and_advice(world: World, client: httpx.AsyncClient) -> None:
    world.books.positions[ID] = booked_position(trigger_price=types_pb2.TRIGGER_PRICE_LAST)
    live = live_position(
        plan="pro",
        commission="0.1",
        origin=types_pb2.ORIGIN_FLOW,
        provenance=types_pb2.Provenance(flow_id="trend", ai_confidence="0.82", market_conditions='{"atr": 420.5}'),
        trigger_price=types_pb2.TRIGGER_PRICE_LAST,
        should_close=types_pb2.CloseAdvice(reason="the trend broke", urgency=types_pb2.URGENCY_HIGH, confidence="0.9"),
    )
    world.live.answers["demo"] = live_answer(live)
    body = (await client.get(f"/api/positions/{ID}")).json()
    assert body["position"]["triggerPrice"] == "last"
    assert body["live"] == LIVE | {
        "plan": "pro",
        "commission": 0.1,
        "origin": "flow",
        "provenance": {
            "flowId": "trend",
            "nodeId": None,
            "executionId": None,
            "agent": None,
            "aiReasoning": None,
            "aiConfidence": 0.82,
            "marketConditions": {"atr": 420.5},
        },
        "triggerPrice": "last",
        "shouldClose": {"reason": "the trend broke", "urgency": "high", "confidence": 0.9, "givenAt": None},
    }


async def test_the_books_are_shown_where_the_live_side_cannot_be(world: World, client: httpx.AsyncClient) -> None:
    world.books.positions[ID] = booked_position()
    failures: list[tuple[Exception, str]] = [
        (ServiceUnavailable(service="positions"), "SERVICE_UNAVAILABLE"),
        (RemoteFailure("positions", "/positions.v1.x/Y", StatusCode.INTERNAL), "INTERNAL"),
    ]
    for failure, code in failures:
        world.live.fails = failure
        body = (await client.get(f"/api/positions/{ID}")).json()
        assert (body["position"], body["live"]) == (POSITION, None)
        assert [warning["code"] for warning in body["warnings"]] == [code]


async def test_a_closed_position_says_how_it_ended_and_no_venue_is_asked(
    world: World, client: httpx.AsyncClient
) -> None:
    world.books.positions[ID] = closed_position()
    body = (await client.get(f"/api/positions/{ID}")).json()
    assert (body["position"]["status"], body["live"], world.live.asked) == ("closed", None, [])
    assert body["position"]["exit"] == {
        "price": 65900.1,
        "quantity": 0.001,
        "fee": 0.026,
        "pnl": 0.8741,
        "pnlPercent": 1.34,
        "reason": "closed_externally",
        "cause": "hand",
        "executedAt": "2025-10-21T11:30:00.123Z",
        "estimated": False,
    }


async def test_setting_a_level_answers_the_position_as_it_is_then(world: World, client: httpx.AsyncClient) -> None:
    world.books.positions[ID] = booked_position()
    answer = await client.patch(f"/api/positions/{ID}/stop-loss", json={"price": 64000})
    assert answer.json() == {"success": True, "position": POSITION, "dataSource": "database"}


async def test_static_routes_win_over_an_id(world: World, client: httpx.AsyncClient) -> None:
    world.reconciliation.status.last_run.FromJsonString("2025-10-21T11:59:59.5Z")
    world.reconciliation.status.next_run.FromJsonString("2025-10-21T12:04:59.5Z")
    answer = await client.get("/api/positions/status")
    shown = answer.json()
    assert shown["success"] is True
    assert {
        "isRunning": True,
        "interval": 300000,
        "lastRun": "2025-10-21T11:59:59.500Z",
        "nextRun": "2025-10-21T12:04:59.500Z",
    }.items() <= shown["status"].items()
    for name in ("current", "history", "analytics"):
        assert (await client.get(f"/api/positions/{name}")).status_code == 200
