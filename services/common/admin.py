"""The plain HTTP port of a process for its keepers: /healthz, /readyz and /metrics.

Invariants: it answers from memory, so a probe never waits for anything; it holds no secret and changes nothing.
"""

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from services.common.config import split_address
from services.common.errors import StartupError
from services.common.health import HealthRegistry


class AdminServer:
    """Serves the admin port; `start` binds it."""

    def __init__(self, listen: str, health: HealthRegistry, registry: CollectorRegistry) -> None:
        self._listen = listen
        self._health = health
        self._registry = registry
        self._runner: web.AppRunner | None = None

    async def start(self) -> tuple[str, int]:
        """Bind and serve; the host and port in use. StartupError where the port cannot be had."""
        application = web.Application()
        application.router.add_get("/healthz", self._alive)
        application.router.add_get("/readyz", self._ready)
        application.router.add_get("/metrics", self._metrics)
        runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1)
        await runner.setup()
        host, port = split_address(self._listen)
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            raise StartupError(f"ADMIN_LISTEN {self._listen} cannot be used: {error.strerror or error}") from error
        self._runner = runner
        address = runner.addresses[0]
        return str(address[0]), int(address[1])

    async def stop(self) -> None:
        """Close the port; harmless where it was never open."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _alive(self, _: web.Request) -> web.Response:
        return _json({"status": "alive"}, 200)

    async def _ready(self, _: web.Request) -> web.Response:
        ready = self._health.ready()
        body = {"status": "ready" if ready else "not ready", "services": self._health.snapshot()}
        return _json(body, 200 if ready else 503)

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _json(body: object, status: int) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")
