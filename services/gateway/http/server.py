"""The public port: uvicorn inside our own process, which keeps its signals, its logs and its drain."""

import contextlib
import socket
import sys
from collections.abc import Callable, Iterator
from functools import partial

import structlog
import uvicorn
from starlette.types import ASGIApp

from services.common.errors import StartupError
from services.gateway.http.arrival import ARRIVAL_SECONDS, BoundedRequests

_log = structlog.get_logger(__name__)

KEEP_ALIVE_SECONDS = 75
"""Longer than a proxy keeps an idle connection to us (ingress-nginx: 60 s). Were it shorter, a write that comes just as
we close would be lost, and nobody could tell whether it took effect."""

_BACKLOG = 1024
_LARGEST_SOCKET_MESSAGE_BYTES = 64 * 1024
_UNREAD_MILLISECONDS = 30_000


class HttpServer:
    """Serves an application on one port. `bind`, then spawn `run`; `drain` ends it."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        host: str,
        port: int,
        ping_seconds: float,
        drain_seconds: int,
        arrival_seconds: float = ARRIVAL_SECONDS,
        keep_alive_seconds: int = KEEP_ALIVE_SECONDS,
    ) -> None:
        self._host = host
        self._port = port
        self._socket: socket.socket | None = None
        self._server = _Server(
            uvicorn.Config(
                app,
                http=partial(BoundedRequests, arrival_seconds=arrival_seconds),  # type: ignore[arg-type]  # it is called
                log_config=None,
                log_level="warning",  # below that it logs whole URLs of sockets, and whatever somebody put into them
                access_log=False,
                server_header=False,
                proxy_headers=False,
                lifespan="off",
                ws="websockets-sansio",
                ws_max_size=_LARGEST_SOCKET_MESSAGE_BYTES,
                ws_ping_interval=ping_seconds,
                ws_ping_timeout=ping_seconds,
                ws_per_message_deflate=False,
                timeout_keep_alive=keep_alive_seconds,
                timeout_graceful_shutdown=drain_seconds,
            )
        )

    def bind(self) -> tuple[str, int]:
        """Take the port; the host and port in use. StartupError where it cannot be had."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            self._socket = socket.create_server((self._host, self._port), family=family, backlog=_BACKLOG)
        except OSError as error:
            raise StartupError(
                f"GATEWAY_HOST {self._host} GATEWAY_PORT {self._port} cannot be used: {error.strerror or error}"
            ) from error
        # asyncio does so itself only for sockets that name their protocol, which those of create_server do not; without
        # it an answer waits 40 ms for the client's delayed acknowledgement.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sys.platform == "linux":
            # A client that reads nothing for this long is gone; its connection would else linger behind our close.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MILLISECONDS)
        host, port = self._socket.getsockname()[:2]
        return host, port

    async def run(self, serving: Callable[[], None]) -> None:
        """Serve until `drain`; `serving` is called when requests are taken."""
        if self._socket is None:
            raise RuntimeError("bind first")
        self._server.serving = serving
        await self._server.serve([self._socket])

    def drain(self) -> None:
        """Take no new connections, let requests under way finish within the drain time, then end `run`."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: signals belong to the process."""

    serving: Callable[[], None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.serving is not None:
            self.serving()
