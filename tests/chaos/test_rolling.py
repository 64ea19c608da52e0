"""Every process of every service restarted in turn, twice, by SIGTERM and under load: nobody notices.

Two replicas of each. No request is lost beyond one retry at the other gateway, no event is lost or told twice, every
write takes effect once, every crossed stop is closed by exactly one order, and what the venues hold and what the books
say agree. Each process ends its drain in time. CHAOS_SEED repeats a run.
"""

import asyncio
import json
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.chaos.test_closing import ACCOUNTS as _ACCOUNTS
from tests.chaos.test_closing import SEED, SETTINGS, Held, closed_once, differences, settle_in
from tests.e2e.trader import Json, Trader, exact, new_trader, until
from tests.stack import RunningStack, lift_limits, running_stack

ACCOUNTS = dict.fromkeys(_ACCOUNTS, (2, 8))
"""How many accounts a venue has, and how many positions each of them."""

UNLIMITED = {"RATE_LIMIT_READS": "0", "RATE_LIMIT_WRITES": "0"}
SERVICES = ("positions", "reconciler", "monitor", "gateway")
TURNS = 2
READERS = 2
PAUSE_SECONDS = 0.05
PACE_SECONDS = 0.7
RESTART = 1012
NOBODY_THERE = 503


@pytest.fixture
async def stack(session_dir: Path) -> AsyncIterator[RunningStack]:
    """A stack of this test's own, with two processes of each service."""
    async with running_stack(session_dir / "rolling", {**SETTINGS, **UNLIMITED, "REPLICAS": "2"}) as running:
        await lift_limits(running.sandbox)
        yield running


@dataclass
class Load:
    """What a client asks of both gateways in turn: once more, at the other one, where nobody was there."""

    gateways: list[httpx.AsyncClient]
    turns: Iterator[int] = field(default_factory=count)
    answered: Counter[str] = field(default_factory=Counter)
    retried: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)

    async def ask(self, what: str, method: str, path: str, **request: Any) -> httpx.Response | None:
        """The answer; None, and a note of it, where the second attempt failed as well."""
        first = next(self.turns)
        failures: list[str] = []
        for attempt in range(2):
            gateway = self.gateways[(first + attempt) % len(self.gateways)]
            try:
                answer = await gateway.request(method, path, **request)
            except httpx.TransportError as error:
                failures.append(f"{type(error).__name__}: {error}")
                continue
            if answer.status_code == NOBODY_THERE:
                failures.append(answer.text)
                continue
            if answer.status_code != httpx.codes.OK:
                self.lost.append(f"{method} {path}: {answer.status_code} {answer.text}, after {failures}")
            self.answered[what] += 1
            self.retried[what] += len(failures)
            return answer
        self.lost.append(f"{method} {path}: {failures}")
        return None


@dataclass
class Listener:
    """A socket that begins again where it was, at the other gateway, whenever it is closed."""

    urls: list[str]
    token: str
    facts: list[Json] = field(default_factory=list)
    closes: Counter[int] = field(default_factory=Counter)
    strange: list[Json] = field(default_factory=list)
    place: int | None = None

    async def run(self) -> None:
        """Listen until cancelled."""
        for turn in count():
            try:
                await self._listen(self.urls[turn % len(self.urls)])
            except ConnectionClosed as closed:
                self.closes[closed.rcvd.code if closed.rcvd else 0] += 1
            except OSError:
                await asyncio.sleep(PAUSE_SECONDS)

    async def _listen(self, url: str) -> None:
        offered = ["tandem", f"tandem.jwt.{self.token}"]
        if self.place is not None:
            offered.append(f"tandem.since.{self.place}")
        async with connect(url, subprotocols=[Subprotocol(one) for one in offered], proxy=None) as socket:
            async for text in socket:
                self._hear(exact(str(text)))
            raise ConnectionClosed(socket.protocol.close_rcvd, socket.protocol.close_sent)

    def _hear(self, message: Json) -> None:
        if message["type"] == "ready":
            self.place = self.place or int(message.get("sequence", 0)) or None
        elif message["type"] == "resync_required":
            self.strange.append(message)
        elif "sequence" in message:
            self.place = int(message["sequence"])
            self.facts.append(message)


