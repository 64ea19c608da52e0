"""The main job, through REST, the WebSocket and the sandbox's control routes only, on each exchange.

Each test has a user, an account and symbols of its own; every wait is for a condition and has a deadline.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from deploy.local.token import mint_token
from tests.e2e.trader import Json, Pushes, Trader, new_trader, until
from tests.stack import RunningStack

ROW_FIELDS = [
    *("id", "pair", "type", "entryPrice", "currentPrice", "quantity", "pnl", "pnlPercent", "status"),
    *("stopLoss", "takeProfit", "dataSource", "inSync", "exchange", "managed"),
    *("stopLossEnforced", "takeProfitEnforced", "guarded"),
]
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def test_the_main_job(trader: Trader) -> None:
    # 1. An account with two open positions that the books do not know, and somebody who listens.
    held, left = await trader.mint_symbol("66000"), await trader.mint_symbol("2000")
    (bought,) = await trader.trade(held, "buy", "0.1")
    await trader.trade(left, "sell", "3")
    pushes = await trader.listen()
    # 2. The key is added, and the reconciler adopts what it finds.
    await key_is_masked(trader, await trader.add_key())
    opened = [await pushes.wait_for("position_opened", symbol) for symbol in (held, left)]
    # 3. They are shown live.
    await rows_are_shown(trader)
    rows = await trader.rows()
    long, short = rows[held], rows[left]
    assert [long["id"], short["id"]] == [push["data"]["id"] for push in opened]
    assert (long["entryPrice"], long["quantity"]) == (Decimal(bought["price"]), Decimal("0.1"))
    assert long["pnl"] == (66000 - long["entryPrice"]) * long["quantity"]
    levels = [(row["type"], row["currentPrice"], row["stopLoss"], row["takeProfit"]) for row in (long, short)]
    assert levels == [("LONG", 66000, 64680, 68640), ("SHORT", 2000, 2040, 1920)]
    # 4. and 5. One is closed by hand, the other by its stop.
    await hand_is_found(trader, pushes, short)
    await stop_fires_once(trader, pushes, long)
    # 6. History and analytics read it back from the books.
    await figures_add_up(trader, {held, left})
    # 7. The state of the whole, and the schedule.
    await all_is_well(trader)
    # 8. Each fact was pushed once, in the order in which it became true.
    facts = pushes.facts()
    sequences = [fact["sequence"] for fact in facts]
    assert sequences == sorted(set(sequences))
    stories = {
        held: ["position_opened", "position_levels_changed", "position_closed"],
        left: ["position_opened", "position_closed"],
    }
    for symbol, story in stories.items():
        assert [fact["type"] for fact in facts if fact["data"]["symbol"] == symbol] == story


async def key_is_masked(trader: Trader, key: Json) -> None:
    assert (key["verified"], key["tradingEnabled"]) == (True, True)
    listed = await trader.gateway.get("/api/user-api-keys")
    assert listed.json()["keys"] == [key]
    assert trader.secret not in listed.text
    assert trader.api_key not in listed.text


async def rows_are_shown(trader: Trader) -> None:
    """Both real-time routes, in exactly the shape that today's frontend reads."""
    for route in ("/api/positions/current", "/api/operations/positions"):
        body = await trader.call("GET", route)
        assert list(body) == ["success", "positions", "count", "dataSource", "timestamp"]
        assert (body["count"], body["dataSource"]) == (2, "exchange")
        assert INSTANT.fullmatch(body["timestamp"])
        for row in body["positions"]:
            assert list(row) == ROW_FIELDS
            assert re.fullmatch(r"OP_\d+_\d+", row["id"])
            shown = (row["status"], row["dataSource"], row["inSync"], row["exchange"])
            assert shown == ("OPEN", "exchange", True, trader.exchange)
            assert not any(row[name] for name in ("managed", "stopLossEnforced", "takeProfitEnforced", "guarded"))


async def hand_is_found(trader: Trader, pushes: Pushes, short: Json) -> None:
    """A short that the user covers at the exchange is closed in the books at once, with the exit of its fills."""
    symbol = short["pair"]
    (covered,) = await trader.trade(symbol, "buy", "3", reduce_only=True)
    synced = await trader.call("POST", "/api/positions/sync")
    assert [run["exchange"] for run in synced["runs"]] == [trader.exchange]
    closed = await pushes.wait_for("position_closed", symbol)
    assert (closed["data"]["id"], closed["data"]["exit"]["reason"]) == (short["id"], "closed_externally")
    row = (await trader.history())[symbol]
    assert (row["id"], row["status"]) == (short["id"], "CLOSED")
    assert (row["exitReason"], row["exitCause"], row["estimated"]) == ("CLOSED_EXTERNALLY", "HAND", False)
    assert (row["exitPrice"], row["quantity"]) == (Decimal(covered["price"]), 3)
    assert symbol not in await trader.rows()


