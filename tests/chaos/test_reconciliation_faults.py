"""A hundred positions through each fault of a venue, and through the death of a service in mid-run.

Not one false close; every true external close in that time is booked with its own exit afterwards, once.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.trader import Trader, new_trader, until
from tests.stack import RunningStack, running_stack

Json = Any
POSITIONS = 100
CLOSED = 3
"""How many are closed by hand while the fault lasts: fewer than make a list suspicious by their number alone."""

FAULTS: dict[str, Json] = {
    "empty list": {"kind": "empty_positions"},
    "missing rows": {"kind": "missing_positions", "count": 2},
    "many missing rows": {"kind": "missing_positions", "count": 40},
    "stale rows": {"kind": "stale_positions"},
    "5xx": {"kind": "status", "status": 503},
    "HTML": {"kind": "html"},
    "timeout": {"kind": "timeout", "seconds": 15},
}
CADENCE = {
    "RECONCILE_INTERVAL_SECONDS": "2",
    "RECONCILE_RECHECK_SECONDS": "0.5",
    "RECONCILE_ABSENCE_SPACING_SECONDS": "1",
    "RECONCILE_FILLS_LAG_SECONDS": "1",
    "RECONCILE_DEGRADED_WINDOW_SECONDS": "5",
    "RECONCILE_LEASE_SECONDS": "5",
}
LASTS_SECONDS = 12.0
"""Of a fault: the time of a dozen independent readings at this cadence."""


@pytest.fixture(scope="module")
async def stack(session_dir: Path) -> AsyncIterator[RunningStack]:
    """A stack of its own, in which everything that is spaced out is spaced closely."""
    async with running_stack(session_dir / "faults", CADENCE) as running:
        yield running


@pytest.fixture(scope="module", params=["binance", "bybit"])
async def trader(request: pytest.FixtureRequest, stack: RunningStack) -> AsyncIterator[Trader]:
    async with new_trader(stack, request.param) as someone:
        await someone.control("/sandbox/limits", {"exchange": request.param, "limit": 1_000_000})
        yield someone


@pytest.fixture(scope="module")
async def symbols(trader: Trader) -> list[str]:
    """A hundred positions, all of them in the books, and as many to come as are closed."""
    found = [await trader.mint_symbol("100") for _ in range(POSITIONS + CLOSED * (len(FAULTS) + 2))]
    for symbol in found:
        await trader.trade(symbol, "buy", "1")
    await trader.add_key()
    await until(trader.rows, lambda rows: len(rows) == len(found) and all(row["id"] for row in rows.values()), "rows")
    return found


async def history(trader: Trader) -> dict[str, list[Json]]:
    """The closed positions by pair: one row each, or it was booked twice."""
    rows: dict[str, list[Json]] = {}
    cursor = ""
    while True:
        page = await trader.call("GET", f"/api/positions/history?period=7d&limit=200&cursor={cursor}")
        for row in page["positions"]:
            rows.setdefault(row["pair"], []).append(row)
        cursor = page["nextCursor"]
        if not cursor:
            return rows


async def close_by_hand(trader: Trader, symbols: list[str]) -> dict[str, Decimal]:
    """The exit prices."""
    exits = {}
    for number, symbol in enumerate(symbols):
        await trader.set_price(symbol, str(110 + number))
        [fill] = await trader.trade(symbol, "sell", "1", reduce_only=True)
        exits[symbol] = Decimal(fill["price"])
    return exits


async def check_closed(trader: Trader, exits: dict[str, Decimal], before: set[str]) -> None:
    """All of them are booked, with their own exits, and nothing else is."""
    rows = await until(lambda: history(trader), lambda rows: exits.keys() <= rows.keys(), "the closes")
    assert rows.keys() == before | exits.keys()
    for symbol, price in exits.items():
        [row] = rows[symbol]
        assert (row["exitPrice"], row["estimated"]) == (price, False)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_closes_nothing_and_loses_nothing(trader: Trader, symbols: list[str], fault: str) -> None:
    first = list(FAULTS).index(fault) * CLOSED
    before = set(await history(trader))
    scope = {"exchange": trader.exchange, "apiKey": trader.api_key}
    given = await trader.control("/sandbox/faults", {**FAULTS[fault], **scope})
    exits = await close_by_hand(trader, symbols[first : first + CLOSED])
    loop = asyncio.get_running_loop()
    over = loop.time() + LASTS_SECONDS
    while loop.time() < over:
        assert set(await history(trader)) <= before | exits.keys(), "closed while it is open"
        await asyncio.sleep(1)
    assert (await trader.sandbox.delete(f"/sandbox/faults/{given['id']}")).status_code < 300
    await check_closed(trader, exits, before)


@pytest.mark.parametrize("service", ["reconciler", "positions"])
async def test_a_service_killed_in_mid_run_loses_nothing_and_books_nothing_twice(
    stack: RunningStack, trader: Trader, symbols: list[str], service: str
) -> None:
    first = (len(FAULTS) + ["reconciler", "positions"].index(service)) * CLOSED
    before = set(await history(trader))
    exits = await close_by_hand(trader, symbols[first : first + CLOSED])
    syncing = asyncio.create_task(trader.gateway.post("/api/positions/sync"))
    await asyncio.sleep(0)
    os.kill(stack.description["processes"][service], signal.SIGKILL)
    await asyncio.wait([syncing])
    await until(
        lambda: trader.gateway.get("/api/positions/history?period=7d"),
        lambda answer: answer.status_code == 200,
        f"{service} to be back",
    )
    await check_closed(trader, exits, before)
