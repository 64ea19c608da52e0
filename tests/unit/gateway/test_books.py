"""Lists from the books, the portfolio, keys after they were added, and what administrators see."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from protos.positions.v1 import accounts_pb2, live_pb2, positions_pb2, types_pb2
from protos.venue.v1 import status_pb2
from services.common.errors import ServiceUnavailable
from tests.unit.gateway.conftest import NOW, World
from tests.unit.gateway.positions import booked_position, live_answer, live_position

KEY = {"exchange": "binance", "apiKey": "k", "apiSecret": "s", "name": "main"}


def as_admin(world: World) -> dict[str, str]:
    return {"Authorization": f"Bearer {world.token('root', role='admin')}"}


def transaction(number: int = 1) -> positions_pb2.Transaction:
    return positions_pb2.Transaction(
        transaction_id=f"OP_1_1.{number}",
        position_id="OP_1_1",
        account_id="a",
        exchange=types_pb2.EXCHANGE_BYBIT,
        symbol="BTCUSDT",
        side=types_pb2.SIDE_LONG,
        order_side=types_pb2.ORDER_SIDE_SELL,
        order_id="8",
        quantity="0.0010",
        price="66000.50",
        fee="0.03",
        fee_currency="USDT",
        pnl="1.0005",
        reason="stop_loss",
        status=positions_pb2.TRANSACTION_STATUS_FILLED,
    )


async def test_positions_are_listed_with_filters_and_pages(world: World, client: httpx.AsyncClient) -> None:
    world.books.positions = {"OP_1_1": booked_position(), "OP_1_2": booked_position(user_id="eve")}
    world.books.next_page_token = "more"
    query: dict[str, str | int] = {
        "status": "open",
        "exchange": "bybit",
        "symbol": "BTCUSDT",
        "flow": "f",
        "limit": 7,
        "cursor": "here",
    }
    body = (await client.get("/api/positions", params=query)).json()
    assert (body["count"], body["nextCursor"], body["dataSource"]) == (1, "more", "database")
    assert body["positions"][0]["id"] == "OP_1729425600_123"
    assert world.books.listed == [
        positions_pb2.ListPositionsRequest(
            user_id="demo",
            filter=positions_pb2.POSITION_FILTER_OPEN,
            exchange=types_pb2.EXCHANGE_BYBIT,
            symbol="BTCUSDT",
            flow_id="f",
            page_size=7,
            page_token="here",
        )
    ]
    for wrong in ("status=ajar", "limit=0", "limit=201", "symbol=a%20b", "exchange=kraken"):
        assert (await client.get(f"/api/positions?{wrong}")).status_code == 422


async def test_the_timeline_says_who_and_why(world: World, client: httpx.AsyncClient) -> None:
    world.books.positions["OP_1_1"] = booked_position()
    entry = positions_pb2.TimelineEntry(version=2, actor="user", change="level_set", evidence="e", reason="")
    entry.happened_at.FromDatetime(NOW)
    entry.levels.stop_loss.pinned.price = "64000"
    world.books.timeline = [entry]
    body = (await client.get("/api/positions/OP_1_1/timeline")).json()
    assert (body["positionId"], body["count"], body["nextCursor"]) == ("OP_1_1", 1, None)
    shown = body["entries"][0]
    assert (shown["timestamp"], shown["actor"], shown["reason"]) == ("2025-10-21T12:00:00.000Z", "user", None)
    assert (shown["stopLoss"]["rule"], shown["stopLoss"]["price"]) == ("pinned", 64000)


async def test_transactions_are_the_callers_own(world: World, client: httpx.AsyncClient) -> None:
    world.transactions.by_user = {"demo": [transaction()], "eve": [transaction(2)]}
    body = (await client.get("/api/transactions", params={"position": "OP_1_1"})).json()
    assert body["transactions"][0] == {
        "id": "OP_1_1.1",
        "positionId": "OP_1_1",
        "accountId": "a",
        "exchange": "bybit",
        "symbol": "BTCUSDT",
        "side": "long",
        "orderSide": "sell",
        "orderId": "8",
        "clientOrderId": None,
        "quantity": 0.001,
        "price": 66000.5,
        "fee": 0.03,
        "feeCurrency": "USDT",
        "pnl": 1.0005,
        "reason": "stop_loss",
        "flowId": None,
        "executionId": None,
        "agent": None,
        "status": "filled",
        "executedAt": None,
    }
    assert (await client.get("/api/transactions/OP_1_1.1")).json()["transaction"] == body["transactions"][0]
    for foreign in ("OP_1_1.2", "nobody's", "with space"):
        assert (await client.get(f"/api/transactions/{foreign}")).status_code == 404


async def test_the_portfolio_adds_up_what_is_open(world: World, client: httpx.AsyncClient) -> None:
    world.live.answers["demo"] = live_answer(
        live_position(),
        live_position(
            symbol="ETHUSDT",
            side=types_pb2.SIDE_SHORT,
            quantity="0.01",
            current_price="3000",
            leverage="5",
            notional="30",
            initial_margin="10",
        ),
        live_position(exchange=types_pb2.EXCHANGE_BYBIT, current_price="", pnl="", leverage=""),
    )
    body = (await client.get("/api/portfolio")).json()
    whole = body["portfolio"]
    assert whole["total"] == {
        "positions": 3,
        "exposure": 96,
        "netExposure": 36,
        "margin": 16.6,
        "pnl": 2,
        "unpriced": 1,
        "unmargined": 1,
    }
    assert list(whole["byExchange"]) == ["binance", "bybit"]
    assert {name: part["netExposure"] for name, part in whole["bySymbol"].items()} == {"BTCUSDT": 66, "ETHUSDT": -30}
    assert {name: part["positions"] for name, part in whole["bySide"].items()} == {"long": 2, "short": 1}
    assert (body["dataSource"], body["timestamp"]) == ("exchange", "2025-10-21T12:00:00.000Z")
    world.live.answers["demo"] = live_pb2.ListLivePositionsResponse()
    assert (await client.get("/api/portfolio")).json()["portfolio"]["total"]["exposure"] == 0


async def test_keys_are_verified_changed_and_removed(world: World, client: httpx.AsyncClient) -> None:
    key_id = (await client.post("/api/user-api-keys/add", json=KEY)).json()["key"]["id"]
    path = f"/api/user-api-keys/{key_id}"
    assert (await client.post(f"{path}/verify")).json()["key"]["id"] == key_id
    changed = await client.patch(path, json={"name": "second", "tradingEnabled": False, "autoManage": True})
    assert changed.json()["key"]["name"] == "second"
    assert (await client.delete(path)).json() == {"success": True, "id": key_id}
    assert [type(change).__name__ for change in world.accounts.changes] == [
        "VerifyAccountRequest",
        "SetTradingRequest",
        "SetAutoManageRequest",
        "RenameAccountRequest",
        "RemoveAccountRequest",
    ]
    assert len({change.request_id for change in world.accounts.changes}) == 5
    for wrong in ({}, {"name": ""}, {"tradingEnabled": 1}, {"apiKey": "x"}):
        assert (await client.patch(path, json=wrong)).status_code == 422


async def test_another_users_key_is_not_found(world: World, client: httpx.AsyncClient) -> None:
    key_id = (await client.post("/api/user-api-keys/add", json=KEY)).json()["key"]["id"]
    eve = {"Authorization": f"Bearer {world.token('eve')}"}
    path = f"/api/user-api-keys/{key_id}"
    assert (await client.post(f"{path}/verify", headers=eve)).status_code == 404
    assert (await client.patch(path, json={"name": "mine"}, headers=eve)).status_code == 404
    assert (await client.delete(path, headers=eve)).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "status", None),
        ("GET", "audit", None),
        ("GET", "users/demo/positions", None),
        ("PUT", "users/demo/plan", {"name": "pro", "commissionPercent": 0}),
    ],
)
async def test_administration_needs_the_role(
    world: World, client: httpx.AsyncClient, method: str, path: str, body: dict[str, Any] | None
) -> None:
    refused = await client.request(method, f"/api/admin/{path}", json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "ADMIN_REQUIRED")
    assert world.accounts.plans == []
    granted = await client.request(method, f"/api/admin/{path}", json=body, headers=as_admin(world))
    assert granted.status_code == 200


async def test_the_state_of_everything(world: World, client: httpx.AsyncClient) -> None:
    body = (await client.get("/api/admin/status", headers=as_admin(world))).json()
    assert (body["status"], body["services"]["monitor"]["status"], body["gateway"]["lag"]) == (
        "operational",
        "active",
        0,
    )
    world.health["monitor"].up = False
    world.clock.advance(1)
    body = (await client.get("/api/admin/status", headers=as_admin(world))).json()
    assert (body["status"], body["services"]["monitor"]["status"]) == ("degraded", "unreachable")


async def test_the_state_of_everything_shows_budgets_bans_and_feeds(world: World, client: httpx.AsyncClient) -> None:
    binance, bybit = world.venues["monitor"].venues
    binance.feed.CopyFrom(status_pb2.Feed(up=True, price_age_seconds=0.4004, symbols=12))
    bybit.feed.CopyFrom(status_pb2.Feed())
    bybit.banned_until.FromDatetime(world.clock.now())
    bybit.ban_reason = "too many visits"
    body = (await client.get("/api/admin/status", headers=as_admin(world))).json()
    rows = body["venues"]
    assert body["gateway"]["replica"] == "host-9"
    places = [(row["service"], row["exchange"], row["answering"]) for row in rows]
    assert places == [(name, venue, True) for name in ("positions", "monitor") for venue in ("binance", "bybit")]
    assert rows[2] == {
        "service": "monitor",
        "replica": "host-1",
        "exchange": "binance",
        "answering": True,
        "budget": {"limit": 1200, "used": 84, "unit": "weight a minute", "share": 0.5},
        "bannedUntil": None,
        "banReason": None,
        "feed": {"up": True, "polling": False, "priceAgeSeconds": 0.4, "symbols": 12},
    }
    assert (rows[3]["bannedUntil"], rows[3]["banReason"]) == ("2025-10-21T12:00:00.000Z", "too many visits")
    assert rows[3]["feed"] == {"up": False, "polling": False, "priceAgeSeconds": None, "symbols": 0}
    assert [row["feed"] for row in rows[:2]] == [None, None]


async def test_each_process_of_a_service_stands_for_itself(world: World, client: httpx.AsyncClient) -> None:
    world.venues["monitor"].replicas = ["host-1", "host-2"]
    rows = (await client.get("/api/admin/status", headers=as_admin(world))).json()["venues"]
    assert [(row["replica"], row["exchange"]) for row in rows if row["service"] == "monitor"] == [
        (replica, exchange) for replica in ("host-1", "host-2") for exchange in ("binance", "bybit")
    ]


async def test_who_does_not_tell_of_the_venues_hides_nobody_else(world: World, client: httpx.AsyncClient) -> None:
    world.venues["positions"].fails = ServiceUnavailable(service="positions")
    answer = await client.get("/api/admin/status", headers=as_admin(world))
    rows = answer.json()["venues"]
    assert answer.status_code == 200
    assert [row["answering"] for row in rows] == [False, False, True, True]
    for row, venue in zip(rows, ("binance", "bybit"), strict=False):
        assert (row["service"], row["exchange"]) == ("positions", venue)
        assert {row[name] for name in ("replica", "budget", "bannedUntil", "banReason", "feed")} == {None}


async def test_a_plan_is_set_and_written_down(world: World, client: httpx.AsyncClient) -> None:
    body = {"name": "pro", "commissionPercent": 12.5}
    answer = await client.put("/api/admin/users/alice/plan", json=body, headers=as_admin(world))
    assert answer.json() == {"success": True, "userId": "alice", "plan": "pro", "commissionPercent": 12.5}
    (asked,) = world.accounts.plans
    assert (asked.user_id, asked.set_by, asked.plan) == (
        "alice",
        "root",
        accounts_pb2.Plan(name="pro", commission_percent="12.5"),
    )
    for wrong in (-1, 100.1, "much", 1e-20):
        refused = await client.put(
            "/api/admin/users/alice/plan", json={**body, "commissionPercent": wrong}, headers=as_admin(world)
        )
        assert (refused.status_code, refused.json()["field"]) == (422, "commissionPercent")


async def test_the_audit_log_is_read_page_by_page(world: World, client: httpx.AsyncClient) -> None:
    for n in range(5):
        await client.patch(f"/api/positions/OP_1_{n}/stop-loss", json={"price": 1})
        world.clock.advance(60)
    seen: list[str] = []
    cursor = ""
    while True:
        page = (
            await client.get("/api/admin/audit", params={"limit": 2, "cursor": cursor}, headers=as_admin(world))
        ).json()
        seen += [entry["target"] for entry in page["entries"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert seen == [f"OP_1_{n}" for n in reversed(range(5))]
    since = (NOW + timedelta(minutes=3)).isoformat()
    for query, expected in [({"since": since}, 2), ({"until": since}, 3), ({"user": "eve"}, 0), ({"action": "x"}, 0)]:
        page = (await client.get("/api/admin/audit", params=query, headers=as_admin(world))).json()
        assert page["count"] == expected, query
    for wrong in ({"cursor": "x"}, {"cursor": "bm90IGEgcGxhY2U="}, {"since": "2025-10-21T12:00:00"}):
        assert (await client.get("/api/admin/audit", params=wrong, headers=as_admin(world))).status_code == 422