async def stop_fires_once(trader: Trader, pushes: Pushes, long: Json) -> None:
    """A stop that the user sets is enforced, that one alone; crossed, it closes the position with one order."""
    symbol, stop = long["pair"], Decimal("65000.5")
    answer = await trader.call("PATCH", f"/api/positions/{long['id']}/stop-loss", {"price": float(stop)})
    set_to = answer["position"]
    assert (set_to["stopLoss"]["price"], set_to["stopLoss"]["enforced"], set_to["takeProfit"]["enforced"]) == (
        stop,
        True,
        False,
    )
    changed = await pushes.wait_for("position_levels_changed", symbol)
    assert changed["data"]["version"] == set_to["version"]
    row = (await until(trader.rows, lambda rows: rows[symbol]["guarded"], "the stop to be guarded"))[symbol]
    assert (row["stopLoss"], row["stopLossEnforced"], row["takeProfitEnforced"]) == (stop, True, False)
    await trader.set_price(symbol, "65001")
    assert symbol in {position["symbol"] for position in (await trader.truth())["positions"]}
    await trader.set_price(symbol, "64900")
    end = (await pushes.wait_for("position_closed", symbol))["data"]["exit"]
    assert (end["reason"], end["estimated"]) == ("stop_loss", False)
    truth = await trader.truth()
    assert truth["positions"] == []
    (sold,) = [order for order in truth["orders"] if order["symbol"] == symbol and order["side"] == "SELL"]
    assert (sold["kind"], sold["reduce_only"], sold["status"]) == ("MARKET", True, "FILLED")
    assert Decimal(sold["executed"]) == long["quantity"]
    (fill,) = [fill for fill in truth["fills"] if fill["order_id"] == sold["id"]]
    row = (await trader.history())[symbol]
    assert (row["exitReason"], row["exitPrice"], row["estimated"]) == ("STOP_LOSS", Decimal(fill["price"]), False)


async def figures_add_up(trader: Trader, symbols: set[str]) -> None:
    history = await trader.history()
    assert set(history) == symbols
    body = await trader.call("GET", "/api/positions/analytics?period=7d")
    assert body["dataSource"] == "database"
    figures, profits = body["analytics"], [row["pnl"] for row in history.values()]
    assert (figures["totalTrades"], figures["period"], figures["estimatedExits"]) == (len(symbols), "7d", 0)
    assert (figures["winningTrades"], figures["losingTrades"]) == (
        sum(profit > 0 for profit in profits),
        sum(profit < 0 for profit in profits),
    )
    assert (figures["totalPnl"], figures["bestTrade"], figures["worstTrade"]) == (
        sum(profits),
        max(profits),
        min(profits),
    )


async def all_is_well(trader: Trader) -> None:
    status = (await trader.gateway.get("/api/status", headers={"Authorization": ""})).json()
    assert status == {
        "api_version": "v6.0.0",
        "status": "operational",
        "services": {"positions": "active", "reconciler": "active", "monitor": "active", "gateway": "active"},
        "tradingMode": "PERSONAL",
        "hybridPositionManagement": "enabled",
        "note": "Real-time positions from exchange via /api/positions/*",
    }
    schedule = (await trader.call("GET", "/api/positions/status"))["status"]
    assert (schedule["isRunning"], schedule["interval"]) == (True, 300000)
    assert all(INSTANT.fullmatch(schedule[name]) for name in ("lastRun", "nextRun"))


