"""The switches that stop trading, through the REST door and the whole stack."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx

from services.monitor.domain.pause import CONFIRMATION
from tests.e2e.test_logs import lines_of
from tests.e2e.trader import Json, Trader, until
from tests.stack import RunningStack

STOPPED = {"openingPaused": False, "closingPaused": True, "confirmation": CONFIRMATION, "reason": "the test says so"}
GOING_ON = {"openingPaused": False, "closingPaused": False}


async def with_stop(trader: Trader) -> tuple[str, Json]:
    """A guarded position of one unit at 100 with its stop at 99."""
    symbol = await trader.mint_symbol("100")
    await trader.trade(symbol, "buy", "1")
    await trader.add_key()
    row = (await until(trader.rows, lambda rows: rows.get(symbol, {}).get("inSync"), "the adoption"))[symbol]
    await trader.call("PATCH", f"/api/positions/{row['id']}/stop-loss", {"price": 99})
    return symbol, await shown(trader, symbol, lambda row: row["guarded"], "the guard")


async def shown(trader: Trader, symbol: str, holds: Callable[[Json], object], what: str) -> Json:
    rows = await until(trader.rows, lambda rows: symbol in rows and holds(rows[symbol]), what)
    return rows[symbol]


async def why_unguarded(trader: Trader, symbol: str) -> str:
    """The reason that a position shows, once it is not guarded."""
    row = await shown(trader, symbol, lambda row: not row["guarded"], "the guard to go")
    document = await trader.call("GET", f"/api/positions/{row['id']}")
    return str(document["live"]["unguardedReason"])


async def refused(trader: Trader, method: str, path: str, body: Json) -> str:
    """The code with which a call is refused."""
    answer = await trader.gateway.request(method, path, json=body)
    assert answer.status_code == httpx.codes.CONFLICT, answer.text
    return str(answer.json()["code"])


def waiting(stack: RunningStack, position_id: str) -> list[Json]:
    """What the monitor has logged of a trigger that waits."""
    return lines_of(stack, "monitor", event="trigger waits", position_id=position_id)


@asynccontextmanager
async def stopped_for_everybody(stack: RunningStack) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {stack.token('somebody', 'admin')}"}
    async with httpx.AsyncClient(base_url=stack.gateway, headers=headers, trust_env=False) as admin:
        await put(admin, "/api/admin/pause", STOPPED)
        try:
            yield admin
        finally:
            await put(admin, "/api/admin/pause", GOING_ON)


async def put(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
    answer = await client.put(path, json=body)
    assert answer.status_code == httpx.codes.OK, answer.text


async def test_a_stop_that_is_crossed_while_closing_is_paused_fires_when_it_goes_on(
    stack: RunningStack, trader: Trader
) -> None:
    symbol, row = await with_stop(trader)
    unconfirmed = await trader.gateway.put("/api/settings/pause", json={**STOPPED, "confirmation": ""})
    assert unconfirmed.json()["code"] == "PAUSE_NOT_CONFIRMED"
    await trader.call("PUT", "/api/settings/pause", STOPPED)
    assert (await why_unguarded(trader, symbol)).startswith("CLOSING_PAUSED: the test says so")
    assert await refused(trader, "POST", f"/api/positions/{row['id']}/close", {}) == "CLOSING_PAUSED"
    await trader.set_price(symbol, "98.5")

    async def told() -> list[Json]:
        return waiting(stack, row["id"])

    lines = await until(told, lambda lines: lines, "the trigger to wait")
    assert {line["reason"] for line in lines} == {"CLOSING_PAUSED"}
    truth = await trader.truth()
    assert [order for order in truth["orders"] if order["side"] == "SELL"] == []
    await trader.call("PUT", "/api/settings/pause", GOING_ON)
    closed = (await until(trader.history, lambda rows: symbol in rows, "the close"))[symbol]
    assert (closed["exitReason"], closed["quantity"]) == ("STOP_LOSS", Decimal(1))


async def test_what_is_stopped_for_everybody_is_stopped_for_each(stack: RunningStack, trader: Trader) -> None:
    symbol, _ = await with_stop(trader)
    async with stopped_for_everybody(stack):
        assert (await why_unguarded(trader, symbol)).startswith("CLOSING_PAUSED: the test says so")
        pauses = await trader.call("GET", "/api/settings/pause")
        assert (pauses["pause"]["closingPaused"], pauses["everybody"]["closingPaused"]) == (False, True)
    await shown(trader, symbol, lambda row: row["guarded"], "the guard to come back")


async def test_nothing_is_opened_while_opening_is_paused(trader: Trader) -> None:
    symbol = await trader.mint_symbol("100")
    key = await trader.add_key()
    await trader.call("PUT", "/api/settings/pause", {"openingPaused": True, "closingPaused": False})
    accounts = await trader.call("GET", "/api/user-api-keys")
    assert accounts["keys"][0]["id"] == key["id"]
    wanted = {"accountId": key["id"], "symbol": symbol, "side": "long", "notional": 100, "leverage": 2}

    async def code() -> str | None:
        answer = await trader.gateway.post("/api/positions", json=wanted)
        found: str | None = answer.json().get("code")
        return found

    assert await code() == "OPENING_PAUSED"
    assert (await trader.truth())["orders"] == []
    await trader.call("PUT", "/api/settings/pause", GOING_ON)
    opened = await trader.call("POST", "/api/positions", wanted)
    assert opened["position"]["symbol"] == symbol
