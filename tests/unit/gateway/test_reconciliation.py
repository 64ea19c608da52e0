"""What reconciliation did: a user's own, and for administrators everybody's."""

import httpx
import pytest

from protos.reconciler.v1 import reconciler_pb2
from tests.unit.gateway.conftest import World

RUN = reconciler_pb2.AccountRun(
    run_id="r",
    account_id="account-1",
    user_id="eve",
    exchange="binance",
    result=reconciler_pb2.RUN_RESULT_IN_STEP,
    trigger="schedule",
)
FOUND = reconciler_pb2.FoundDiscrepancy(
    run_id="r",
    user_id="eve",
    account_id="account-1",
    exchange="binance",
    kind="closed_externally",
    symbol="BTCUSDT",
    position_side="both",
    evidence="fills close it",
    repaired=True,
    decisions=["close"],
)


@pytest.fixture
def admin(world: World) -> dict[str, str]:
    return {"Authorization": f"Bearer {world.token('root', role='admin')}"}


async def test_a_user_sees_that_users_runs_alone(world: World, client: httpx.AsyncClient) -> None:
    world.reconciliation.runs, world.reconciliation.found = [RUN], [FOUND]
    for name in ("runs", "discrepancies"):
        path = f"/api/positions/reconciliation/{name}"
        mine = (await client.get(path, params={"account": "account-1", "limit": 5, "cursor": "there"})).json()
        assert (mine[name], mine["count"], mine["nextCursor"]) == ([], 0, None)
        asked = world.reconciliation.asked[-1]
        assert (asked.user_id, asked.all_users, asked.account_id) == ("demo", False, "account-1")
        assert (asked.page_size, asked.page_token) == (5, "there")
        eves = await client.get(path, headers={"Authorization": f"Bearer {world.token('eve')}"})
        assert [row["runId"] for row in eves.json()[name]] == ["r"]


async def test_administrators_see_everybodys(world: World, client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    world.reconciliation.runs, world.reconciliation.found = [RUN], [FOUND]
    runs = (await client.get("/api/admin/reconciliation/runs", headers=admin)).json()["runs"]
    assert (runs[0]["accountId"], runs[0]["trigger"], runs[0]["result"]) == ("account-1", "schedule", "in_step")
    found = (await client.get("/api/admin/reconciliation/discrepancies", headers=admin)).json()["discrepancies"]
    assert found == [
        {
            "runId": "r",
            "userId": "eve",
            "accountId": "account-1",
            "exchange": "binance",
            "foundAt": None,
            "kind": "closed_externally",
            "symbol": "BTCUSDT",
            "positionSide": "both",
            "positionId": None,
            "evidence": "fills close it",
            "repaired": True,
            "known": False,
            "decisions": ["close"],
        }
    ]
    assert [(asked.all_users, asked.user_id) for asked in world.reconciliation.asked] == [(True, ""), (True, "")]
    await client.get("/api/admin/reconciliation/runs", params={"user": "eve"}, headers=admin)
    assert (world.reconciliation.asked[-1].all_users, world.reconciliation.asked[-1].user_id) == (False, "eve")
    shown = (await client.get("/api/admin/reconciliation", headers=admin)).json()["reconciliation"]
    assert (shown["isRunning"], shown["interval"], shown["accounts"], shown["attention"]) == (True, 300000, 1, [])


async def test_reconciling_a_user_or_an_account(world: World, client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    world.reconciliation.runs = [RUN]
    bodies = [{"userId": "eve"}, {"userId": "eve", "accountId": "account-1"}, {"accountId": "account-1"}]
    for body in bodies:
        answer = await client.post("/api/admin/reconcile", json=body, headers=admin)
        assert (answer.status_code, answer.json()["inSync"]) == (200, True)
    assert [(asked.user_id, asked.account_id) for asked in world.reconciliation.synced] == [
        ("eve", ""),
        ("eve", "account-1"),
        ("eve", "account-1"),
    ]
    unknown = await client.post("/api/admin/reconcile", json={"accountId": "account-2"}, headers=admin)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "ACCOUNT_NEVER_RUN")
    neither = await client.post("/api/admin/reconcile", json={}, headers=admin)
    assert (neither.status_code, neither.json()["field"]) == (422, "userId")


async def test_an_operators_word(world: World, client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    world.reconciliation.missing = ["OP_1_1"]
    body = {"accountId": "account-1", "note": "the venue says so"}
    answer = await client.post("/api/admin/reconciliation/confirm-absence", json=body, headers=admin)
    assert answer.json() == {"success": True, "accountId": "account-1", "positionIds": ["OP_1_1"]}
    (asked,) = world.reconciliation.asked
    assert (asked.operator_id, asked.note, asked.position_id, bool(asked.request_id)) == (
        "root",
        "the venue says so",
        "",
        True,
    )
    (attempt,) = world.write_log.attempts.values()
    assert (attempt.action, attempt.details["note"]) == ("confirm_absence", "the venue says so")
    without = await client.post(
        "/api/admin/reconciliation/confirm-absence", json={"accountId": "a", "note": ""}, headers=admin
    )
    assert (without.status_code, without.json()["field"]) == (422, "note")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "reconcile"),
        ("GET", "reconciliation"),
        ("GET", "reconciliation/runs"),
        ("GET", "reconciliation/discrepancies"),
        ("POST", "reconciliation/confirm-absence"),
    ],
)
async def test_nobody_else_may(world: World, client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, f"/api/admin/{path}")
    assert (answer.status_code, answer.json()["code"]) == (403, "ADMIN_REQUIRED")
    assert (world.reconciliation.asked, world.reconciliation.synced, world.write_log.attempts) == ([], [], {})
