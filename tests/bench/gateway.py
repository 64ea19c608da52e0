"""What the gateway does on its hot paths, over the whole stack: `python -m tests.bench.gateway`.

The stack runs as a person starts it (Postgres, NATS, the sandbox and four services), on ports of its own; requests and
sockets come from this process, over loopback. Latencies are what a client sees. Marks carry the moment at which they
were given to NATS as their price, so that theirs is the whole way from there to the socket.
"""

import asyncio
import base64
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import nats
import psutil

from protos.monitor.v1 import events_pb2
from services.common.subjects import ephemeral_subject
from tests.stack import RunningStack

POSITIONS = 50
CONNECTIONS = 8
REQUEST_SECONDS = 5.0
WARM_SECONDS = 1.0
CLIENTS = 200
CLIENTS_PER_USER = 20
MARK_ROUNDS = 8
DEADLINE_SECONDS = 60.0
ENVIRONMENT = {"RATE_LIMIT_READS": "0", "RATE_LIMIT_WRITES": "0", "LOG_LEVEL": "WARNING"}


@dataclass(frozen=True)
class Line:
    what: str
    figure: float
    unit: str
    target: float | None
    at_least: bool = False

    def __str__(self) -> str:
        target, verdict = "", ""
        if self.target is not None:
            target = f"{'≥' if self.at_least else '≤'} {self.target:g}"
            met = self.figure >= self.target if self.at_least else self.figure <= self.target
            verdict = "met" if met else "MISSED"
        return f"{self.what:<66} {self.figure:>10.2f} {self.unit:<5} {target:>8}  {verdict}"


class Requests(asyncio.Protocol):
    """One connection that asks again as soon as it was answered; it reads no more of an answer than it must."""

    def __init__(self, request: bytes, size: Callable[[bytes], int]) -> None:
        self.seconds: list[float] = []
        self.stopped = asyncio.get_running_loop().create_future()
        self.stop = False
        self._request = request
        self._size = size
        self._read = b""
        self._expected = 0
        self._asked_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._read += data
        if not self._expected:
            self._expected = self._size(self._read)
        if not self._expected or len(self._read) < self._expected:
            return
        self.seconds.append(time.perf_counter() - self._asked_at)
        if self.stop:
            self._transport.close()
        else:
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.stopped.done():
            self.stopped.set_result(exc)

    def _ask(self) -> None:
        self._read, self._expected = b"", 0
        self._asked_at = time.perf_counter()
        self._transport.write(self._request)


def whole_size(read: bytes) -> int:
    """How many bytes the answer that begins so has; 0 while its head is not there yet."""
    head, found, _ = read.partition(b"\r\n\r\n")
    if not found:
        return 0
    if not head.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(head.decode(errors="replace"))
    length = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
    return len(head) + 4 + int(length)


