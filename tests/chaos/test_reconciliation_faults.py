"""A hundred positions at each venue through each fault, and through the death of a service in mid-run.

Not one false close; every true external close in that time is booked with its own exit afterwards, once. Both venues
go through the same fault at the same time, each with an account of its own.
"""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.trader import Trader, new_trader, until
from tests.stack import RunningStack, lift_limits, running_stack

Json = Any
POSITIONS = 100
CLOSED = 3
"""How many are closed by hand at each venue while a fault lasts, or around the death of a service."""

FAULTS: dict[str, Json] = {
    "empty list": {"kind": "empty_positions"},
    "missing rows": {"kind": "missing_positions", "count": 2},
    "many missing rows": {"kind": "missing_positions", "count": 40},
    "stale rows": {"kind": "stale_positions"},
    "5xx": {"kind": "status", "status": 503},
    "HTML": {"kind": "html"},
    "timeout": {"kind": "timeout", "seconds": 15},
}
READING = {"binance": "GET /fapi/v3/positionRisk", "bybit": "GET /v5/position/list"}
LOOKS = {"timeout": 2}
"""Under how many readings a fault lasts: two that time out take longer than ten others."""

USUAL_LOOKS = 10
MOMENTS = 3
"""How often each service is killed."""

CADENCE = {
    "RECONCILE_INTERVAL_SECONDS": "2",
    "RECONCILE_RECHECK_SECONDS": "0.5",
    "RECONCILE_ABSENCE_SPACING_SECONDS": "0.6",
    "RECONCILE_FILLS_LAG_SECONDS": "0.6",
    "RECONCILE_DEGRADED_WINDOW_SECONDS": "5",
    "RECONCILE_LEASE_SECONDS": "2",
    "BINANCE_WEIGHT_PER_MINUTE": "1000000",
    "BYBIT_REQUESTS_PER_SECOND": "10000",
}
"""Ten readings at this cadence are more than the confirmations that an absence needs, well spaced, and then some."""


@dataclass
class Hundred:
    """A trader with a hundred positions that stay, and as many more as are closed by and by."""

    trader: Trader
    symbols: list[str]
    closed: set[str] = field(default_factory=set)

    async def close_some(self) -> dict[str, Decimal]:
        """By hand; the exit prices."""
        exits = {}
        for number in range(CLOSED):
            symbol = self.symbols.pop()
            await self.trader.set_price(symbol, str(110 + number))
            [fill] = await self.trader.trade(symbol, "sell", "1", reduce_only=True)
            exits[symbol] = Decimal(fill["price"])
            self.closed.add(symbol)
        return exits

    async def history(self) -> dict[str, list[Json]]:
        """The closed positions by pair: one row each, or it was booked twice."""
        rows: dict[str, list[Json]] = {}
        cursor = ""
        while True:
            page = await self.trader.call("GET", f"/api/positions/history?period=7d&limit=200&cursor={cursor}")
            for row in page["positions"]:
                rows.setdefault(row["pair"], []).append(row)
            cursor = page["nextCursor"]
            if not cursor:
                return rows

    async def readings(self) -> int:
        """How often the venue was asked for this account's positions so far."""
        asked = (await self.trader.sandbox.get("/sandbox/requests")).json()[self.trader.exchange]["byKey"]
        return int(asked.get(self.trader.api_key, {}).get(READING[self.trader.exchange], 0))

    async def check(self, exits: dict[str, Decimal]) -> None:
        """All of them are booked, with their own exits, and nothing else is; what is open is open, once."""
        rows = await until(self.history, lambda rows: exits.keys() <= rows.keys(), f"the closes of {self.name}")
        assert rows.keys() == self.closed
        for symbol, price in exits.items():
            [row] = rows[symbol]
            assert (row["exitPrice"], row["estimated"]) == (price, False)
        open_ = await until(self.trader.rows, lambda rows: all(row["inSync"] for row in rows.values()), "one mind")
        assert sorted(open_) == sorted(self.symbols)

    @property
    def name(self) -> str:
        return self.trader.exchange


@pytest.fixture(scope="module")
async def stack(session_dir: Path) -> AsyncIterator[RunningStack]:
    """A stack of its own, in which everything that is spaced out is spaced closely."""
    async with running_stack(session_dir / "faults", CADENCE) as running:
        await lift_limits(running.sandbox)
        yield running


