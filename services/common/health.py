"""One registry of what this process can do now: it answers gRPC health, /readyz and nothing else does.

Invariants: a name is NOT_SERVING until it is set; after `drain` nothing serves again; readiness is about this process
and its Postgres, never about another Tandem service.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc

_log = structlog.get_logger(__name__)

DATABASE = "database"
"""The name under which a process's own Postgres is registered."""


class HealthRegistry:
    """Names (full gRPC service names, or `gateway.http`) and whether each serves."""

    def __init__(self) -> None:
        self._serving: dict[str, bool] = {}
        self._needed: set[str] = set()
        self._draining = False
        self._changed = asyncio.Event()

    def declare(self, name: str, *, readiness: bool = True) -> None:
        """Register a name as NOT_SERVING; with readiness=False, /readyz shows it but does not wait for it.

        The first declaration of a name decides; later ones change nothing.
        """
        if name not in self._serving:
            self._serving[name] = False
            if readiness:
                self._needed.add(name)
            self._notify()

    def set(self, name: str, serving: bool) -> None:
        """Say whether `name` serves; declares it if need be."""
        self.declare(name)
        if self._serving[name] != serving and not self._draining:
            self._serving[name] = serving
            _log.info("health changed", name=name, serving=serving)
            self._notify()

    def serving(self, name: str) -> bool | None:
        """Whether `name` serves; None for a name that nobody declared; "" is the process as a whole."""
        if name == "":
            return self.ready()
        return self._serving.get(name)

    def ready(self) -> bool:
        """Whether everything that counts towards readiness serves."""
        return not self._draining and all(self._serving[name] for name in self._needed)

    def snapshot(self) -> dict[str, str]:
        """Every name with SERVING or NOT_SERVING."""
        return {name: "SERVING" if serving else "NOT_SERVING" for name, serving in sorted(self._serving.items())}

    def drain(self) -> None:
        """Nothing serves from now on, for good."""
        self._draining = True
        self._serving = dict.fromkeys(self._serving, False)
        self._notify()

    async def changes(self) -> AsyncIterator[None]:
        """Yields once at once and then after each change; changes in quick succession may be one."""
        while True:
            changed = self._changed
            yield
            await changed.wait()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class HealthService(health_pb2_grpc.HealthServicer):
    """grpc.health.v1 from the registry."""

    def __init__(self, registry: HealthRegistry) -> None:
        self._registry = registry

    async def Check(  # noqa: N802 - the name is gRPC's
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> health_pb2.HealthCheckResponse:
        """The state of one name; NOT_FOUND for a name that nobody declared."""
        serving = self._registry.serving(request.service)
        if serving is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return health_pb2.HealthCheckResponse(status=_status(serving))

    async def Watch(  # noqa: N802 - the name is gRPC's
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """The state of one name, now and at each change; SERVICE_UNKNOWN for a name that nobody declared."""
        last = None
        async for _ in self._registry.changes():
            status = _status(self._registry.serving(request.service))
            if status != last:
                yield health_pb2.HealthCheckResponse(status=status)
            last = status


def _status(serving: bool | None) -> int:
    if serving is None:
        return health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    return health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
