"""What the routes of reconciliation's history answer, as the documentation shows it."""

from services.gateway.http.examples import SCHEDULE, SYNC, Json

RECONCILE_BODY: Json = {"userId": "demo"}
CONFIRM_BODY: Json = {
    "accountId": "0b0f5a4e-5f0e-4c43-9d1b-0d6e3f6f2c11",
    "positionId": "OP_1729425600_123",
    "note": "the venue's support says that it was liquidated",
}
CONFIRMED: Json = {
    "success": True,
    "accountId": "0b0f5a4e-5f0e-4c43-9d1b-0d6e3f6f2c11",
    "positionIds": ["OP_1729425600_123"],
}
RUNS: Json = {"success": True, "runs": SYNC["runs"], "count": 1, "nextCursor": None}
DISCREPANCIES: Json = {
    "success": True,
    "discrepancies": [
        {
            "runId": "9d5e4a0e-37c1-4c3e-8a2b-4a1d2f1f0b5e",
            "userId": "demo",
            "accountId": "0b0f5a4e-5f0e-4c43-9d1b-0d6e3f6f2c11",
            "exchange": "binance",
            "foundAt": "2025-10-21T12:00:00.100Z",
            "kind": "closed_externally",
            "symbol": "BTCUSDT",
            "positionSide": "both",
            "positionId": "OP_1729425600_123",
            "evidence": "fills 4579 close it at 66000",
            "repaired": True,
            "known": False,
            "decisions": ["close"],
        }
    ],
    "count": 1,
    "nextCursor": None,
}
OVERVIEW: Json = {
    "success": True,
    "reconciliation": {
        "isRunning": True,
        "interval": 300000,
        "accounts": 120,
        "overdue": 0,
        "lag": 0,
        "failing": 1,
        "pendingAbsences": 0,
        "suspicious": 0,
        "estimatedExits": 0,
        "runs": {"in_step": 119, "failed": 1},
        "replicas": {"reconciler-1": 2},
        "discrepanciesFound": 3,
        "discrepanciesRepaired": 3,
        "attention": SCHEDULE["status"]["accounts"],
    },
}
