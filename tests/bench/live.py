"""A cached live view of 50 positions over gRPC: `python -m tests.bench.live`.

One positions process as it is deployed (with its own Postgres, NATS and sandbox, over mutual TLS), asked by one caller
in this process. Where other work shares the machine, the calls for each second of processor time are what the process
could answer with a processor of its own. Shown for an account that is read every 5 s, and for one whose stream is
followed.
"""

import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client import CollectorRegistry

from protos.positions.v1 import accounts_pb2, accounts_pb2_grpc, live_pb2, live_pb2_grpc, types_pb2
from services.common.channels import ServiceChannel, open_channel
from services.common.telemetry import Instruments
from tests.contract.common.settings import RpcSettings
from tests.servers import reachable_directory
from tests.stack import RunningStack, running_stack

POSITIONS = 50
SECONDS = 5.0
CALLERS = 16
TARGET = 1500.0
USER = "bench"


@dataclass(frozen=True)
class Figure:
    what: str
    value: float
    unit: str
    target: float | None = None


def caller(stack: RunningStack, replica: str = "positions") -> ServiceChannel:
    """A channel to one process of a service (`monitor-2`), with the gateway's certificate."""
    folder = stack.layout.certificates
    settings = RpcSettings(folder / "gateway.pem", folder / "gateway.key", folder / "ca.pem")
    port = json.loads(stack.layout.ports_file.read_text())[f"{replica}.grpc"]
    service = replica.partition("-")[0]
    return open_channel(settings, f"ipv4:127.0.0.1:{port}", service, Instruments(CollectorRegistry()))


async def hold_positions(stack: RunningStack, channel: ServiceChannel) -> None:
    """An account of the user with so many open positions."""
    async with httpx.AsyncClient(base_url=stack.sandbox, timeout=30, trust_env=False) as sandbox:
        account = (await sandbox.post("/sandbox/accounts", json={"exchange": "binance", "balance": "1000000"})).json()
        for _ in range(POSITIONS):
            symbol = (await sandbox.post("/sandbox/symbols", json={"price": "100"})).json()["symbol"]
            trade = {"exchange": "binance", "apiKey": account["apiKey"], "symbol": symbol, "side": "buy"}
            (await sandbox.post("/sandbox/trade", json={**trade, "quantity": "1"})).raise_for_status()
    await accounts_pb2_grpc.AccountsServiceStub(channel).AddAccount(
        accounts_pb2.AddAccountRequest(
            user_id=USER,
            exchange=types_pb2.EXCHANGE_BINANCE,
            name="bench",
            api_key=account["apiKey"],
            api_secret=account["secret"],
        )
    )


def cpu_seconds(pid: int) -> float:
    """What a process has spent on the processor so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def rate(what: str, pid: int, call: Callable[[], Awaitable[object]]) -> list[Figure]:
    """Calls a second, how long one took, and what it cost the process that answered."""
    ends = time.perf_counter() + SECONDS
    took: list[float] = []

    async def one_caller() -> None:
        while (begun := time.perf_counter()) < ends:
            await call()
            took.append(time.perf_counter() - begun)

    begun, spent = time.perf_counter(), cpu_seconds(pid)
    await asyncio.gather(*(one_caller() for _ in range(CALLERS)))
    took_seconds, spent = time.perf_counter() - begun, cpu_seconds(pid) - spent
    return [
        Figure(f"cached live view of {POSITIONS} positions, {what}", len(took) / took_seconds, "calls/s", TARGET),
        Figure(f"  median of one call, {CALLERS} callers", statistics.median(took) * 1000, "ms"),
        Figure("  processor time of one call at positions", spent / len(took) * 1000, "ms"),
        Figure("  calls for each second of its processor time", len(took) / spent, "calls/s", TARGET),
    ]


async def watch(stack: RunningStack) -> None:
    """Look as a person does, through the gateway, so that the account's stream is followed."""
    headers = {"Authorization": f"Bearer {stack.token(USER)}"}
    async with httpx.AsyncClient(base_url=stack.gateway, headers=headers, timeout=30, trust_env=False) as gateway:
        while True:
            (await gateway.get("/api/positions/current")).raise_for_status()
            await asyncio.sleep(5)


async def measure() -> list[Figure]:
    with reachable_directory() as directory:
        async with running_stack(directory / "stack") as stack:
            channel = caller(stack)
            await hold_positions(stack, channel)
            stub = live_pb2_grpc.LivePositionsServiceStub(channel)
            request = live_pb2.ListLivePositionsRequest(user_id=USER)

            async def call() -> None:
                answer = await stub.ListLivePositions(request)
                assert len(answer.positions) == POSITIONS

            await call()
            pid = json.loads(stack.layout.children_file.read_text())["positions"]["pid"]
            figures = await rate("polled", pid, call)
            watching = asyncio.create_task(watch(stack))
            await asyncio.sleep(3)
            figures += await rate("followed", pid, call)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await channel.close()
            return figures


def show(figures: list[Figure]) -> bool:
    """Print the table; whether every figure that has a target reaches it."""
    print(f"{'':<46} {'':>9} {'unit':<8} {'target':>8}")  # noqa: T201
    met = True
    for figure in figures:
        short = figure.target is not None and figure.value < figure.target
        met = met and not short
        target = "" if figure.target is None else f"> {figure.target:g}"
        mark = "  SHORT" if short else ""
        print(f"{figure.what:<46} {figure.value:9.2f} {figure.unit:<8} {target:>8}{mark}")  # noqa: T201
    return met


def main() -> int:
    return 0 if show(asyncio.run(measure())) else 1


if __name__ == "__main__":
    sys.exit(main())
