"""From a pause to where nothing is opened or closed any more: `python -m tests.bench.pauses`.

A whole stack, with two processes of each service over a real Postgres and NATS. An administrator stops everybody at a
gateway; from its answer on each monitor is asked, at its own port, to open a position and to close a part of one, again
and again. What counts is the answer to the first request that was refused after the last that was let through, so that
a refusal which does not hold is none. To open is asked for an account that does not exist: refused as paused or as
unknown, it comes to nothing. What is closed is one unit of a position of very many.
"""

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median, quantiles
from uuid import uuid4

import grpc
import httpx

from protos.monitor.v1 import monitor_pb2, monitor_pb2_grpc
from protos.positions.v1 import types_pb2
from services.common.errors import DomainError
from services.common.status import RemoteFailure
from services.monitor.domain.pause import CONFIRMATION, ClosingPaused, OpeningPaused
from tests.bench.live import caller
from tests.e2e.trader import Trader, new_trader, until
from tests.servers import reachable_directory
from tests.stack import NO_LIMITS, RunningStack, lift_limits, running_stack

ROUNDS = 25
REPLICAS = ("monitor", "monitor-2")
TARGET_SECONDS = 2.0
SPACING_SECONDS = {"opening": 0.05, "closing": 0.15}
"""Between two requests at a door: a close that is let through costs much more than an opening that fails."""
READ_SECONDS = 0.5
"""How often a monitor reads its pauses: rounds begin anywhere in between, and a refusal has to hold for longer."""
GIVEN_UP_SECONDS = 20.0
PLENTY = "4000"
STOPPED = {"openingPaused": True, "closingPaused": True, "confirmation": CONFIRMATION, "reason": "it is measured"}
GOING_ON = {"openingPaused": False, "closingPaused": False}


@dataclass(frozen=True)
class Request:
    """One request: when it was sent and answered (`time.perf_counter`), and whether it was refused as paused.

    One that was not answered in time was let through, as far as anybody knows.
    """

    sent: float
    answered: float
    refused: bool


@dataclass(frozen=True)
class Door:
    """What one monitor is asked for, and the refusal that is waited for."""

    what: str
    ask: Callable[[], Awaitable[object]]
    refusal: type[DomainError]

    async def request(self) -> Request:
        sent = time.perf_counter()
        refused = False
        try:
            await self.ask()
        except DomainError as error:
            refused = isinstance(error, self.refusal)
        except RemoteFailure as failure:
            if failure.code is not grpc.StatusCode.DEADLINE_EXCEEDED:
                raise
        return Request(sent, time.perf_counter(), refused)

    async def refused_since(self) -> float:
        """Ask until it has been refused for longer than a monitor goes without reading; since when it was."""
        asked: list[asyncio.Task[Request]] = []
        async with asyncio.timeout(GIVEN_UP_SECONDS):
            while True:
                asked.append(asyncio.create_task(self.request()))
                await asyncio.sleep(SPACING_SECONDS[self.what])
                since = first_refusal([task.result() for task in asked if task.done()])
                if since is not None and time.perf_counter() - since > 2 * READ_SECONDS:
                    held = first_refusal(list(await asyncio.gather(*asked)))
                    if held is not None:
                        return held


def first_refusal(requests: list[Request]) -> float | None:
    """When the first refusal was answered that was asked for after the last request that was let through."""
    last = max((request.sent for request in requests if not request.refused), default=0.0)
    return min((request.answered for request in requests if request.refused and request.sent > last), default=None)


def doors(channel: grpc.aio.Channel, user_id: str, position_id: str) -> tuple[Door, Door]:
    """Opening and closing at one monitor."""
    monitor = monitor_pb2_grpc.MonitorServiceStub(channel)

    async def open_one() -> None:
        await monitor.OpenPosition(
            monitor_pb2.OpenPositionRequest(
                user_id=user_id,
                account_id=str(uuid4()),
                symbol="BTCUSDT",
                side=types_pb2.SIDE_LONG,
                quantity="1",
                origin=types_pb2.ORIGIN_MANUAL,
                request_id=str(uuid4()),
            )
        )

    async def close_one() -> None:
        await monitor.ClosePosition(
            monitor_pb2.ClosePositionRequest(
                user_id=user_id, position_id=position_id, request_id=str(uuid4()), quantity="1"
            )
        )

    return Door("opening", open_one, OpeningPaused), Door("closing", close_one, ClosingPaused)


