"""What the routes of history and performance answer, as the documentation shows it."""

from services.gateway.http.examples import Json

HISTORY: Json = {
    "success": True,
    "positions": [
        {
            "id": "OP_1729425600_123",
            "pair": "BTCUSDT",
            "type": "LONG",
            "exchange": "binance",
            "entryPrice": 65000,
            "exitPrice": 66000,
            "quantity": 0.001,
            "pnl": 0.97,
            "pnlPercent": 1.49,
            "fee": 0.03,
            "status": "CLOSED",
            "exitReason": "STOP_LOSS",
            "exitCause": None,
            "openedAt": "2025-10-20T12:00:00.000Z",
            "closedAt": "2025-10-21T12:00:00.000Z",
            "estimated": False,
            "managed": False,
        }
    ],
    "count": 1,
    "nextCursor": None,
    "period": "7d",
    "dataSource": "database",
}
ANALYTICS: Json = {
    "success": True,
    "analytics": {
        "totalTrades": 4,
        "winningTrades": 3,
        "losingTrades": 1,
        "winRate": 75.00,
        "totalPnl": 12.5,
        "averagePnl": 3.125,
        "bestTrade": 8.2,
        "worstTrade": -2.4,
        "estimatedExits": 0,
        "period": "7d",
        "profitFactor": 6.2083333,
        "expectancy": 3.125,
        "expectancyRatio": 1.3020833,
        "averageHoldSeconds": 8040,
        "fees": 0.42,
        "grossProfit": 14.9,
        "grossLoss": 2.4,
        "longestWinningStreak": 2,
        "longestLosingStreak": 1,
        "maxDrawdown": {
            "amount": 2.4,
            "percent": 0.24,
            "durationSeconds": 7200,
            "beganAt": "2025-10-19T12:00:00.000Z",
            "regainedAt": "2025-10-19T14:00:00.000Z",
        },
        "sharpeRatio": 2.1,
        "sortinoRatio": 3.4,
        "calmarRatio": 5.2,
        "equityDays": 7,
    },
    "dataSource": "database",
}
EQUITY: Json = {
    "success": True,
    "points": [
        {
            "day": "2025-10-21T00:00:00.000Z",
            "trades": 2,
            "realizedPnl": 5.8,
            "cumulativePnl": 12.5,
            "drawdown": 0,
            "equity": 1012.5,
            "drawdownPercent": 0.00,
        }
    ],
    "count": 1,
    "period": "7d",
    "dataSource": "database",
}
_GROUP: Json = {
    "key": "BTCUSDT",
    "totalTrades": 4,
    "winningTrades": 3,
    "losingTrades": 1,
    "winRate": 75.00,
    "totalPnl": 12.5,
    "averagePnl": 3.125,
    "bestTrade": 8.2,
    "worstTrade": -2.4,
    "profitFactor": 6.2083333,
    "fees": 0.42,
}
BREAKDOWN: Json = {
    "success": True,
    "bySymbol": [_GROUP],
    "byExchange": [{**_GROUP, "key": "binance"}],
    "bySide": [{**_GROUP, "key": "long"}],
    "byExitReason": [{**_GROUP, "key": "stop_loss"}],
    "byFlow": [{**_GROUP, "key": None}],
    "period": "7d",
    "dataSource": "database",
}