@dataclass
class Writer:
    """Moves the stop of one position that no price reaches, each time under a key of its own."""

    load: Load
    trader: Trader
    position_id: str
    done: list[Decimal] = field(default_factory=list)

    async def run(self) -> None:
        """Write until cancelled. A write that was answered has taken effect; what was cancelled may have."""
        for number in count():
            price = Decimal(10) + Decimal(number) / 100
            answer = await self.load.ask(
                "writes",
                "PATCH",
                f"/api/positions/{self.position_id}/stop-loss",
                content=json.dumps({"price": float(price)}),
                headers={
                    "Authorization": f"Bearer {self.trader.token}",
                    "Content-Type": "application/json",
                    "Idempotency-Key": f"move-{number}",
                },
            )
            if answer is not None:
                self.done.append(price)
            await asyncio.sleep(PAUSE_SECONDS)


async def read(load: Load, traders: list[Trader]) -> None:
    """Read like open dashboards do, until cancelled."""
    for number in count():
        trader = traders[number % len(traders)]
        path = ("/api/positions/current", "/api/positions/history?period=7d", "/api/positions/status")[number % 3]
        await load.ask("reads", "GET", path, headers={"Authorization": f"Bearer {trader.token}"})
        await asyncio.sleep(PAUSE_SECONDS)


async def walk(hand: Trader, prices: dict[str, Decimal], chance: random.Random) -> None:
    """Prices walk until cancelled."""
    while True:
        for symbol, price in list(prices.items()):
            step = 1 + Decimal(chance.randrange(-60, 61)) / 10_000
            prices[symbol] = (price * step).quantize(Decimal("0.01"))
            await hand.set_price(symbol, str(prices[symbol]))
        # The pace of the path, not a wait for anything.
        await asyncio.sleep(PACE_SECONDS)


