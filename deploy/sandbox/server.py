"""The sandbox's one HTTP and WebSocket server.

Invariants: listens on loopback only; the state is committed before an answer leaves; the venues change
only in between awaits, so a request sees whole changes.
"""

import asyncio
import contextlib
import socket as sockets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from .binance.listen_keys import ListenKeys
from .binance.rest import BinanceRest
from .binance.streams import BinanceStreams
from .bybit.rest import BybitRest
from .bybit.streams import BybitStreams
from .control import Control, answer
from .core.symbols import VenueName
from .core.venue import Venue
from .counters import Requests
from .faults import Fault, Faults
from .hub import Hub
from .replay import ReplayStep, read_replay
from .state import State
from .weights import MinuteWeight, SlidingCount
from .wire import Answer, Exchange, Request

BINANCE_WEIGHT = 2_400
BYBIT_REQUESTS = 600
WEB_SOCKET_PATHS: dict[VenueName, tuple[str, ...]] = {
    "binance": ("/market/ws", "/public/ws", "/private/ws", "/ws", "/stream", "/market/stream", "/public/stream"),
    "bybit": ("/v5/public/linear", "/v5/private"),
}


class NotLoopback(Exception):
    """The sandbox has no authentication of its own: it listens on a loopback address only."""


def require_loopback(host: str) -> None:
    """Raises NotLoopback for a host that others could reach."""
    try:
        loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise NotLoopback(f"--host {host}: the sandbox listens on loopback only; use 127.0.0.1")