async def hold(trader: Trader) -> str:
    """A position large enough to be closed in small parts for as long as it takes; its id."""
    symbol = await trader.mint_symbol("5")
    await trader.trade(symbol, "buy", PLENTY)
    await trader.add_key()
    rows = await until(trader.rows, lambda rows: rows.get(symbol, {}).get("inSync"), "the adoption")
    return str(rows[symbol]["id"])


async def rounds(stack: RunningStack, every: list[Door]) -> dict[str, list[float]]:
    """Seconds from the answer to a pause until the last of the monitors refuses, by what is refused."""
    chance = random.Random(1)  # noqa: S311 - where in its turn a monitor is
    took: dict[str, list[float]] = {"answer": []}
    headers = {"Authorization": f"Bearer {stack.token('administrator', 'admin')}"}
    async with httpx.AsyncClient(base_url=stack.gateway, headers=headers, timeout=30, trust_env=False) as admin:
        for number in range(ROUNDS):
            (await admin.put("/api/admin/pause", json=GOING_ON)).raise_for_status()
            for door in (door for door in every if door.what == "opening"):  # one switch is for both
                await until(door.request, lambda request: not request.refused, f"{door.what} to go on")
            await asyncio.sleep(chance.uniform(0, READ_SECONDS))
            asking = [asyncio.create_task(door.refused_since()) for door in every]
            begun = time.perf_counter()
            (await admin.put("/api/admin/pause", json={**STOPPED, "reason": f"round {number}"})).raise_for_status()
            answered = time.perf_counter()
            took["answer"].append(answered - begun)
            since = await asyncio.gather(*asking)
            for what in {door.what for door in every}:
                last = max(one for door, one in zip(every, since, strict=True) if door.what == what)
                took.setdefault(what, []).append(max(0.0, last - answered))
    return took


async def measure() -> dict[str, list[float]]:
    with reachable_directory() as directory:
        unlimited = {**NO_LIMITS, "RATE_LIMIT_READS": "0", "RATE_LIMIT_WRITES": "0", "REPLICAS": str(len(REPLICAS))}
        async with running_stack(directory / "stack", unlimited) as stack:
            await lift_limits(stack.sandbox)
            async with new_trader(stack, "binance") as trader:
                position_id = await hold(trader)
                channels = [caller(stack, replica) for replica in REPLICAS]
                every = [door for channel in channels for door in doors(channel, trader.user_id, position_id)]
                took = await rounds(stack, every)
                for channel in channels:
                    await channel.close()
                return took


def show(took: dict[str, list[float]]) -> bool:
    """Print the figures; whether the longest are within the target."""
    print(f"{f'{ROUNDS} pauses, {len(REPLICAS)} monitors, seconds':<52} median     p99     max   target")  # noqa: T201
    met = True
    for what, name in (
        ("answer", "to the answer that everybody is stopped"),
        ("opening", "from there until every monitor refuses to open"),
        ("closing", "from there until every monitor refuses to close"),
    ):
        values = took[what]
        figures = (median(values), quantiles(values, n=100, method="inclusive")[98], max(values))
        over = what != "answer" and figures[-1] >= TARGET_SECONDS
        met = met and not over
        target = "" if what == "answer" else f"   < {TARGET_SECONDS:g}{'  OVER' if over else ''}"
        print(f"{name:<50}{''.join(f'{figure:8.3f}' for figure in figures)}{target}")  # noqa: T201
    return met


def main() -> int:
    return 0 if show(asyncio.run(measure())) else 1


if __name__ == "__main__":
    sys.exit(main())
