"""Examples for the documentation. Nothing else reads them."""

from typing import Any

Json = dict[str, Any]

_ROW: Json = {
    "id": "OP_1729425600_123",
    "pair": "BTCUSDT",
    "type": "LONG",
    "entryPrice": 65000,
    "currentPrice": 66000,
    "quantity": 0.001,
    "pnl": 1.0,
    "pnlPercent": 1.54,
    "status": "OPEN",
    "stopLoss": 64680,
    "takeProfit": 68640,
    "dataSource": "exchange",
    "inSync": True,
    "exchange": "binance",
    "managed": False,
    "stopLossEnforced": False,
    "takeProfitEnforced": False,
    "guarded": False,
}
OPERATIONS: Json = {
    "success": True,
    "positions": [_ROW],
    "count": 1,
    "dataSource": "exchange",
    "timestamp": "2025-10-21T12:00:00.000Z",
}
_STOP: Json = {
    "rule": "pinned",
    "distance": None,
    "price": 64000,
    "enforced": True,
    "armedAt": "2025-10-21T11:58:00.000Z",
    "armedMark": 66000,
}
_TARGET: Json = {
    "rule": "trailing",
    "distance": 0.04,
    "price": None,
    "enforced": False,
    "armedAt": None,
    "armedMark": None,
}
_POSITION: Json = {
    "id": "OP_1729425600_123",
    "accountId": "0b0f5a4e-5f0e-4c43-9d1b-0d6e3f6f2c11",
    "exchange": "binance",
    "symbol": "BTCUSDT",
    "positionSide": "both",
    "side": "long",
    "status": "open",
    "origin": "external",
    "managed": False,
    "quantity": 0.001,
    "entryPrice": 65000,
    "leverage": 10,
    "openedAt": "2025-10-20T12:00:00.000Z",
    "stopLoss": _STOP,
    "takeProfit": _TARGET,
    "floor": None,
    "exit": None,
    "version": 2,
    "flowId": None,
    "nodeId": None,
    "executionId": None,
    "agent": None,
    "entry": {
        "price": 65000,
        "size": 0.001,
        "leverage": 10,
        "margin": 6.5,
        "totalValue": 65,
        "fee": 0.026,
        "timestamp": "2025-10-20T12:00:00.000Z",
        "aiReasoning": None,
        "aiConfidence": None,
        "marketConditions": None,
    },
    "aiManagement": {
        "currentStopLoss": 64000,
        "currentTakeProfit": None,
        "trailingStop": {"enabled": False, "distance": None, "adjustedBy": "user"},
        "shouldClose": None,
    },
    "realizedPnl": None,
    "funding": None,
    "plan": None,
    "commissionPercent": None,
    "commission": None,
    "triggerPrice": "mark",
}
_LIVE: Json = {
    "currentPrice": 66000,
    "pnl": 1.0,
    "pnlPercent": 1.54,
    "stopLoss": 64000,
    "takeProfit": 68640,
    "leverage": 10,
    "liquidationPrice": 58800,
    "notional": 66,
    "margin": 6.6,
    "marginLevel": 0.02,
    "riskLevel": "medium",
    "inSync": True,
    "outOfSyncReasons": [],
    "guarded": True,
    "unguardedReason": None,
    "dataSource": "exchange",
    "ageSeconds": 0.8,
    "plan": "pro",
    "commission": 0.1,
    "origin": "external",
    "provenance": None,
    "triggerPrice": "mark",
    "shouldClose": None,
}
POSITION: Json = {"success": True, "position": _POSITION, "live": _LIVE, "dataSource": "database"}
LEVEL: Json = {"success": True, "position": _POSITION, "dataSource": "database"}
POSITIONS: Json = {
    "success": True,
    "positions": [_POSITION],
    "count": 1,
    "nextCursor": None,
    "dataSource": "database",
}
TIMELINE: Json = {
    "success": True,
    "positionId": "OP_1729425600_123",
    "entries": [
        {
            "timestamp": "2025-10-21T11:58:00.000Z",
            "version": 2,
            "actor": "user",
            "change": "level_set",
            "evidence": "stop-loss pinned at 64000, mark 66000",
            "reason": "below the last low",
            "stopLoss": _STOP,
            "takeProfit": _TARGET,
            "floor": None,
        }
    ],
    "count": 1,
    "nextCursor": None,
    "dataSource": "database",
}
_TRANSACTION: Json = {
    "id": "OP_1729425600_123.4578",
    "positionId": "OP_1729425600_123",
    "accountId": "0b0f5a4e-5f0e-4c43-9d1b-0d6e3f6f2c11",
    "exchange": "binance",
    "symbol": "BTCUSDT",
    "side": "long",
    "orderSide": "buy",
    "orderId": "8886774",
    "clientOrderId": None,
    "quantity": 0.001,
    "price": 65000,
    "fee": 0.026,
    "feeCurrency": "USDT",
    "pnl": None,
    "reason": "entry",
    "flowId": None,
    "executionId": None,
    "agent": None,
    "status": "filled",
    "executedAt": "2025-10-20T12:00:00.000Z",
}
TRANSACTIONS: Json = {
    "success": True,
    "transactions": [_TRANSACTION],
    "count": 1,
    "nextCursor": None,
    "dataSource": "database",
}
TRANSACTION: Json = {"success": True, "transaction": _TRANSACTION, "dataSource": "database"}
_EXPOSURE: Json = {
    "positions": 1,
    "exposure": 66,
    "netExposure": 66,
    "margin": 6.6,
    "pnl": 1,
    "unpriced": 0,
    "unmargined": 0,
}
PORTFOLIO: Json = {
    "success": True,
    "portfolio": {
        "total": _EXPOSURE,
        "byExchange": {"binance": _EXPOSURE},
        "bySymbol": {"BTCUSDT": _EXPOSURE},
        "bySide": {"long": _EXPOSURE},
    },
    "dataSource": "exchange",
    "timestamp": "2025-10-21T12:00:00.000Z",
}
MANAGE_BODY: Json = {"stopLoss": {"trailingDistance": 0.02}, "takeProfit": {"price": 70000}}
CLOSE_BODY: Json = {"quantity": 0.0005}
STOP_BODY: Json = {"price": 64000}
TARGET_BODY: Json = {"price": 70000}
CLOSE: Json = {
    "success": True,
    "positionId": "OP_1729425600_123",
    "intentId": "6a1f3a52-64a4-4a9e-9a57-1f7f0c1c9c57",
    "exitPrice": 66000,
    "quantity": 0.001,
}
SYNC: Json = {
    "success": True,
    "inSync": True,
    "runs": [
        {
            "runId": "9d5e4a0e-37c1-4c3e-8a2b-4a1d2f1f0b5e",
            "userId": "demo",
            "accountId": "0b0f5a4e-5f0e-4c43-9d1b-0d6e3f6f2c11",
            "exchange": "binance",
            "result": "in_step",
            "adopted": 1,
            "closed": 0,
            "adjusted": 0,
            "pending": 0,
            "completed": 0,
            "trigger": "request",
            "reason": None,
            "startedAt": "2025-10-21T12:00:00.000Z",
            "finishedAt": "2025-10-21T12:00:00.120Z",
        }
    ],
}
SCHEDULE: Json = {
    "success": True,
    "status": {
        "isRunning": True,
        "interval": 300000,
        "lastRun": "2025-10-21T12:00:00.000Z",
        "nextRun": "2025-10-21T12:05:00.000Z",
        "lag": 0,
        "lastResult": "in_step",
        "discrepanciesFound": 3,
        "discrepanciesRepaired": 3,
        "accounts": [
            {
                "accountId": "0b0f5a4e-5f0e-4c43-9d1b-0d6e3f6f2c11",
                "exchange": "binance",
                "lastResult": "in_step",
                "lastReason": None,
                "failures": 0,
                "lastRun": "2025-10-21T12:00:00.000Z",
                "nextRun": "2025-10-21T12:05:00.000Z",
                "pendingAbsences": 0,
                "suspiciousSince": None,
                "estimatedExits": 0,
            }
        ],
    },
}
_KEY: Json = {
    "id": "0b0f5a4e-5f0e-4c43-9d1b-0d6e3f6f2c11",
    "exchange": "binance",
    "name": "main",
    "apiKey": "k3yP…",
    "verified": True,
    "tradingEnabled": True,
    "createdAt": "2025-10-20T12:00:00.000Z",
    "verifiedAt": "2025-10-20T12:00:01.000Z",
    "canTrade": True,
    "ipRestricted": True,
    "autoManage": False,
    "refusal": None,
    "triggerPrice": "mark",
}
KEY_CHANGES: Json = {"name": "main", "tradingEnabled": True, "autoManage": False, "triggerPrice": "last"}
KEY_REMOVED: Json = {"success": True, "id": "0b0f5a4e-5f0e-4c43-9d1b-0d6e3f6f2c11"}
KEY: Json = {"success": True, "key": _KEY}
KEYS: Json = {"success": True, "keys": [_KEY], "count": 1}
KEY_BODY: Json = {"exchange": "binance", "apiKey": "<key>", "apiSecret": "<secret>", "name": "main"}
STATUS: Json = {
    "api_version": "v6.0.0",
    "status": "operational",
    "services": {"positions": "active", "reconciler": "active", "monitor": "active", "gateway": "active"},
    "tradingMode": "PERSONAL",
    "hybridPositionManagement": "enabled",
    "note": "Real-time positions from exchange via /api/positions/*",
}
ADMIN_STATUS: Json = {
    "success": True,
    "status": "operational",
    "services": {"monitor": {"status": "active", "parts": {"monitor.v1.MonitorService": "SERVING"}}},
    "gateway": {
        "replica": "gateway-7b5c4-q9w2r-1",
        "sockets": 12,
        "users": 9,
        "busConnected": True,
        "lag": 0,
        "parts": {"gateway.http": "SERVING", "database": "SERVING"},
    },
    "venues": [
        {
            "service": "monitor",
            "replica": "monitor-6d8f9-x2k4p-1",
            "exchange": "binance",
            "answering": True,
            "budget": {"limit": 1200, "used": 84, "unit": "weight a minute", "share": 0.5},
            "bannedUntil": None,
            "banReason": None,
            "feed": {"up": True, "polling": False, "priceAgeSeconds": 0.4, "symbols": 12},
        }
    ],
    "reconciliation": {
        "isRunning": True,
        "interval": 300000,
        "accounts": 120,
        "overdue": 0,
        "lag": 0,
        "failing": 0,
        "pendingAbsences": 0,
        "suspicious": 0,
        "estimatedExits": 0,
        "runs": {"in_step": 120},
        "replicas": {"reconciler-1": 2},
        "discrepanciesFound": 3,
        "discrepanciesRepaired": 3,
        "attention": [],
    },
    "timestamp": "2025-10-21T12:00:00.000Z",
}
PLAN_BODY: Json = {"name": "pro", "commissionPercent": 10}
PLAN: Json = {"success": True, "userId": "demo", "plan": "pro", "commissionPercent": 10}
AUDIT: Json = {
    "success": True,
    "entries": [
        {
            "timestamp": "2025-10-21T11:58:00.000Z",
            "userId": "demo",
            "role": "user",
            "action": "set_stop_loss",
            "target": "OP_1729425600_123",
            "details": {"level": "64000"},
            "requestId": "5f0c7a7e-2d53-4a35-9a36-5a6f4d4d3c11",
            "status": 200,
            "code": None,
        }
    ],
    "count": 1,
    "nextCursor": None,
}
