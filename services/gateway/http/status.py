"""Whether Tandem works: open to anyone, so it costs the other services at most one question a second."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from services.common.clock import Clock
from services.gateway.clients import SERVING, ServiceHealth
from services.gateway.http import examples
from services.gateway.http.json import Document, respond
from services.gateway.http.openapi import documented

API_VERSION = "v6.0.0"
_FRESH = timedelta(seconds=1)


class StatusAnswer(Document, kw_only=True, frozen=True):
    """The state of the whole: `operational` when every service is active, else `degraded`."""

    api_version: str = msgspec.field(name="api_version")
    status: str
    services: dict[str, str]
    trading_mode: str = "PERSONAL"
    hybrid_position_management: str = "enabled"
    note: str = "Real-time positions from exchange via /api/positions/*"


class StatusBoard:
    """Asks every service's health, at most once a second however many ask."""

    def __init__(self, services: Mapping[str, ServiceHealth], clock: Clock) -> None:
        self._services = services
        self._clock = clock
        self._lock = asyncio.Lock()
        self._asked_at: datetime | None = None
        self._known: dict[str, Mapping[str, str]] = {}

    def now(self) -> datetime:
        """The present, by the board's clock."""
        return self._clock.now()

    async def read(self) -> dict[str, bool]:
        """Each service and whether all of it serves, no older than a second."""
        return {name: set(parts.values()) <= {SERVING} for name, parts in (await self.detail()).items()}

    async def detail(self) -> dict[str, Mapping[str, str]]:
        """Each service and what each of its parts says, no older than a second."""
        async with self._lock:
            now = self._clock.now()
            if self._asked_at is None or now - self._asked_at >= _FRESH:
                answers = await asyncio.gather(*(service.check() for service in self._services.values()))
                self._known = dict(zip(self._services, answers, strict=True))
                self._asked_at = now
            return self._known


def status_router(board: StatusBoard) -> APIRouter:
    router = APIRouter(tags=["operations"])

    @router.get(
        "/api/status",
        summary="The state of every service",
        **documented(StatusAnswer, examples.STATUS, errors=(500,)),
    )
    async def status() -> Response:
        # The gateway answers, so it is active; the others are asked.
        serving = {**await board.read(), "gateway": True}
        services = {name: "active" if active else "inactive" for name, active in serving.items()}
        whole = "operational" if all(serving.values()) else "degraded"
        return respond(StatusAnswer(api_version=API_VERSION, status=whole, services=services))

    return router