class Sandbox:
    """Both venues, their dialects and the control routes behind one aiohttp application."""

    def __init__(
        self,
        directory: Path,
        *,
        seed: int = 1,
        tick_seconds: float = 1.0,
        binance_weight: int = BINANCE_WEIGHT,
        bybit_requests: int = BYBIT_REQUESTS,
    ) -> None:
        self._state = State(directory)
        self._tick_seconds = tick_seconds
        self.faults = Faults()
        self.requests = Requests()
        binance, bybit = (Venue(name, self._state, seed) for name in ("binance", "bybit"))
        self.venues: dict[VenueName, Venue] = {"binance": binance, "bybit": bybit}
        self._hubs: dict[VenueName, Hub] = {name: Hub(name, self.faults) for name in self.venues}
        self._listen_keys = listen_keys = ListenKeys(binance.now_ms)
        binance_rest = BinanceRest(binance, listen_keys, binance_weight)
        bybit_rest = BybitRest(bybit, bybit_requests, self._soon)
        self._rest: dict[VenueName, Exchange] = {"binance": binance_rest, "bybit": bybit_rest}
        self._streams: dict[VenueName, BinanceStreams | BybitStreams] = {
            "binance": BinanceStreams(binance, self._hubs["binance"], listen_keys),
            "bybit": BybitStreams(bybit, self._hubs["bybit"]),
        }
        self._control = Control(self.venues, self.faults, self.requests)
        self._control.expire_listen_key = listen_keys.expire
        self._control.deafen = self._deafen
        self._control.play = lambda steps, speed: self._keep(self._replay(steps, speed))
        limits: dict[VenueName, MinuteWeight | SlidingCount] = {
            "binance": binance_rest.weights,
            "bybit": bybit_rest.limits,
        }
        self._control.set_limit = lambda name, limit: limits[name].pardon(limit)
        self._tasks: set[asyncio.Task[None]] = set()
        self._state.commit()

    def application(self) -> web.Application:
        app = web.Application()
        for method, path, handler in self._control.routes():
            app.router.add_route(method, path, self._control_route(handler))
        for name, paths in WEB_SOCKET_PATHS.items():
            for path in paths:
                app.router.add_get(path, self._streams[name].serve)
                app.router.add_get(path + "/{tail}", self._streams[name].serve)
        app.router.add_route("*", "/{path:.*}", self._exchange_route)
        app.on_startup.append(self._start)
        app.on_shutdown.append(self._stop)
        return app

    def _deafen(self, name: VenueName, api_key: str) -> None:
        self._hubs[name].deafen(api_key)
        if name == "binance":
            self._listen_keys.close(self.venues[name].keys[api_key].account_id)

    # The market's clock.

    async def _start(self, _app: web.Application) -> None:
        self._keep(self._run_market())

    async def _stop(self, _app: web.Application) -> None:
        for task in list(self._tasks):
            task.cancel()
        for hub in self._hubs.values():
            await hub.close()

    def close(self) -> None:
        """Write what is left and give the directory back."""
        self._state.close()

    async def _run_market(self) -> None:
        while True:
            await asyncio.sleep(self._tick_seconds)
            for venue in self.venues.values():
                venue.tick()
            for streams in self._streams.values():
                streams.pulse()
            self._state.commit()

    async def _replay(self, steps: list[ReplayStep], speed: float) -> None:
        clock = asyncio.get_running_loop()
        start = clock.time()
        for step in steps:
            await asyncio.sleep(max(0.0, start + step.seconds / speed - clock.time()))
            for name in step.exchanges:
                self.venues[name].set_price(step.symbol, step.last, step.mark, held=True)
            self._state.commit()

    def play(self, text: str, speed: float) -> None:
        """Replay a CSV of prices. Raises ReplayRefused. Only on a running event loop."""
        self._keep(self._replay(read_replay(text, self._control.symbols()), speed))

    def _soon(self, seconds: float, work: Callable[[], object]) -> None:
        """Do a change a little later and commit it."""

        async def later() -> None:
            await asyncio.sleep(seconds)
            work()
            self._state.commit()

        self._keep(later())

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Requests.

    def _control_route(
        self, handler: Callable[[web.Request, bytes], Any]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def serve(request: web.Request) -> web.Response:
            status, body = answer(handler, request, await request.read())
            self._state.commit()
            return web.Response(body=body, status=status, content_type="application/json")

        return serve

    async def _exchange_route(self, request: web.Request) -> web.StreamResponse:
        name: VenueName = "bybit" if request.path.startswith("/v5/") else "binance"
        exchange = self._rest[name]
        asked = Request(
            request.method,
            request.path,
            request.rel_url.raw_query_string,
            (await request.read()).decode(errors="replace"),
            request.headers,
        )
        api_key = exchange.key_of(asked)
        self.requests.count(name, f"{asked.method} {asked.path}", api_key)
        faults = self.faults.of_request(name, asked.method, asked.path, api_key)
        for fault in faults:
            reply = await self._before(exchange, asked, fault, request)
            if reply is not None:
                return self._reply(reply)
        reply = self._run(exchange, asked, faults)
        body = reply.encode()
        for fault in faults:
            if fault.kind == "delay" and fault.when == "after":
                await asyncio.sleep(fault.seconds)
            elif fault.kind in ("timeout", "drop") and fault.when == "after":
                await self._hang_up(request, fault)
            elif fault.kind == "status" and fault.when == "after":
                return self._reply(_failure(exchange, fault))
            elif fault.kind == "html":
                page = "<html><head><title>Maintenance</title></head><body>Please try again later.</body></html>"
                return web.Response(text=page, content_type="text/html", status=200)
            elif fault.kind == "truncated":
                body = body[: len(body) // 2]
            elif fault.kind == "empty":
                body = b""
        return web.Response(body=body, status=reply.status, headers=reply.headers, content_type="application/json")

    def _run(self, exchange: Exchange, asked: Request, faults: list[Fault]) -> Answer:
        partial = next((Decimal(fault.fraction) for fault in faults if fault.kind == "partial_fill"), None)
        try:
            return exchange.run(asked, self.faults.view(faults), partial)
        finally:
            self._state.commit()

    async def _before(self, exchange: Exchange, asked: Request, fault: Fault, request: web.Request) -> Answer | None:
        """What a fault does before the venue sees the request; an answer if the venue never does."""
        if fault.kind == "late":
            taken = msgspec.structs.replace(asked, received_ms=exchange.venue.now_ms())
            self._soon(fault.seconds, lambda: exchange.run(taken, self.faults.view([]), None))
            return _failure(exchange, fault)
        if fault.when == "after":
            return None
        if fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
        elif fault.kind in ("timeout", "drop"):
            await self._hang_up(request, fault)
        elif fault.kind == "status":
            return _failure(exchange, fault)
        return None

    async def _hang_up(self, request: web.Request, fault: Fault) -> None:
        """Close the connection without an answer, at once or after a while."""
        if fault.kind == "timeout":
            await asyncio.sleep(fault.seconds)
        if request.transport is not None:
            request.transport.abort()
        raise web.HTTPInternalServerError

    def _reply(self, reply: Answer) -> web.Response:
        return web.Response(
            body=reply.encode(), status=reply.status, headers=reply.headers, content_type="application/json"
        )


def _failure(exchange: Exchange, fault: Fault) -> Answer:
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    return exchange.fail(fault.status, fault.code, fault.message, headers)


@contextlib.asynccontextmanager
async def running_sandbox(
    directory: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    seed: int = 1,
    tick_seconds: float = 1.0,
    binance_weight: int = BINANCE_WEIGHT,
    bybit_requests: int = BYBIT_REQUESTS,
    replay: str = "",
    replay_speed: float = 1.0,
) -> AsyncIterator[str]:
    """A sandbox in this process for as long as the block runs; yields its URL. Port 0 is a free one.

    `replay` is the text of a CSV of prices. Raises NotLoopback, StateInUse, ReplayRefused, or OSError where
    the port or the directory cannot be had.
    """
    require_loopback(host)
    sandbox = Sandbox(
        directory, seed=seed, tick_seconds=tick_seconds, binance_weight=binance_weight, bybit_requests=bybit_requests
    )
    try:
        runner = web.AppRunner(sandbox.application(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            family = sockets.AF_INET6 if ":" in host else sockets.AF_INET
            listener = sockets.create_server((host, port), family=family, backlog=512)
            await web.SockSite(runner, listener).start()
            if replay:
                sandbox.play(replay, replay_speed)
            name = f"[{host}]" if ":" in host else host
            yield f"http://{name}:{listener.getsockname()[1]}"
        finally:
            await runner.cleanup()
    finally:
        sandbox.close()
