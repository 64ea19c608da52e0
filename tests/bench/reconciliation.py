"""How many accounts a real stack reconciles, and what each costs which service: `python -m tests.bench.reconciliation`.

The stack is what a person starts: positions, reconciler, Postgres, NATS and the sandbox share this machine, and the
sandbox answers as the venues do. Every account is due all the time, so what is measured is what the machine can do; the
other services idle beside it. Processor time is what the kernel counts for each process.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import psutil
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from protos.positions.v1 import accounts_pb2, accounts_pb2_grpc, types_pb2
from services.common.channels import ServiceChannel, open_channel
from services.common.telemetry import Instruments
from tests.contract.common.settings import RpcSettings
from tests.e2e.trader import until
from tests.servers import reachable_directory
from tests.stack import RunningStack, lift_limits, running_stack

ACCOUNTS = {"binance": 60, "bybit": 60}
POSITIONS = 5
SECONDS = 15.0
ADDRESSES = 8
"""What a machine should be able to serve: so many addresses' budget of weight, of 1 200 accounts in 5 minutes each."""

TARGET = ADDRESSES * 1200 / 300
ENVIRONMENT = {
    "RECONCILE_INTERVAL_SECONDS": "0.2",
    "BINANCE_WEIGHT_PER_MINUTE": "10000000",
    "BYBIT_REQUESTS_PER_SECOND": "100000",
    "LOG_LEVEL": "WARNING",
}
_EXCHANGES = {"binance": types_pb2.EXCHANGE_BINANCE, "bybit": types_pb2.EXCHANGE_BYBIT}
_SERVERS = ("reconciler", "positions", "postgres", "nats", "sandbox", "gateway", "monitor")


@dataclass(frozen=True)
class Line:
    what: str
    value: float
    unit: str
    target: float | None = None

    def __str__(self) -> str:
        told = "" if self.target is None else f"≥ {self.target:g}  {'met' if self.met else 'MISSED'}"
        return f"{self.what:<62} {self.value:>9.2f} {self.unit:<12} {told}".rstrip()

    @property
    def met(self) -> bool:
        return self.target is None or self.value >= self.target


async def settle_in(stack: RunningStack, channel: ServiceChannel) -> None:
    """The accounts, each of a user of its own and with positions, in the books."""
    accounts = accounts_pb2_grpc.AccountsServiceStub(channel)
    async with httpx.AsyncClient(base_url=stack.sandbox, timeout=30, trust_env=False) as sandbox:
        symbols = [(await sandbox.post("/sandbox/symbols", json={"price": "100"})).json()["symbol"] for _ in range(5)]

        async def add(exchange: str, number: int) -> None:
            key = (await sandbox.post("/sandbox/accounts", json={"exchange": exchange})).json()
            for symbol in symbols[:POSITIONS]:
                trade = {"exchange": exchange, "apiKey": key["apiKey"], "symbol": symbol, "side": "buy"}
                (await sandbox.post("/sandbox/trade", json={**trade, "quantity": "1"})).raise_for_status()
            request = accounts_pb2.AddAccountRequest(
                user_id=f"user-{exchange}-{number}",
                exchange=_EXCHANGES[exchange],
                name="bench",
                api_key=key["apiKey"],
                api_secret=key["secret"],
            )
            await accounts.AddAccount(request)

        wanted = [(exchange, number) for exchange, count in ACCOUNTS.items() for number in range(count)]
        for some in _batched(wanted, 8):
            await asyncio.gather(*(add(exchange, number) for exchange, number in some))


def _batched(items: list[tuple[str, int]], size: int) -> Iterator[list[tuple[str, int]]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


async def runs(stack: RunningStack) -> dict[str, float]:
    """How many runs ended how, so far."""
    port = json.loads(stack.layout.ports_file.read_text())["reconciler.admin"]
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        told = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(told):
        for sample in family.samples:
            if sample.name == "tandem_reconciliation_runs_total":
                found[sample.labels["result"]] = found.get(sample.labels["result"], 0) + sample.value
    return found


def cpu_seconds(stack: RunningStack) -> dict[str, float]:
    """What each server and its children have spent so far."""
    spent = {}
    for name, child in json.loads(stack.layout.children_file.read_text()).items():
        process = psutil.Process(child["pid"])
        family = [process, *process.children(recursive=True)]
        spent[name] = sum(one.cpu_times().user + one.cpu_times().system for one in family)
    return spent


async def measure() -> list[Line]:
    with reachable_directory() as directory:
        async with running_stack(directory / "stack", ENVIRONMENT) as stack:
            await lift_limits(stack.sandbox)
            folder = stack.layout.certificates
            settings = RpcSettings(folder / "gateway.pem", folder / "gateway.key", folder / "ca.pem")
            port = json.loads(stack.layout.ports_file.read_text())["positions.grpc"]
            channel = open_channel(settings, f"ipv4:127.0.0.1:{port}", "positions", Instruments(CollectorRegistry()))
            await settle_in(stack, channel)
            await channel.close()
            await _all_adopted(stack)
            before, spent, begun = await runs(stack), cpu_seconds(stack), time.perf_counter()
            await asyncio.sleep(SECONDS)
            after, spent_then, took = await runs(stack), cpu_seconds(stack), time.perf_counter() - begun
    ended = {result: number - before.get(result, 0) for result, number in after.items()}
    done = ended.get("in_step", 0.0)
    used = {name: spent_then[name] - spent[name] for name in _SERVERS if name in spent}
    lines = [
        Line(
            f"accounts of {POSITIONS} positions, everything on one machine",
            done / took,
            "accounts/s",
            TARGET,
        ),
        Line("  of them in step, percent", 100 * done / max(1.0, sum(ended.values())), "%", 100),
        Line("  cores in use", sum(used.values()) / took, "cores"),
    ]
    lines += [Line(f"  processor time of an account at {name}", 1000 * s / done, "ms") for name, s in used.items()]
    ours = used["reconciler"] + used["positions"]
    lines.append(Line("  accounts in 5 minutes for a core of reconciler and positions", 300 * done / ours, "accounts"))
    return lines


async def _all_adopted(stack: RunningStack) -> None:
    """Until every account has been looked at again and again."""

    async def looks() -> float:
        return (await runs(stack)).get("in_step", 0.0)

    await until(looks, lambda number: number >= 3 * sum(ACCOUNTS.values()), "the accounts to be in step")


def main() -> None:
    """Print every figure with its target; the exit code says whether all were met."""
    lines = asyncio.run(measure())
    for line in lines:
        print(line)  # noqa: T201
    sys.exit(not all(line.met for line in lines))


if __name__ == "__main__":
    main()