@pytest.fixture(scope="module")
async def hundreds(stack: RunningStack) -> AsyncIterator[list[Hundred]]:
    """One at each venue, all of it in the books."""
    async with AsyncExitStack() as exits:
        traders = [await exits.enter_async_context(new_trader(stack, exchange)) for exchange in READING]
        yield list(await asyncio.gather(*(_settle_in(trader) for trader in traders)))


async def _settle_in(trader: Trader) -> Hundred:
    count = POSITIONS + CLOSED * (len(FAULTS) + 2 * MOMENTS)
    symbols = [await trader.mint_symbol("100") for _ in range(count)]
    for symbol in symbols:
        await trader.trade(symbol, "buy", "1")
    await trader.add_key()
    await until(trader.rows, lambda rows: len(rows) == count and all(row["id"] for row in rows.values()), "rows")
    return Hundred(trader, symbols)


async def at_once(hundreds: list[Hundred], act: Callable[[Hundred], Awaitable[None]]) -> None:
    await asyncio.gather(*(act(hundred) for hundred in hundreds))


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_closes_nothing_and_loses_nothing(hundreds: list[Hundred], fault: str) -> None:
    async def go_through(hundred: Hundred) -> None:
        scope = {"exchange": hundred.name, "apiKey": hundred.trader.api_key}
        given = await hundred.trader.control("/sandbox/faults", {**FAULTS[fault], **scope})
        exits = await hundred.close_some()
        enough = await hundred.readings() + LOOKS.get(fault, USUAL_LOOKS)

        async def seen() -> int:
            assert set(await hundred.history()) <= hundred.closed, "closed while it is open"
            return await hundred.readings()

        await until(seen, lambda readings: readings >= enough, f"readings of {hundred.name}")
        assert (await hundred.trader.sandbox.delete(f"/sandbox/faults/{given['id']}")).status_code < 300
        await hundred.check(exits)

    await at_once(hundreds, go_through)


@pytest.mark.parametrize("moment", range(MOMENTS))
@pytest.mark.parametrize("service", ["reconciler", "positions"])
async def test_a_service_killed_in_mid_run_loses_nothing_and_books_nothing_twice(
    stack: RunningStack, hundreds: list[Hundred], service: str, moment: int
) -> None:
    """Once while the venue is being asked, and otherwise at some moment of the runs that follow the closes."""
    scopes = [{"exchange": one.name, "apiKey": one.trader.api_key} for one in hundreds]
    if moment == 0:
        for scope in scopes:
            slow = {"kind": "delay", "seconds": 2, "endpoint": READING[scope["exchange"]], **scope}
            await hundreds[0].trader.control("/sandbox/faults", slow)
    before = [await hundred.readings() for hundred in hundreds]
    exits = await asyncio.gather(*(hundred.close_some() for hundred in hundreds))
    syncing = [asyncio.create_task(hundred.trader.gateway.post("/api/positions/sync")) for hundred in hundreds]
    for hundred, readings in zip(hundreds, before, strict=True):
        await until(hundred.readings, lambda seen, before=readings: seen > before, "a reading")  # type: ignore[misc]
    if moment > 0:
        # Some way into the run, which takes about this long: a different one each time.
        await asyncio.sleep(random.Random(f"{service} {moment}").random() * 0.4)  # noqa: S311
    killed = stack.description["processes"][service]
    os.kill(killed, signal.SIGKILL)
    await asyncio.wait(syncing)
    assert (await hundreds[0].trader.sandbox.delete("/sandbox/faults")).status_code < 300
    await until(
        lambda: hundreds[0].trader.gateway.post("/api/positions/sync"),
        lambda answer: answer.status_code == 200 and stack.description["processes"][service] != killed,
        f"{service} to be back",
    )
    for path in ("/api/positions/history?period=7d", "/api/positions/current"):
        # Each service finds its way back to the others by itself: the gateway may need a moment longer.
        await until(
            lambda path=path: hundreds[0].trader.gateway.get(path),  # type: ignore[misc]
            lambda answer: answer.status_code == 200,
            f"{path} to answer",
        )
    await asyncio.gather(*(hundred.check(gone) for hundred, gone in zip(hundreds, exits, strict=True)))