class Listener(asyncio.Protocol):
    """A WebSocket client that notes how late each mark came, and does as little else as it can."""

    def __init__(self, host: str, token: str) -> None:
        self.seconds: list[float] = []
        self.ready = asyncio.Event()
        self.lost = False
        self._host = host
        self._token = token
        self._read = b""
        self._upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /ws HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"Sec-WebSocket-Protocol: tandem, tandem.jwt.{self._token}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        now = time.time()
        self._read += data
        if not self._upgraded:
            head, found, rest = self._read.partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head[:16]:
                raise RuntimeError(head.decode(errors="replace"))
            self._upgraded, self._read = True, rest
        at = 0
        while True:
            size, start = _frame(self._read, at)
            if not size or len(self._read) < start + size:
                break
            self._take(self._read[at] & 0x0F, self._read[start : start + size], now)
            at = start + size
        self._read = self._read[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True

    def close(self) -> None:
        self._transport.abort()

    def _take(self, kind: int, text: bytes, now: float) -> None:
        if kind == 9:  # a ping, which has to be answered: masked, with an empty mask
            self._transport.write(bytes([0x8A, 0x80 | len(text)]) + bytes(4) + text)
        elif b'"position_marked"' in text[:40]:
            sent = text.split(b'"currentPrice":', 1)[1].split(b",", 1)[0]
            self.seconds.append(now - float(sent))
        elif b'"ready"' in text:
            self.ready.set()


def _frame(read: bytes, at: int) -> tuple[int, int]:
    """Size and start of the payload of the frame at a place; size 0 while its head is not there yet."""
    if len(read) < at + 2:
        return 0, 0
    size = read[at + 1] & 0x7F
    if size < 126:
        return size, at + 2
    width = 2 if size == 126 else 8
    if len(read) < at + 2 + width:
        return 0, 0
    return int.from_bytes(read[at + 2 : at + 2 + width], "big"), at + 2 + width


def percentile(seconds: list[float], share: float) -> float:
    """In milliseconds."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


async def hold_positions(stack: RunningStack, token: str) -> None:
    """An account with fifty open positions, all of them in the books."""
    async with httpx.AsyncClient(base_url=stack.sandbox, timeout=DEADLINE_SECONDS, trust_env=False) as sandbox:
        symbols = []
        for _ in range(POSITIONS):
            minted = await sandbox.post("/sandbox/symbols", json={"price": "100"})
            symbols.append(minted.raise_for_status().json()["symbol"])
        held = [{"symbol": symbol, "side": "long", "quantity": "1"} for symbol in symbols]
        body = {"exchange": "binance", "balance": "1000000", "positions": held}
        account = (await sandbox.post("/sandbox/accounts", json=body)).raise_for_status().json()
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        base_url=stack.gateway, headers=headers, timeout=DEADLINE_SECONDS, trust_env=False
    ) as gateway:
        key = {"exchange": "binance", "apiKey": account["apiKey"], "apiSecret": account["secret"], "name": "bench"}
        (await gateway.post("/api/user-api-keys/add", json=key)).raise_for_status()
        (await gateway.post("/api/positions/sync")).raise_for_status()
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                rows = (await gateway.get("/api/positions/current")).json()["positions"]
                if len(rows) == POSITIONS and all(row["id"] for row in rows):
                    return
                await asyncio.sleep(0.2)


async def measure_requests(stack: RunningStack, token: str) -> list[Line]:
    """Asks for the open positions over and over, eight at a time."""
    url = httpx.URL(stack.gateway)
    request = (
        f"GET /api/positions/current HTTP/1.1\r\nHost: {url.netloc.decode()}\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()
    loop = asyncio.get_running_loop()
    asking = [
        (await loop.create_connection(lambda: Requests(request, whole_size), url.host, url.port or 80))[1]
        for _ in range(CONNECTIONS)
    ]
    await asyncio.sleep(WARM_SECONDS)
    for connection in asking:
        connection.seconds.clear()
    processes = {name: psutil.Process(stack.description["processes"][name]) for name in ("gateway", "positions")}
    used = {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}
    started = time.perf_counter()
    await asyncio.sleep(REQUEST_SECONDS)
    used = {name: sum(process.cpu_times()[:2]) - used[name] for name, process in processes.items()}
    seconds = list(itertools.chain.from_iterable(connection.seconds for connection in asking))
    rate = len(seconds) / (time.perf_counter() - started)
    for connection in asking:
        connection.stop = True
    await asyncio.gather(*(connection.stopped for connection in asking))
    what = f"GET /api/positions/current, {POSITIONS} positions, {CONNECTIONS} connections"
    return [
        Line(what, rate, "/s", 800, at_least=True),
        Line("  median", percentile(seconds, 0.5), "ms", None),
        Line("  p99", percentile(seconds, 0.99), "ms", 25),
        *(Line(f"  CPU of {name} for one", spent / len(seconds) * 1000, "ms", None) for name, spent in used.items()),
    ]


async def measure_marks(stack: RunningStack) -> list[Line]:
    """Fifty marks a second to each of two hundred sockets, spread evenly over the second as a monitor sends them."""
    url = httpx.URL(stack.gateway)
    users = [f"bench-{n}" for n in range(CLIENTS // CLIENTS_PER_USER)]
    loop = asyncio.get_running_loop()
    listeners: list[Listener] = []
    for user in users:
        token = stack.token(user)
        for _ in range(CLIENTS_PER_USER):
            made = partial(Listener, url.netloc.decode(), token)
            _, listener = await loop.create_connection(made, url.host, url.port or 80)
            listeners.append(listener)
    async with asyncio.timeout(DEADLINE_SECONDS):
        for listener in listeners:
            await listener.ready.wait()
    password = (stack.layout.secrets("monitor") / "nats_password").read_text()
    client = await nats.connect(stack.description["nats"], user="monitor", password=password)
    gateway = psutil.Process(stack.description["processes"]["gateway"])
    used = sum(gateway.cpu_times()[:2])
    begin = loop.time()
    for tick in range(MARK_ROUNDS * POSITIONS):
        await asyncio.sleep(max(0.0, begin + tick / POSITIONS - loop.time()))
        for user in users:
            mark = events_pb2.PositionMarked(
                user_id=user,
                position_id=f"OP_1_{tick % POSITIONS}",
                mark_price=f"{time.time():.6f}",
                unrealized_pnl="1.5",
                unrealized_pnl_percent="1.54",
                stop_loss="64000",
            )
            await client.publish(ephemeral_subject("monitor", "position_marked", user), mark.SerializeToString())
    took = loop.time() - begin
    await client.flush()
    expected = MARK_ROUNDS * POSITIONS * CLIENTS
    await asyncio.sleep(1)
    used = sum(gateway.cpu_times()[:2]) - used
    await client.close()
    seconds = list(itertools.chain.from_iterable(listener.seconds for listener in listeners))
    lost = sum(listener.lost for listener in listeners)
    for listener in listeners:
        listener.close()
    what = f"marks to {CLIENTS} sockets ({len(users)} users), {POSITIONS} a second each"
    return [
        Line(what, len(seconds) / took, "/s", None),
        Line("  marks that never came (coalesced or lost)", expected - len(seconds), "", 0),
        Line("  sockets that were dropped", lost, "", 0),
        Line("  median", percentile(seconds, 0.5), "ms", None),
        Line("  p99", percentile(seconds, 0.99), "ms", 50),
        Line("  CPU of gateway for each that came", used / max(1, len(seconds)) * 1e6, "us", None),
    ]


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="tandem-bench-") as name:
        os.chmod(name, 0o755)  # noqa: S103 - Postgres may run as somebody else
        directory = Path(name)
        stack = await RunningStack.start(directory / "stack", ENVIRONMENT)
        try:
            await stack.heard("Tandem is ready")
            token = stack.token("bench")
            await hold_positions(stack, token)
            lines = [*await measure_requests(stack, token), *await measure_marks(stack)]
        finally:
            await stack.stop()
    sys.stdout.write("\n".join(str(line) for line in lines) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
