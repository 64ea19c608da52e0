"""Hundreds of enforced stops under a random price path, venues that fail, and processes that are killed: one order
each.

Two monitors share the partitions. Afterwards what the sandbox holds and what the books say agree to the last fill,
every stop that stayed crossed closed its position with exactly one order, and no position was turned. CHAOS_SEED
repeats a run.
"""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

import pytest

from deploy.local.processes import ROOT
from tests.e2e.trader import Json, Trader, new_trader, until
from tests.stack import RunningStack, lift_limits, running_stack

SEED = int(os.environ.get("CHAOS_SEED", "1"))
ACCOUNTS = {"bybit": (8, 20), "binance": (4, 10)}
"""How many accounts a venue has, and how many positions each account."""
SETTINGS = {
    "RECONCILE_INTERVAL_SECONDS": "10",
    "BINANCE_WEIGHT_PER_MINUTE": "1000000",
    "BYBIT_REQUESTS_PER_SECOND": "10000",
}
"""A dozen accounts are adopted and watched from one address within seconds: its limits are not what is tried here."""

ROUNDS = 20
PACE_SECONDS = 0.7
KILLED = ("monitor", "positions", "nats", "postgres")
FAULTS = (
    {"exchange": "bybit", "endpoint": "POST /v5/order/create", "kind": "timeout", "when": "after", "seconds": 1},
    {"exchange": "binance", "endpoint": "POST /fapi/v1/order", "kind": "timeout", "when": "after", "seconds": 1},
    {"exchange": "bybit", "endpoint": "POST /v5/order/create", "kind": "status", "status": 503, "when": "before"},
    {"exchange": "binance", "endpoint": "POST /fapi/v1/order", "kind": "status", "status": 503, "when": "after"},
    {"exchange": "bybit", "endpoint": "POST /v5/order/create", "kind": "truncated"},
    {"exchange": "binance", "endpoint": "POST /fapi/v1/order", "kind": "drop", "when": "before"},
    {"exchange": "bybit", "kind": "stream_close"},
    {"exchange": "binance", "kind": "stream_close"},
)


@dataclass
class Held:
    """A position, and the stop that is set on it."""

    trader: Trader
    symbol: str
    side: str
    quantity: Decimal
    stop: Decimal

    def reached_at(self, price: Decimal) -> bool:
        return price <= self.stop if self.side == "buy" else price >= self.stop


@pytest.fixture
async def stack(session_dir: Path) -> AsyncIterator[RunningStack]:
    """A stack of this test's own: it kills what runs in it."""
    async with running_stack(session_dir / "chaos", SETTINGS) as running:
        await lift_limits(running.sandbox)
        yield running


@asynccontextmanager
async def second_monitor(stack: RunningStack) -> AsyncIterator[None]:
    """Another replica of the monitor beside the stack's, with the same environment and ports of its own."""
    pid = stack.description["processes"]["monitor"]
    environment = _environment_of(pid)
    log = open_log(stack.layout.root / "second-monitor.log")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.monitor", "serve"),
        cwd=ROOT,
        env={**environment, "GRPC_LISTEN": "127.0.0.1:0", "ADMIN_LISTEN": "127.0.0.1:0"},
        stdout=log,
        stderr=log,
    )
    try:
        yield
        assert process.returncode is None, "the second monitor ended by itself"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        log.close()


