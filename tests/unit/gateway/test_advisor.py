"""The advisor, sentiment and pauses over REST."""

import httpx
import pytest

from protos.monitor.v1 import evaluations_pb2
from protos.positions.v1 import types_pb2
from services.common.errors import PositionNotFound
from tests.unit.gateway.conftest import World

ID = "OP_1729425600_123"
NOTHING = {"openingPaused": False, "closingPaused": False, "reason": None, "setBy": None, "setAt": None}


def evaluation() -> evaluations_pb2.Evaluation:
    return evaluations_pb2.Evaluation(
        evaluation_id="v",
        position_id=ID,
        action=evaluations_pb2.ADVICE_ACTION_MOVE_STOP,
        price="65200",
        reason="two ranges below the high",
        urgency=types_pb2.URGENCY_MEDIUM,
        confidence=74,
        outcome=evaluations_pb2.ADVICE_OUTCOME_WITHHELD,
        outcome_reason="cooling down",
        advisor="rules",
        fallback_reason="the model timed out",
        mark_price="66000",
        sentiment="-0.25",
        conditions='{"atr": 400.10}',
    )


async def test_evaluations_of_a_position(world: World, client: httpx.AsyncClient) -> None:
    asked_of_a_model = evaluation()
    asked_of_a_model.model, asked_of_a_model.cost_usd, asked_of_a_model.latency_milliseconds = "m", "0.0012", 360
    world.monitor.evaluations = [evaluation(), asked_of_a_model]
    answer = await client.get(f"/api/positions/{ID}/evaluations", params={"limit": 2, "cursor": "there"})
    first, second = answer.json()["evaluations"]
    assert first == {
        "id": "v",
        "positionId": ID,
        "timestamp": None,
        "action": "move_stop",
        "price": 65200,
        "reason": "two ranges below the high",
        "urgency": "medium",
        "confidence": 74,
        "outcome": "withheld",
        "outcomeReason": "cooling down",
        "advisor": "rules",
        "fallbackReason": "the model timed out",
        "markPrice": 66000,
        "sentiment": -0.25,
        "conditions": {"atr": 400.1},
        "model": None,
        "latencyMilliseconds": None,
        "inputTokens": None,
        "outputTokens": None,
        "costUsd": None,
    }
    assert (second["model"], second["costUsd"], second["latencyMilliseconds"], second["inputTokens"]) == (
        "m",
        0.0012,
        360,
        0,
    )
    (request,) = world.monitor.asked
    assert (request.user_id, request.position_id, request.page_size, request.page_token) == ("demo", ID, 2, "there")
    world.monitor.fails = PositionNotFound(position_id=ID)
    assert (await client.get(f"/api/positions/{ID}/evaluations")).status_code == 404


async def test_how_far_the_advisor_may_go(world: World, client: httpx.AsyncClient) -> None:
    world.monitor.advisor.budget_today_usd = "2"
    assert (await client.get("/api/settings/advisor")).json() == {
        "success": True,
        "advisor": {"mode": "advise", "costTodayUsd": None, "budgetTodayUsd": 2, "model": None},
    }
    assert (await client.put("/api/settings/advisor", json={"mode": "act"})).json()["advisor"]["mode"] == "act"
    assert (await client.put("/api/settings/advisor", json={"mode": "sell"})).status_code == 422
    (attempt,) = world.write_log.attempts.values()
    assert (attempt.user_id, attempt.action, attempt.details) == ("demo", "set_advisor", {"mode": "act"})


async def test_sentiment_and_what_is_missing_of_it(world: World, client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/sentiment/btcusdt")).json() == {
        "success": True,
        "symbol": "BTCUSDT",
        "sentiment": None,
    }
    source = evaluations_pb2.SentimentSource(name="reddit", score="-0.5", count=12)
    world.monitor.sentiment = evaluations_pb2.Sentiment(
        symbol="BTCUSDT", score="-0.5", sources=[source], missing={"polymarket": "no answer"}
    )
    assert (await client.get("/api/sentiment/BTCUSDT")).json()["sentiment"] == {
        "score": -0.5,
        "sources": [{"name": "reddit", "score": -0.5, "count": 12, "readAt": None}],
        "missing": {"polymarket": "no answer"},
    }
    assert (await client.get("/api/sentiment/BTC%20USDT")).status_code == 404


async def test_a_user_pauses_for_that_user_alone(world: World, client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/settings/pause")).json() == {
        "success": True,
        "pause": NOTHING,
        "everybody": NOTHING,
    }
    body = {"openingPaused": True, "closingPaused": False, "reason": "holiday"}
    paused = (await client.put("/api/settings/pause", json=body)).json()["pause"]
    assert paused == {**NOTHING, "openingPaused": True, "reason": "holiday", "setBy": "demo"}
    assert (await client.get("/api/settings/pause")).json()["pause"] == paused
    assert list(world.monitor.pauses) == ["demo"]
    assert (await client.put("/api/settings/pause", json={"openingPaused": True})).status_code == 422


@pytest.mark.parametrize(
    ("path", "user_id", "action", "target"),
    [
        ("/api/admin/pause", "", "pause_everybody", None),
        ("/api/admin/users/eve/pause", "eve", "pause_user", "eve"),
    ],
)
async def test_an_administrator_pauses_others(
    world: World, client: httpx.AsyncClient, path: str, user_id: str, action: str, target: str | None
) -> None:
    body = {"openingPaused": True, "closingPaused": True, "confirmation": "positions are unguarded"}
    for method in ("GET", "PUT"):
        refused = await client.request(method, path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "ADMIN_REQUIRED")
    assert world.monitor.asked == []
    headers = {"Authorization": f"Bearer {world.token('root', role='admin')}"}
    answer = await client.put(path, json=body, headers=headers)
    assert (answer.json()["pause"]["closingPaused"], answer.json()["pause"]["setBy"]) == (True, "root")
    (request,) = world.monitor.asked
    assert (request.user_id, request.confirmation) == (user_id, "positions are unguarded")
    assert (await client.get(path, headers=headers)).json()["pause"] == answer.json()["pause"]
    (attempt,) = world.write_log.attempts.values()
    assert (attempt.action, attempt.target) == (action, target)
