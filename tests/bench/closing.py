"""From a price that crosses a stop to the order on the wire: `python -m tests.bench.closing`.

One monitor's own parts over a real Postgres and the sandbox, each a process of its own, with 10 000 positions loaded on
the symbol. Measured is the wall time from the checked price to the first byte of the order's request, at a plain TCP
relay in front of the sandbox; the books are in memory, as they have no part in it.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median, quantiles

import aiohttp
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.database import prepare_database
from deploy.local.postgres import running_postgres
from services.common.clock import SystemClock
from services.common.database import create_engine
from services.common.exchange.credentials import Credentials
from services.common.exchange.orders.market_orders import VenueOrders
from services.common.exchange.reader import VenueReader
from services.common.exchange.venues import ExchangeSettings, open_venues
from services.common.migration import migrate_schema
from services.common.telemetry import configure_logging
from services.common.trading.level import Level, LevelRules, NoLevel, Pinned
from services.common.trading.partition import PARTITIONS
from services.common.trading.side import Side, Venue
from services.monitor.carrying.timing import Timing
from services.monitor.closing.closer import Closer
from services.monitor.closing.keys import KeyLease, KeyRing
from services.monitor.closing.parts import Parts
from services.monitor.closing.store import PostgresIntents
from services.monitor.config import MonitorSettings
from services.monitor.domain.following import Change
from services.monitor.domain.position import Position
from services.monitor.domain.price_check import Price
from services.monitor.domain.triggers.index import BookIndex
from services.monitor.partitions.holding import PartitionHolder, fence
from services.monitor.triggers.firing import Firing
from services.monitor.triggers.loading import settle_memory
from services.monitor.triggers.watermarks import Watermarks
from tests.bench.triggers import NOW, positions
from tests.fakes.books import FakeBooks
from tests.fakes.crashes import CrashPlan

LOADED = 10_000
CLOSES = 200
WARM = 10
TARGETS_MS = {"median": 5.0, "p99": 20.0}
ORDER = b"POST /fapi/v1/order"


class Relay:
    """Hands bytes on in both directions, and notes when an order goes by."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.orders: asyncio.Queue[float] = asyncio.Queue()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        await asyncio.gather(self._pass(reader, back, noting=True), self._pass(there, writer, noting=False))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, noting: bool) -> None:
        while some := await reader.read(65536):
            if noting and some.startswith(ORDER):
                self.orders.put_nowait(time.perf_counter())
            writer.write(some)
            await writer.drain()
        writer.close()


