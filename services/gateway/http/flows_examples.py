"""What the routes of opening and flows answer, as the documentation shows it."""

from services.gateway.http.examples import LEVEL, Json

OPEN_BODY: Json = {
    "accountId": "0b0f5a4e-5f0e-4c43-9d1b-0d6e3f6f2c11",
    "symbol": "BTCUSDT",
    "side": "long",
    "notional": 650,
    "leverage": 10,
    "stopLoss": {"trailingDistance": 0.02},
    "takeProfit": {"price": 70000},
}
OPENED: Json = {
    "success": True,
    "position": {**LEVEL["position"], "origin": "manual", "managed": True},
    "intentId": "6a1f3a52-64a4-4a9e-9a57-1f7f0c1c9c57",
}
EXECUTION_BODY: Json = {
    "nodeId": "entry",
    "accountId": "0b0f5a4e-5f0e-4c43-9d1b-0d6e3f6f2c11",
    "symbol": "BTCUSDT",
    "side": "long",
    "riskPercent": 1,
    "stopLoss": {"price": 64000},
    "takeProfit": {"price": 70000},
    "agent": "trend",
    "aiReasoning": "higher highs on rising volume",
    "aiConfidence": 0.82,
    "marketConditions": {"trend": "up", "atr": 420.5},
}
_EXECUTION: Json = {
    "id": "c2a4e1f0-7d8b-4f36-8f25-0a4b5c6d7e8f",
    "flowId": "trend-following",
    "nodeId": "entry",
    "accountId": "0b0f5a4e-5f0e-4c43-9d1b-0d6e3f6f2c11",
    "exchange": "binance",
    "symbol": "BTCUSDT",
    "side": "long",
    "state": "open",
    "reason": None,
    "positionId": "OP_1729425600_123",
    "startedAt": "2025-10-20T12:00:00.000Z",
    "endedAt": None,
    "result": None,
    "sequence": 2,
}
EXECUTION: Json = {"success": True, "execution": _EXECUTION}
EXECUTION_LIFE: Json = {
    "success": True,
    "execution": _EXECUTION,
    "updates": [
        {
            "sequence": 1,
            "timestamp": "2025-10-20T12:00:00.000Z",
            "step": "opening",
            "detail": "an order for 0.01 BTCUSDT is sent",
        },
        {
            "sequence": 2,
            "timestamp": "2025-10-20T12:00:00.300Z",
            "step": "opened",
            "detail": "OP_1729425600_123 was opened at 65000",
        },
    ],
}
EXECUTIONS: Json = {"success": True, "executions": [_EXECUTION], "count": 1, "nextCursor": None}
