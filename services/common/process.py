"""A service process: it starts, says that it is alive, and on SIGTERM or SIGINT drains within a bounded time.

Invariants: a background task that ends before the process does takes the process with it, loudly, with exit code 1,
and one that the process can do without is begun anew; what was started last is stopped first; a second signal ends the
process at once.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NoReturn, TypeVar

import structlog
from prometheus_client import REGISTRY, CollectorRegistry

from services.common.admin import AdminServer
from services.common.config import ServiceSettings
from services.common.errors import StartupError
from services.common.health import HealthRegistry
from services.common.telemetry import Instruments, configure_logging
from services.common.tracing import configure_tracing, flush_traces

_log = structlog.get_logger(__name__)

FAILED = 1
SHORTEST_REST = 1.0
LONGEST_REST = 60.0
"""Seconds before a task that failed is begun anew: doubled with each failure, and short again once it has gone well
for longer than the longest."""

Callback = Callable[[], Awaitable[object]]
Work = Callable[[], Coroutine[Any, Any, object]]
T = TypeVar("T")


class Process:
    """What a service's main is given: settings aside, everything that belongs to the process as a whole."""

    def __init__(
        self, service: str, *, drain_timeout_seconds: float = 15, registry: CollectorRegistry | None = None
    ) -> None:
        self.service = service
        self.replica = f"{socket.gethostname()}-{os.getpid()}"
        """The process's name among those of its service, on one machine as in pods of their own."""
        self.health = HealthRegistry()
        self.instruments = Instruments(registry if registry is not None else REGISTRY)
        self.stopping = asyncio.Event()
        """Set when the drain begins."""
        self.admin_address = ("", 0)
        """Host and port on which the admin server answers, once it does."""
        self._drain_timeout_seconds = drain_timeout_seconds
        self._undo: list[tuple[str, Callback]] = []
        self._failed = False

    def spawn(self, name: str, coroutine: Coroutine[Any, Any, object]) -> asyncio.Task[object]:
        """Run a coroutine for as long as the process lives; the drain cancels it in its turn (last started, first)."""
        task: asyncio.Task[object] = asyncio.create_task(coroutine, name=name)
        task.add_done_callback(self._ended)

        async def cancel() -> None:
            while not task.done():  # once should do, but a library that swallows it must not hold up the drain
                task.cancel()
                await asyncio.wait([task], timeout=1)

        self._undo.append((name, cancel))
        return task

    def attend(self, name: str, work: Work) -> None:
        """Run `work` for as long as the process lives, and begin it anew, after a rest, whenever it fails or ends.

        For what the process can do without for a while: a fault in it is told, counted, and costs nothing else.
        """
        self.instruments.background_failures.labels(name)
        self.spawn(name, self._attended(name, work))

    async def _attended(self, name: str, work: Work) -> NoReturn:
        clock, rest = asyncio.get_running_loop().time, 0.0
        while True:
            begun = clock()
            try:
                await work()
                _log.error("background task ended, and is begun anew", task=name)
            except Exception:  # noqa: BLE001 - an edge of the process: this task fails alone
                _log.exception("background task failed, and is begun anew", task=name)
            self.instruments.background_failures.labels(name).inc()
            went_well = clock() - begun > LONGEST_REST
            rest = SHORTEST_REST if went_well or not rest else min(2 * rest, LONGEST_REST)
            await asyncio.sleep(rest)

    def shield(self, name: str, listener: Callable[[T], object]) -> Callable[[T], None]:
        """`listener`, for a caller that must not fail with it: what it raises is told, counted, and goes no further."""
        failures = self.instruments.background_failures.labels(name)

        def listen(news: T) -> None:
            try:
                listener(news)
            except Exception:  # noqa: BLE001 - an edge of the process: the caller has more to do than this
                _log.exception("listener failed", task=name)
                failures.inc()

        return listen

    def on_drain(self, callback: Callback, name: str | None = None) -> None:
        """Call `callback` when the process drains: last registered, first called, each awaited before the next."""
        self._undo.append((name or str(getattr(callback, "__qualname__", "callback")), callback))

    def stop(self) -> None:
        """Begin the drain, as SIGTERM does."""
        self.stopping.set()

    async def supervise(self, main: Callable[["Process"], Awaitable[object]], admin_listen: str) -> int:
        """Run `main` to its end, then wait for a reason to stop, drain, and return the exit code.

        `main` wires and starts things and then returns, or runs on; it is cancelled when the process stops first.
        """
        admin = AdminServer(admin_listen, self.health, self.instruments.registry)
        starting = asyncio.create_task(self._start(admin, main), name="main")
        stopping = asyncio.create_task(self.stopping.wait(), name="stopping")
        try:
            await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                starting.cancel()
                await asyncio.wait([starting], timeout=self._drain_timeout_seconds)
            if starting.cancelled() and not self.stopping.is_set():
                self._failed = True
                _log.critical("main was cancelled")
            elif starting.done() and not starting.cancelled() and (error := starting.exception()) is not None:
                self._failed = True
                if isinstance(error, StartupError):
                    _log.critical("cannot start", error=str(error))
                else:
                    _log.critical("failed", exc_info=error)
            else:
                await stopping
            await self._drain()
        finally:
            stopping.cancel()
            await admin.stop()
        _log.info("stopped", exit_code=FAILED if self._failed else 0)
        return FAILED if self._failed else 0

    async def _start(self, admin: AdminServer, main: Callable[["Process"], Awaitable[object]]) -> None:
        self.admin_address = await admin.start()
        _log.info("started", admin="{}:{}".format(*self.admin_address), pid=os.getpid())
        await main(self)

    async def _drain(self) -> None:
        self.stopping.set()
        self.health.drain()
        _log.info("draining", timeout_seconds=self._drain_timeout_seconds)
        name = ""
        try:
            async with asyncio.timeout(self._drain_timeout_seconds):
                while self._undo:
                    name, callback = self._undo.pop()
                    try:
                        await callback()
                    except Exception:  # noqa: BLE001
                        # An edge of the process: one part that will not stop must not keep the others from stopping.
                        _log.exception("did not drain", part=name)
        except TimeoutError:
            self._failed = True
            _log.error("drain took too long", part=name, left=[part for part, _ in self._undo])

    def _ended(self, task: asyncio.Task[object]) -> None:
        error = None if task.cancelled() else task.exception()
        if self.stopping.is_set():
            if error is not None:
                _log.warning("background task failed while draining", task=task.get_name(), exc_info=error)
            return
        self._failed = True
        if isinstance(error, StartupError):
            _log.critical("cannot start", error=str(error))
        else:
            _log.critical("background task ended", task=task.get_name(), exc_info=error)
        self.stopping.set()


def run(settings: ServiceSettings, main: Callable[[Process], Awaitable[object]]) -> NoReturn:
    """Run a service until a signal ends it or it fails; exits with 0 or 1 and never returns."""
    configure_logging(settings.service, settings.log_level)
    configure_tracing(settings.service, settings.otel_exporter_otlp_endpoint, settings.otel_traces_sampler_arg)

    async def supervised() -> int:
        process = Process(settings.service, drain_timeout_seconds=settings.drain_timeout_seconds)
        with _signals(process):
            return await process.supervise(main, settings.admin_listen)

    try:
        raise SystemExit(asyncio.run(supervised()))
    finally:
        flush_traces()


@contextlib.contextmanager
def _signals(process: Process) -> Any:
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if process.stopping.is_set():
            _log.critical("second signal: ending at once", signal=number.name)
            os._exit(FAILED)
        _log.info("signal", signal=number.name)
        process.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