def _environment_of(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode().rstrip("\0").split("\0")
    return dict(pair.split("=", 1) for pair in pairs)


def open_log(path: Path) -> BinaryIO:
    return path.open("wb")


async def settle_in(trader: Trader, symbols: dict[str, Decimal], chance: random.Random) -> list[Held]:
    """Positions by the user's own hand, adopted, and a stop of the user's on each."""
    sides = {symbol: chance.choice(("buy", "sell")) for symbol in symbols}
    for symbol, side in sides.items():
        await trader.trade(symbol, side, "1")
    await trader.add_key()
    rows = await until(
        trader.rows,
        lambda rows: all(symbol in rows and rows[symbol]["inSync"] for symbol in symbols),
        "the adoptions",
    )
    held = []
    for symbol, price in symbols.items():
        away = Decimal(chance.randrange(4, 40)) / 10
        stop = (price * (100 - away if sides[symbol] == "buy" else 100 + away) / 100).quantize(Decimal("0.01"))
        await set_stop(trader, rows[symbol]["id"], stop)
        held.append(Held(trader, symbol, sides[symbol], Decimal(1), stop))
    return held


async def set_stop(trader: Trader, position_id: str, stop: Decimal) -> None:
    """As a person does it: once more where it could not be done just then."""
    answer = await until(
        lambda: trader.gateway.patch(f"/api/positions/{position_id}/stop-loss", json={"price": float(stop)}),
        lambda answer: answer.status_code != 503,
        "the stop to be set",
    )
    assert answer.status_code == 200, answer.text


@pytest.mark.timeout(300)
async def test_every_stop_closes_once_whatever_dies(stack: RunningStack) -> None:
    chance = random.Random(SEED)  # noqa: S311 - a seeded one
    async with AsyncExitStack() as exits:
        await exits.enter_async_context(second_monitor(stack))
        prices: dict[str, Decimal] = {}
        settling = []
        for exchange, (accounts, positions) in ACCOUNTS.items():
            traders = [await exits.enter_async_context(new_trader(stack, exchange)) for _ in range(accounts)]
            await traders[0].control("/sandbox/limits", {"exchange": exchange, "limit": 1_000_000})
            symbols = {await traders[0].mint_symbol("100"): Decimal(100) for _ in range(positions)}
            prices |= symbols
            settling += [settle_in(trader, symbols, random.Random(chance.random())) for trader in traders]  # noqa: S311
        held = [position for some in await asyncio.gather(*settling) for position in some]
        hand = held[0].trader
        await storm(stack, hand, prices, chance)
        await hand.sandbox.delete("/sandbox/faults")
        for symbol, price in list(prices.items()):
            step = Decimal("0.97") if chance.random() < 0.5 else Decimal("1.03")
            prices[symbol] = (price * step).quantize(Decimal("0.01"))
            await hand.set_price(symbol, str(prices[symbol]))
        for trader in {id(position.trader): position.trader for position in held}.values():
            own = [position for position in held if position.trader is trader]
            await until(
                lambda trader=trader, own=own: differences(trader, own, prices),  # type: ignore[misc]
                lambda found: not found,
                f"{trader.exchange} and the books to agree",
            )
        closed = 0
        for trader in {id(position.trader): position.trader for position in held}.values():
            closed += await closed_once(trader, [position for position in held if position.trader is trader])
        assert closed > len(held) // 3, f"only {closed} of {len(held)} were closed: the path was too calm"
        print(f"{closed} of {len(held)} positions were closed, each by one order")  # noqa: T201


async def storm(stack: RunningStack, hand: Trader, prices: dict[str, Decimal], chance: random.Random) -> None:
    """Prices walk while venues fail and processes are killed."""
    kills = dict(zip(chance.sample(range(2, ROUNDS - 4), len(KILLED)), KILLED, strict=True))
    for number in range(ROUNDS):
        fault = {**chance.choice(FAULTS), "times": chance.randrange(1, 4)}
        await hand.control("/sandbox/faults", fault)
        for symbol, price in list(prices.items()):
            step = 1 + Decimal(chance.randrange(-60, 61)) / 10_000
            prices[symbol] = (price * step).quantize(Decimal("0.01"))
            await hand.set_price(symbol, str(prices[symbol]))
        if number in kills:
            name = kills[number]
            before = stack.description["processes"][name]
            os.kill(before, signal.SIGKILL)
        # The pace of the path, not a wait for anything.
        await asyncio.sleep(PACE_SECONDS)


async def differences(trader: Trader, own: list[Held], prices: dict[str, Decimal]) -> list[str]:
    """Where venue, books and crossed stops are not of one mind yet."""
    for path in ("/api/positions/history?period=7d", f"/api/positions/current/{trader.exchange}"):
        # Who was killed last may still be starting.
        answer = await trader.gateway.get(path)
        if answer.status_code == 503:
            return [f"{path}: {answer.text}"]
    truth, rows, history = await trader.truth(), await trader.rows(), await trader.history()
    at_venue = {position["symbol"] for position in truth["positions"]}
    found = []
    for position in own:
        symbol = position.symbol
        if position.reached_at(prices[symbol]) and symbol in at_venue:
            found.append(f"{symbol} is open, {position.side} with its stop at {position.stop}, at {prices[symbol]}")
        if (symbol in at_venue) is (symbol in history):
            found.append(f"{symbol}: open at the venue {symbol in at_venue}, closed in the books {symbol in history}")
        if (symbol in at_venue) is not (symbol in rows):
            found.append(f"{symbol}: open at the venue {symbol in at_venue}, in the live view {symbol in rows}")
    return found


async def closed_once(trader: Trader, own: list[Held]) -> int:
    """Every closed position was closed by one order of ours, for what it held, and booked with its fills; how many."""

    async def at_one_moment() -> tuple[Json, dict[str, Json]]:
        return await trader.truth(), await trader.history()

    def agree(seen: tuple[Json, dict[str, Json]]) -> bool:
        at_venue = {position["symbol"] for position in seen[0]["positions"]}
        return all((position.symbol in at_venue) is not (position.symbol in seen[1]) for position in own)

    # A stop that was reached on the way and could not be closed until now may be at any moment.
    truth, history = await until(at_one_moment, agree, f"{trader.exchange} and the books to agree")
    closed = 0
    for position in own:
        fills = [fill for fill in truth["fills"] if fill["symbol"] == position.symbol]
        orders = [order for order in truth["orders"] if order["symbol"] == position.symbol]
        ours = [order for order in orders if Decimal(order["executed"]) and _is_ours(order)]
        row = history.get(position.symbol)
        at_venue = [one for one in truth["positions"] if one["symbol"] == position.symbol]
        sides = {"buy": "long", "sell": "short"}
        left = [] if row else [(sides[position.side], position.quantity)]
        assert [(one["side"], Decimal(one["quantity"])) for one in at_venue] == left, (
            f"{position.symbol} was turned or cut"
        )
        if row is None:
            assert not ours, f"{position.symbol} is open, and yet an order of ours was filled: {ours}"
            continue
        closed += 1
        assert len(ours) == 1, f"{position.symbol} was closed by {len(ours)} orders: {ours}"
        assert Decimal(ours[0]["executed"]) == position.quantity
        closing = [fill for fill in fills if fill["order_id"] == ours[0]["id"]]
        quantity = sum(Decimal(fill["quantity"]) for fill in closing)
        paid = sum(Decimal(fill["quantity"]) * Decimal(fill["price"]) for fill in closing)
        assert (row["quantity"], row["exitPrice"]) == (quantity, paid / quantity)
        assert (row["exitReason"], row["estimated"]) == ("STOP_LOSS", False)
    return closed


def _is_ours(order: Json) -> bool:
    return any(str(value).startswith("tdm-s-") for value in order.values())