@asynccontextmanager
async def going_on(*work: Coroutine[Any, Any, object]) -> AsyncIterator[None]:
    """These run for as long as the block does; what one of them raises is raised."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if not isinstance(error, asyncio.CancelledError):
            raise AssertionError("the load ended by itself") from (error if isinstance(error, Exception) else None)


async def restart(stack: RunningStack, name: str) -> None:
    """SIGTERM, and wait until its successor is ready, as a rollout does."""
    before = stack.description["processes"][name]
    heard = len(stack.console)
    os.kill(before, signal.SIGTERM)
    assert "exit code 0" in await stack.heard(f"{name} died", after=heard), f"{name} did not drain in good order"
    await stack.heard(f"{name} is ready again", after=heard)


@pytest.mark.timeout(600)
async def test_restarting_everything_in_turn_loses_nothing(stack: RunningStack) -> None:
    chance = random.Random(SEED)  # noqa: S311 - a seeded one
    async with AsyncExitStack() as exits:
        prices: dict[str, Decimal] = {}
        settling, traders = [], []
        for exchange, (accounts, positions) in ACCOUNTS.items():
            own = [await exits.enter_async_context(new_trader(stack, exchange)) for _ in range(accounts)]
            symbols = {await own[0].mint_symbol("100"): Decimal(100) for _ in range(positions)}
            prices |= symbols
            settling += [settle_in(trader, symbols, random.Random(chance.random())) for trader in own]  # noqa: S311
            traders += own
        writing = await exits.enter_async_context(new_trader(stack, "bybit"))
        still = await writing.mint_symbol("100")
        await writing.trade(still, "buy", "1")
        await writing.add_key()
        rows = await until(writing.rows, lambda rows: rows.get(still, {}).get("inSync"), "the adoption")
        held = [position for some in await asyncio.gather(*settling) for position in some]

        gateways = [
            await exits.enter_async_context(httpx.AsyncClient(base_url=url, timeout=30, trust_env=False))
            for url in stack.description["gateways"]
        ]
        load = Load(gateways)
        writer = Writer(load, writing, rows[still]["id"])
        sockets = [url.replace("http://", "ws://", 1) + "/ws" for url in stack.description["gateways"]]
        listener = Listener(sockets, writing.token)
        closings = Listener(sockets, held[0].trader.token)
        readers = [read(load, traders) for _ in range(READERS)]
        async with going_on(listener.run(), closings.run()):
            await until(lambda: _places(listener, closings), all, "the sockets")
            async with going_on(writer.run(), *readers, walk(traders[0], prices, chance)):
                # All the first ones, then all the second: who calls has found the first again by then, as it has in a
                # rollout, where a process has to be ready for some seconds before the next is stopped.
                for suffix in ("", "-2") * TURNS:
                    for service in SERVICES:
                        await restart(stack, f"{service}{suffix}")
            print(f"answered {dict(load.answered)}, retried {dict(load.retried)}")  # noqa: T201
            assert not load.lost, f"{len(load.lost)} lost: {load.lost[:5]}"
            await all_agree(held, prices)
            await told_once(writer, listener)
            await closings_told_once(held[0].trader, held, closings)
            for gateway in stack.description["gateways"]:
                await every_process_is_seen(stack, gateway)
        for one in (listener, closings):
            assert not one.strange
            assert set(one.closes) <= {RESTART}, one.closes


async def _places(*listeners: Listener) -> list[int | None]:
    return [one.place for one in listeners]


async def every_process_is_seen(stack: RunningStack, gateway: str) -> None:
    """Administrators are told of the processes that run now, and of no other."""
    running = {f"{service}{suffix}" for service in ("positions", "monitor") for suffix in ("", "-2")}
    pids = {str(pid) for name, pid in stack.description["processes"].items() if name in running}
    headers = {"Authorization": f"Bearer {stack.token('somebody', 'admin')}"}
    async with httpx.AsyncClient(base_url=gateway, headers=headers, trust_env=False) as admin:

        async def seen() -> set[str]:
            rows = (await admin.get("/api/admin/status")).json()["venues"]
            return {str(row["replica"]).rpartition("-")[2] for row in rows}

        await until(seen, lambda found: found == pids, "every process to be told of")


async def all_agree(held: list[Held], prices: dict[str, Decimal]) -> None:
    """Venue and books are of one mind, and every closed position was closed by one order."""
    traders = {id(position.trader): position.trader for position in held}.values()
    closed = 0
    for trader in traders:
        own = [position for position in held if position.trader is trader]
        await until(
            lambda trader=trader, own=own: differences(trader, own, prices),  # type: ignore[misc]
            lambda found: not found,
            f"{trader.exchange} and the books to agree",
        )
        closed += await closed_once(trader, own)
    assert closed, "no stop was crossed: the path was too calm"
    print(f"{closed} of {len(held)} positions were closed, each by one order")  # noqa: T201


async def told_once(writer: Writer, listener: Listener) -> None:
    """Each write that was answered is in the timeline once, and each change was told once, in order."""
    trader = writer.trader

    async def stops() -> list[Decimal]:
        return [
            fact["data"]["stopLoss"]["price"] for fact in listener.facts if fact["type"] == "position_levels_changed"
        ]

    async def as_booked() -> bool:
        told, row = await stops(), (await trader.rows()).popitem()[1]
        return bool(told) and told[-1] == row["stopLoss"] >= writer.done[-1]

    # The write under way when the load ended may take effect without an answer, and later than this begins.
    await until(as_booked, bool, "the stop that is booked to be the last one told")
    heard = await stops()
    assert heard[: len(writer.done)] == writer.done
    assert len(heard) <= len(writer.done) + 1
    sequences = [fact["sequence"] for fact in listener.facts]
    assert sequences == sorted(set(sequences))


async def closings_told_once(trader: Trader, held: list[Held], closings: Listener) -> None:
    """The socket of one trader was told of each of the trader's closes once."""
    history = await trader.history()
    own = {row["id"] for row in history.values()}

    async def told() -> Counter[str]:
        return Counter(fact["data"]["id"] for fact in closings.facts if fact["type"] == "position_closed")

    heard = await until(told, lambda heard: heard.keys() >= own, "the closes to be told")
    assert heard == Counter(own)
