"""What the routes of alerts answer, as the documentation shows it."""

from services.gateway.http.examples import Json

_ALERT: Json = {
    "id": "3f6c1f0e-5d0b-4a58-9a3e-5b1f6f0d2c11",
    "kind": "price_target",
    "exchange": "binance",
    "symbol": "BTCUSDT",
    "positionId": None,
    "direction": "above",
    "threshold": 70000,
    "repeating": False,
    "hysteresis": None,
    "webhook": True,
    "active": True,
    "note": "take some off",
    "createdAt": "2025-10-21T11:00:00.000Z",
    "lastTriggeredAt": None,
    "timesTriggered": 0,
    "version": 1,
}
ALERT_BODY: Json = {
    "kind": "price_target",
    "exchange": "binance",
    "symbol": "BTCUSDT",
    "direction": "above",
    "threshold": 70000,
    "webhook": True,
    "note": "take some off",
}
ALERT_CHANGES: Json = {"threshold": 71000, "active": True, "expectedVersion": 1}
ALERT: Json = {"success": True, "alert": _ALERT}
ALERTS: Json = {"success": True, "alerts": [_ALERT], "count": 1, "nextCursor": None}
REMOVED: Json = {"success": True, "id": "3f6c1f0e-5d0b-4a58-9a3e-5b1f6f0d2c11"}
TRIGGERED: Json = {
    "success": True,
    "triggered": [
        {
            "id": "0f9d6d3e-6a3b-4f0a-8d0d-3d8b1c1e5a77",
            "timestamp": "2025-10-21T12:00:00.000Z",
            "kind": "price_target",
            "alertId": "3f6c1f0e-5d0b-4a58-9a3e-5b1f6f0d2c11",
            "note": "take some off",
            "accountId": None,
            "positionId": None,
            "exchange": "binance",
            "symbol": "BTCUSDT",
            "price": 70010.5,
            "levelPrice": 70000,
            "reason": "the mark price reached 70000 from below",
        }
    ],
    "count": 1,
    "nextCursor": None,
}
_WEBHOOK: Json = {
    "url": "https://hooks.example.com/tandem",
    "createdAt": "2025-10-21T11:00:00.000Z",
    "deliveries": [
        {
            "eventId": "0f9d6d3e-6a3b-4f0a-8d0d-3d8b1c1e5a77",
            "state": "delivered",
            "attempts": 1,
            "lastAttemptAt": "2025-10-21T12:00:00.300Z",
            "result": "200",
        }
    ],
}
WEBHOOK_BODY: Json = {"url": "https://hooks.example.com/tandem"}
WEBHOOK: Json = {"success": True, "webhook": _WEBHOOK}
WEBHOOK_MADE: Json = {"success": True, "webhook": {**_WEBHOOK, "deliveries": []}, "secret": "<shown this once>"}
