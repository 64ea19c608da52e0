"""What happens around every request: an id, a log line, measurement, and the last line of defence.

Invariants: every request is counted once, and logged unless it is a read that went well (those at DEBUG), by its route
and never by its raw path; what nobody meant is logged with its traceback here and answered with an id.
"""

import asyncio
import re
import time
from collections.abc import Callable

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.common.interceptors import REQUEST_ID, new_request_id
from services.common.tracing import TRACE_PARENT, server_span
from services.gateway.http.errors import answer_failure

_log = structlog.get_logger(__name__)

_PLAIN = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS = _READS | {"POST", "PUT", "PATCH", "DELETE"}
_SLOW_SECONDS = 1.0
_GONE = 499
_IDS = frozenset({"position_id", "execution_id", "alert_id"})
_LONGEST_ID = 64
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class HttpInstruments:
    """What is measured of the public port."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "tandem_http_requests", "Requests answered.", ["method", "route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "tandem_http_seconds", "Time to answer a request.", ["route"], buckets=_BUCKETS, registry=registry
        )


class Observation:
    """The outermost layer of the app that answers anything itself."""

    def __init__(
        self, app: ASGIApp, instruments: HttpInstruments, around: Callable[[ASGIApp], ASGIApp] = lambda answer: answer
    ) -> None:
        """`around`: what stands around the answers of `app`, for those that are given in its place."""
        self._app = app
        self._instruments = instruments
        self._around = around

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started, status = time.perf_counter(), 0

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", []).append((REQUEST_ID.encode(), request_id.encode()))
            await send(message)

        try:
            with server_span(scope["method"], _carrier(scope)) as span:
                await self._app(scope, receive, observed)
                span.update_name(f"{scope['method']} {_route(scope)}")
        except asyncio.CancelledError:
            status = status or _GONE
            raise
        except ClientDisconnect:
            status = status or _GONE  # it went while it was still asking: nobody's fault, and nobody is there to answer
        except Exception:  # noqa: BLE001 - the edge of the process: what nobody meant goes no further than the log
            _log.exception("request failed")
            if status == 0:
                await self._around(answer_failure())(scope, receive, observed)
        finally:
            self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = _route(scope)
        method = scope["method"] if route != "none" and scope["method"] in _METHODS else "OTHER"
        self._instruments.requests.labels(method, route, str(status)).inc()
        self._instruments.seconds.labels(route).observe(seconds)
        # A read that went well is counted above; hundreds of lines a second of such would hide the others.
        plain = status < 400 and method in _READS and seconds < _SLOW_SECONDS
        log = _log.debug if plain else _log.info
        log("request", method=method, route=route, status=status, milliseconds=round(seconds * 1000, 1), **_ids(scope))


def _route(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", "none"))


def _ids(scope: Scope) -> dict[str, str]:
    """What the path names, as far as it can be an id at all."""
    named = scope.get("path_params", {}).items()
    return {name: str(value)[:_LONGEST_ID] for name, value in named if name in _IDS}


def _carrier(scope: Scope) -> dict[str, str]:
    given = [value.decode("latin-1") for name, value in scope["headers"] if name == TRACE_PARENT.encode()]
    return {TRACE_PARENT: given[0]} if given else {}


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == REQUEST_ID.encode() and _PLAIN.fullmatch(value):
            return str(value.decode())
    return new_request_id()