class Keys:
    """The sandbox's one key."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    async def lease(self, account_id: str) -> KeyLease:
        return KeyLease(self._credentials, datetime.now(UTC) + timedelta(hours=1))


async def measure(sandbox_url: str, engine: AsyncEngine) -> list[float]:
    """Milliseconds from price to order, for each close."""
    relay = Relay(int(sandbox_url.rsplit(":", 1)[-1]))
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    settings = ExchangeSettings(mode="sandbox", sandbox_url=url, address_limits={Venue.BINANCE: 10**7})
    async with aiohttp.ClientSession() as http, open_venues(settings) as venues:

        async def control(path: str, body: dict[str, object]) -> dict[str, str]:
            async with http.post(f"{sandbox_url}/sandbox/{path}", json=body) as response:
                response.raise_for_status()
                answer: dict[str, str] = await response.json()
                return answer

        await control("limits", {"exchange": "binance", "limit": 10**7})
        symbol = (await control("symbols", {"price": "64000"}))["symbol"]
        account = await control("accounts", {"exchange": "binance", "balance": "100000000"})
        hand: dict[str, object] = {"exchange": "binance", "apiKey": account["apiKey"], "symbol": symbol}
        await control("trade", {**hand, "side": "buy", "quantity": "0.01"})
        clock = SystemClock()
        holder = PartitionHolder(engine, "bench", ttl_seconds=600)
        await holder.balance()
        assert len(holder.claims()) == PARTITIONS
        books = FakeBooks(CrashPlan())
        index, reader = BookIndex(), VenueReader(venues)
        keys = KeyRing(Keys(Credentials(account["apiKey"], account["secret"])), clock)
        parts = Parts(
            intents=PostgresIntents(engine, fence, uuid.uuid4),
            orders=VenueOrders(venues),
            accounts=reader,
            books=books,
            keys=keys,
            clock=clock,
            pause=asyncio.sleep,
            timing=Timing(),
            new_id=uuid.uuid4,
        )
        closer = Closer(parts, holder)
        firing = Firing(index, closer, holder, clock, Watermarks(timedelta(seconds=15)))
        given = positions(LOADED, spread=False)
        for position, watermark in zip(given.positions, given.watermarks, strict=True):
            index.put(replace(position, symbol=symbol), watermark)
        settle_memory()  # as the monitor does once its levels are loaded
        await keys.keep([given.positions[0].account_id])
        took = []
        for number in range(WARM + CLOSES):
            position = one_position(given.positions[0], symbol, number)
            books.positions[position.position_id] = position
            firing.on_change(Change(None, position))
            price = Price(position.instrument, Decimal("63999.9"), clock.now())
            started = time.perf_counter()
            firing.on_price(price)
            sent = await asyncio.wait_for(relay.orders.get(), 10)
            took.append((sent - started) * 1000)
            while tasks := [*firing._busy.values(), *closer._running.values()]:
                await asyncio.wait(tasks)
            firing.on_change(Change(position, None))
            firing.on_price(Price(position.instrument, Decimal(64000), clock.now()))
            await control("trade", {**hand, "side": "buy", "quantity": "0.01"})
        server.close()
        return took[WARM:]


def one_position(like: Position, symbol: str, number: int) -> Position:
    """A long of a hundredth with a stop at 63 999.9, at the top of the book."""
    return replace(
        like,
        position_id=f"OP_{number}",
        symbol=symbol,
        side=Side.LONG,
        quantity=Decimal("0.01"),
        levels=LevelRules(Level(Pinned(Decimal("63999.9")), NOW, Decimal(64000)), Level(NoLevel())),
    )


async def run(sandbox_url: str, directory: Path) -> list[float]:
    async with running_postgres(directory / "postgres") as postgres:
        names = ("positions", "reconciler", "monitor", "gateway")
        urls = await prepare_database(postgres.admin_url, {name: name for name in names})
        await migrate_schema(monitor_settings(urls["monitor"]), "services.monitor")
        engine = create_engine(urls["monitor"], "monitor")
        try:
            return await measure(sandbox_url, engine)
        finally:
            await engine.dispose()


def monitor_settings(database_url: str) -> MonitorSettings:
    """As far as a migration needs them."""
    nowhere = Path(__file__)  # a file that exists: nothing is read from it here
    return MonitorSettings(
        database_url=SecretStr(database_url),
        nats_url="nats://127.0.0.1:4222",
        admin_listen="127.0.0.1:0",
        grpc_listen="127.0.0.1:0",
        positions_target="ipv4:127.0.0.1:1",
        tls_cert_file=nowhere,
        tls_key_file=nowhere,
        tls_ca_file=nowhere,
    )


def show(took: list[float]) -> bool:
    """Print the figures; whether they are within their targets."""
    figures = {"median": median(took), "p99": quantiles(took, n=100)[98]}
    print(f"from price to order, {len(took)} closes, {LOADED} positions loaded   ms   target")  # noqa: T201
    met = True
    for name, value in figures.items():
        over = value >= TARGETS_MS[name]
        met = met and not over
        print(f"{name:<58}{value:7.2f}   < {TARGETS_MS[name]:g}{'  OVER' if over else ''}")  # noqa: T201
    print(f"{'worst':<58}{max(took):7.2f}")  # noqa: T201
    return met


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        command = [sys.executable, "-m", "deploy.sandbox", "--data", str(directory / "sandbox"), "--tick-seconds", "60"]
        (directory / "sandbox").mkdir()
        log = (directory / "log").open("w")
        with log, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sandbox:
            # What is logged costs what it costs in the service, and is out of the way of the figures.
            configure_logging("monitor", stream=log)
            try:
                assert sandbox.stdout is not None
                return 0 if show(asyncio.run(run(sandbox.stdout.readline().strip(), directory))) else 1
            finally:
                sandbox.terminate()


if __name__ == "__main__":
    sys.exit(main())
