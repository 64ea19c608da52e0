"""The gateway's routes over the whole stack: care of a position, its timeline, transactions, keys, and coming back."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.e2e.trader import DEADLINE_SECONDS, Json, Trader, exact, new_trader, until
from tests.stack import RunningStack


@asynccontextmanager
async def administrator(stack: RunningStack) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {stack.token('root', 'admin')}"}
    async with httpx.AsyncClient(
        base_url=stack.gateway, headers=headers, timeout=DEADLINE_SECONDS, trust_env=False
    ) as client:
        yield client


@asynccontextmanager
async def socket_since(trader: Trader, sequence: int) -> AsyncIterator[ClientConnection]:
    """A WebSocket of somebody who has seen everything up to a sequence."""
    url = str(trader.gateway.base_url).rstrip("/").replace("http://", "ws://", 1) + "/ws"
    offered = [Subprotocol(name) for name in ("tandem", f"tandem.jwt.{trader.token}", f"tandem.since.{sequence}")]
    async with connect(url, subprotocols=offered, proxy=None) as socket:
        yield socket


async def adopted(trader: Trader, price: str = "100") -> tuple[str, str]:
    """A position that was opened by hand and is in the books: its symbol and id."""
    symbol = await trader.mint_symbol(price)
    await trader.trade(symbol, "buy", "2")
    await trader.add_key()
    await trader.call("POST", "/api/positions/sync")
    rows = await until(trader.rows, lambda rows: rows.get(symbol, {}).get("id"), "the position in the books")
    return symbol, str(rows[symbol]["id"])


async def test_a_position_from_care_to_close(trader: Trader, stack: RunningStack) -> None:
    symbol, position_id = await adopted(trader)
    path = f"/api/positions/{position_id}"
    # Its levels: a distance, a price, none; then both at once, and given back.
    stop = (await trader.call("PATCH", f"{path}/stop-loss", {"trailingDistance": 0.03, "reason": "wider"}))["position"]
    assert (stop["stopLoss"]["rule"], stop["stopLoss"]["distance"], stop["stopLoss"]["enforced"]) == (
        "trailing",
        Decimal("0.03"),
        True,
    )
    target = (await trader.call("PATCH", f"{path}/take-profit", {"price": 150}))["position"]
    assert (target["takeProfit"]["rule"], target["takeProfit"]["price"]) == ("pinned", 150)
    assert (await trader.call("PATCH", f"{path}/take-profit", {"price": None}))["position"]["takeProfit"][
        "rule"
    ] == "none"
    managed = (await trader.call("POST", f"{path}/manage", {"stopLoss": {"price": 80}}))["position"]
    assert (managed["managed"], managed["stopLoss"]["price"]) == (True, 80)
    refused = await trader.gateway.delete(f"/api/user-api-keys/{managed['accountId']}")
    assert (refused.status_code, refused.json()["success"]) == (409, False)
    assert (await trader.call("POST", f"{path}/release"))["position"]["managed"] is False
    # What is open, added up.
    whole = (await trader.call("GET", "/api/portfolio"))["portfolio"]
    assert (whole["total"]["exposure"], whole["bySymbol"][symbol]["positions"]) == (200, 1)
    # Closed; then the books, the timeline and the transactions say how it went.
    await trader.call("POST", f"{path}/close")
    listed = await trader.call("GET", f"/api/positions?status=closed&symbol={symbol}")
    assert [position["id"] for position in listed["positions"]] == [position_id]
    entries = (await trader.call("GET", f"{path}/timeline"))["entries"]
    changes = [entry["change"] for entry in entries]
    assert (changes[0], changes[-1], changes.count("level_set")) == ("adopted", "closed", 3)
    assert "wider" in [entry["reason"] for entry in entries]
    fills = (await trader.call("GET", f"/api/transactions?position={position_id}"))["transactions"]
    assert fills[0]["orderSide"] == "sell"
    one = await trader.call("GET", f"/api/transactions/{fills[0]['id']}")
    assert one["transaction"] == fills[0]
    # Nobody else sees any of it.
    async with new_trader(stack, trader.exchange) as other:
        for route in (path, f"{path}/timeline", f"/api/transactions/{fills[0]['id']}"):
            assert (await other.gateway.get(route)).status_code == 404
        assert (await other.call("GET", "/api/positions"))["count"] == 0
        assert (await other.call("GET", "/api/transactions"))["count"] == 0


async def test_keys_after_they_were_added(trader: Trader, stack: RunningStack) -> None:
    key_id = (await trader.add_key())["id"]
    path = f"/api/user-api-keys/{key_id}"
    assert (await trader.call("POST", f"{path}/verify"))["key"]["verified"] is True
    changed = (await trader.call("PATCH", path, {"name": "second", "tradingEnabled": False, "autoManage": True}))["key"]
    assert (changed["name"], changed["tradingEnabled"], changed["autoManage"]) == ("second", False, True)
    async with new_trader(stack, trader.exchange) as other:
        for method, body in (("PATCH", {"name": "mine"}), ("DELETE", None)):
            assert (await other.gateway.request(method, path, json=body)).status_code == 404
    assert (await trader.call("DELETE", path))["id"] == key_id
    assert (await trader.call("GET", "/api/user-api-keys"))["keys"] == []


async def test_who_comes_back_is_told_what_was_missed(trader: Trader) -> None:
    pushes = await trader.listen()
    symbol, position_id = await adopted(trader)
    opened = await pushes.wait_for("position_opened", symbol)
    await trader.call("PATCH", f"/api/positions/{position_id}/stop-loss", {"price": 90})
    await pushes.wait_for("position_levels_changed", symbol)
    since = int(opened["sequence"])
    async with socket_since(trader, since) as socket:
        ready = exact(str(await socket.recv()))
        seen: list[Json] = []
        while not seen or seen[-1]["type"] != "position_levels_changed":
            seen.append(exact(str(await socket.recv())))
    assert ready["sequence"] >= seen[-1]["sequence"]
    assert all(push["sequence"] > since for push in seen)
    assert seen[-1]["data"]["id"] == position_id
    async with socket_since(trader, 2**40) as socket:
        await socket.recv()
        assert json.loads(await socket.recv()) == {"type": "resync_required"}


async def test_administrators_see_everything_and_others_nothing(stack: RunningStack) -> None:
    async with new_trader(stack, "binance") as trader, administrator(stack) as admin:
        for path in ("status", "audit", f"users/{trader.user_id}/positions"):
            refused = await trader.gateway.get(f"/api/admin/{path}")
            assert (refused.status_code, refused.json()["code"]) == (403, "ADMIN_REQUIRED")
        _, position_id = await adopted(trader)
        status = (await admin.get("/api/admin/status")).json()
        assert {name: service["status"] for name, service in status["services"].items()} == {
            "positions": "active",
            "reconciler": "active",
            "monitor": "active",
        }
        assert (status["gateway"]["busConnected"], status["gateway"]["parts"]["gateway.http"]) == (True, "SERVING")
        venues = {(row["service"], row["exchange"]): row for row in status["venues"]}
        assert set(venues) == {(name, venue) for name in ("positions", "monitor") for venue in ("binance", "bybit")}
        assert all(row["budget"]["limit"] > 0 for row in venues.values())
        assert [name for (name, _), row in venues.items() if row["feed"] is not None] == ["monitor", "monitor"]
        seen = (await admin.get(f"/api/admin/users/{trader.user_id}/positions")).json()
        assert [position["id"] for position in seen["positions"]] == [position_id]
        plan = {"name": "pro", "commissionPercent": 10}
        answer = await admin.put(f"/api/admin/users/{trader.user_id}/plan", json=plan)
        assert (answer.status_code, answer.json()["commissionPercent"]) == (200, 10)
        shown = await trader.call("GET", f"/api/positions/{position_id}")
        assert (shown["position"]["plan"], shown["position"]["commissionPercent"]) == ("pro", 10)
        audit = (await admin.get("/api/admin/audit", params={"user": trader.user_id})).json()
        assert [entry["action"] for entry in audit["entries"]] == ["sync", "add_key"]
        assert {entry["status"] for entry in audit["entries"]} == {200}
        assert trader.secret not in json.dumps(audit)


async def test_the_door_itself(stack: RunningStack) -> None:
    async with new_trader(stack, "binance") as trader:
        answer = await trader.gateway.get("/api/positions")
        assert answer.headers["RateLimit-Limit"] == "1200"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        for path in ("/healthz", "/readyz", "/metrics"):
            assert (await trader.gateway.get(path)).status_code == 404
        page = await trader.gateway.get("/docs", headers={"Authorization": ""})
        assert (page.status_code, "//" in page.text) == (200, False)
        assert (await trader.gateway.get("/docs/swagger-ui-bundle.js")).status_code == 200