async def test_a_close_is_done_once_however_often_it_is_sent(trader: Trader) -> None:
    symbol = await trader.mint_symbol("100")
    await trader.trade(symbol, "sell", "5")
    await trader.add_key()
    await trader.call("POST", "/api/positions/sync")
    position_id = (await trader.rows())[symbol]["id"]
    path, key = f"/api/positions/{position_id}/close", {"Idempotency-Key": str(uuid4())}
    first = await trader.gateway.post(path, headers=key)
    again = await trader.gateway.post(path, headers=key)
    assert first.status_code == 200, first.text
    assert (again.content, again.headers["Idempotency-Replayed"]) == (first.content, "true")
    reused = await trader.gateway.post("/api/positions/sync", headers=key)
    assert (reused.status_code, reused.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    anew = await trader.gateway.post(path)
    assert (anew.status_code, anew.json()["code"]) == (409, "POSITION_ALREADY_CLOSED")
    truth = await trader.truth()
    assert truth["positions"] == []
    assert len([o for o in truth["orders"] if o["side"] == "BUY"]) == 1
    assert (await trader.history())[symbol]["exitReason"] == "MANUAL"


async def test_what_is_another_users_does_not_exist(trader: Trader, stack: RunningStack) -> None:
    symbol = await trader.mint_symbol("100")
    await trader.trade(symbol, "buy", "5")
    await trader.add_key()
    await trader.call("POST", "/api/positions/sync")
    position_id = (await trader.rows())[symbol]["id"]
    async with new_trader(stack, trader.exchange) as other:
        pushes = await other.listen()
        for method, path, body in [
            ("GET", "", None),
            ("PATCH", "/stop-loss", {"price": 90}),
            ("PATCH", "/take-profit", {"price": None}),
            ("POST", "/close", None),
        ]:
            answer = await other.gateway.request(method, f"/api/positions/{position_id}{path}", json=body)
            assert (answer.status_code, answer.json()["code"]) == (404, "POSITION_NOT_FOUND")
        taken = await other.gateway.post(
            "/api/user-api-keys/add",
            json={"exchange": trader.exchange, "apiKey": trader.api_key, "apiSecret": trader.secret},
        )
        assert (taken.status_code, taken.json()["code"]) == (403, "ACCOUNT_OF_ANOTHER_USER")
        none = await other.gateway.get("/api/positions/current")
        assert (none.status_code, none.json()["error"]) == (409, "No verified API keys found")
        # The owner's next fact is not the other's to hear.
        mine = await trader.listen()
        await trader.call("PATCH", f"/api/positions/{position_id}/stop-loss", {"price": 90})
        await mine.wait_for("position_levels_changed", symbol)
        assert pushes.facts() == []
    assert symbol in await trader.rows()


async def test_bad_input_has_one_shape(trader: Trader, stack: RunningStack) -> None:
    secret = (stack.layout.secrets("gateway") / "jwt_secret").read_text()
    expired = mint_token(secret, trader.user_id, "user", datetime.now(UTC) - timedelta(days=60))
    foreign = mint_token("f" * len(secret), trader.user_id, "user", datetime.now(UTC))
    for header, code in [
        ("", "MISSING_TOKEN"),
        ("Bearer nonsense", "INVALID_TOKEN"),
        (f"Bearer {expired}", "TOKEN_EXPIRED"),
        (f"Bearer {foreign}", "INVALID_TOKEN"),
    ]:
        answer = await trader.gateway.get("/api/positions/current", headers={"Authorization": header})
        assert (answer.status_code, answer.json()["success"], answer.json()["code"]) == (401, False, code)
    for method, path, content, status, code, blamed in [
        ("GET", "/api/positions/OP_1_1", b"", 404, "POSITION_NOT_FOUND", None),
        ("PATCH", "/api/positions/OP_1_1/stop-loss", b"not json", 422, "VALIDATION_FAILED", "body"),
        ("PATCH", "/api/positions/OP_1_1/stop-loss", b'{"price": "x"}', 422, "VALIDATION_FAILED", "price"),
        ("POST", "/api/user-api-keys/add", b'{"exchange": "kraken"}', 422, "VALIDATION_FAILED", "exchange"),
        ("GET", "/api/positions/history?cursor=nonsense", b"", 422, "INVALID_PAGE_TOKEN", None),
        ("GET", "/api/nothing", b"", 404, "ROUTE_NOT_FOUND", None),
    ]:
        answer = await trader.gateway.request(method, path, content=content)
        body = answer.json()
        assert (answer.status_code, body["success"], body["code"], body.get("field")) == (status, False, code, blamed)
        assert "Traceback" not in answer.text


async def test_a_level_that_the_price_has_crossed_is_refused(trader: Trader) -> None:
    symbol = await trader.mint_symbol("100")
    await trader.trade(symbol, "buy", "5")
    await trader.add_key()
    await trader.call("POST", "/api/positions/sync")
    row = (await trader.rows())[symbol]
    answer = await trader.gateway.patch(f"/api/positions/{row['id']}/stop-loss", json={"price": 101})
    assert (answer.status_code, answer.json()["code"]) == (409, "LEVEL_ALREADY_CROSSED")
    stale = await trader.gateway.patch(
        f"/api/positions/{row['id']}/stop-loss", json={"price": 90, "expectedVersion": 99}
    )
    assert (stale.status_code, stale.json()["code"]) == (409, "VERSION_CONFLICT")
    assert (await trader.rows())[symbol]["stopLossEnforced"] is False
