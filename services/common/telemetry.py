"""Logs as JSON lines on stdout, and the Prometheus instruments that every service shares.

Invariants: structlog and the standard library's logging come out the same way; a value whose key names a secret, and a
secret inside a string, are redacted before anything is written; instruments live in a registry that is passed in.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from structlog.typing import EventDict, Processor, WrappedLogger

from services.common.tracing import add_trace_id

REDACTED = "[redacted]"
_SECRET_KEY = re.compile(
    r"secret|signature|api[_-]?key|token(?!s)|passw|authorization|cookie|private[_-]?key|credential", re.IGNORECASE
)
_SECRET_IN_TEXT = (
    # name=value and "name": "value" of things that are secret
    (
        re.compile(
            r"(?P<keep>\b(?:[\w-]*(?:signature|secret|api[_-]?key|password|token))[\"']?\s*[=:]\s*[\"']?)[^\s&\"',;}\])]+",
            re.IGNORECASE,
        ),
        rf"\g<keep>{REDACTED}",
    ),
    (re.compile(r"(?P<keep>\bbearer\s+)[\w.~+/=-]+", re.IGNORECASE), rf"\g<keep>{REDACTED}"),
    # scheme://user:password@host
    (re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^\s/@\"']*@", re.IGNORECASE), rf"\g<scheme>{REDACTED}@"),
)
_LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def configure_logging(service: str, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send structlog and the standard library's loggers to `stream` (stdout) as JSON lines with the service's name."""

    def add_service(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event.setdefault("service", service)
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_service,
        add_trace_id,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.stdlib.PositionalArgumentsFormatter(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream if stream is not None else sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.StackInfoRenderer(),
                structlog.processors.format_exc_info,
                redact,
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """A structlog processor that hides secrets by the name of their key and by their shape inside strings."""
    return {key: _redacted(key, value) for key, value in event.items()}


def scrub(text: str) -> str:
    """`text` without signatures, keys, tokens, passwords and credentials of URLs."""
    for pattern, replacement in _SECRET_IN_TEXT:
        text = pattern.sub(replacement, text)
    return text


def _redacted(key: str, value: Any) -> Any:  # noqa: PLR0911 - one line per type is the clearest form
    if _SECRET_KEY.search(key):
        return REDACTED
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, bytes):
        return scrub(value.decode("utf-8", "replace"))
    if isinstance(value, Mapping):
        return {str(name): _redacted(str(name), inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(key, inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return scrub(str(value))


class Instruments:
    """What every service measures; one per process, over the registry that /metrics shows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.background_failures = Counter(
            "tandem_background_failures", "Failures of what the process does without.", ["task"], registry=registry
        )
        self.rpc_server_calls = Counter(
            "tandem_rpc_server_calls", "Calls answered.", ["method", "caller", "code"], registry=registry
        )
        self.rpc_server_seconds = Histogram(
            "tandem_rpc_server_seconds",
            "Time to answer a call.",
            ["method"],
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self.rpc_server_in_flight = Gauge("tandem_rpc_server_in_flight", "Calls being answered.", registry=registry)
        self.rpc_client_calls = Counter("tandem_rpc_client_calls", "Calls made.", ["method", "code"], registry=registry)
        self.rpc_client_seconds = Histogram(
            "tandem_rpc_client_seconds", "Time of a call.", ["method"], buckets=_LATENCY_BUCKETS, registry=registry
        )
        self.bus_connected = Gauge("tandem_bus_connected", "1 while NATS is connected.", registry=registry)
        self.bus_handled = Counter(
            "tandem_bus_handled", "Messages handled.", ["consumer", "outcome"], registry=registry
        )
        self.outbox_depth = Gauge("tandem_outbox_depth", "Events not yet published.", registry=registry)
        self.outbox_oldest_seconds = Gauge(
            "tandem_outbox_oldest_seconds", "How long the oldest of them has waited.", registry=registry
        )
        self.outbox_published = Counter("tandem_outbox_published", "Events published.", registry=registry)
        self.outbox_failures = Counter("tandem_outbox_failures", "Failed attempts to publish.", registry=registry)
        self.database_up = Gauge("tandem_database_up", "1 while Postgres answers.", registry=registry)
        self.database_seconds = Gauge(
            "tandem_database_answer_seconds", "How long the last question of the watch took.", registry=registry
        )
        self.database_connections = Gauge(
            "tandem_database_connections_in_use", "Connections of the pool that are in use.", registry=registry
        )
