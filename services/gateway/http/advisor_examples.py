"""What the routes of the advisor answer, as the documentation shows it."""

from services.gateway.http.examples import Json

EVALUATIONS: Json = {
    "success": True,
    "positionId": "OP_1729425600_123",
    "evaluations": [
        {
            "id": "8f1d2c3b-4a59-4687-9a0b-c1d2e3f40516",
            "positionId": "OP_1729425600_123",
            "timestamp": "2025-10-21T12:00:00.000Z",
            "action": "move_stop",
            "price": 65200,
            "reason": "two average ranges below the high of the last hour",
            "urgency": "medium",
            "confidence": 74,
            "outcome": "acted",
            "outcomeReason": None,
            "advisor": "rules",
            "fallbackReason": None,
            "markPrice": 66000,
            "sentiment": 0.31,
            "conditions": {"trend": "up", "atr": 400},
            "model": None,
            "latencyMilliseconds": None,
            "inputTokens": None,
            "outputTokens": None,
            "costUsd": None,
        }
    ],
    "count": 1,
    "nextCursor": None,
}
ADVISOR_BODY: Json = {"mode": "advise"}
ADVISOR: Json = {
    "success": True,
    "advisor": {"mode": "advise", "costTodayUsd": 0.12, "budgetTodayUsd": 2, "model": None},
}
SENTIMENT: Json = {
    "success": True,
    "symbol": "BTCUSDT",
    "sentiment": {
        "score": 0.31,
        "sources": [{"name": "reddit", "score": 0.31, "count": 84, "readAt": "2025-10-21T11:59:00.000Z"}],
        "missing": {"polymarket": "no answer within 5 s"},
    },
}
