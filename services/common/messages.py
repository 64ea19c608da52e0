"""Messages of the bus as its consumers receive them, and what their consumers have in common."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext
from nats.js.errors import APIError

from services.common.tracing import TRACE_PARENT

_log = structlog.get_logger(__name__)

# A fetch waits this long for messages before its consumer is looked after: a server that restarted has lost the fetch.
# Without heartbeats: nats-py asks for them also beside a request that may not wait, which NATS refuses, and what was
# fetched before is then dropped.
FETCH_SECONDS = 2.0
RETRY_SECONDS = 0.5
_LONGEST_RETRY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Received:
    """One message as it came."""

    subject: str
    payload: bytes
    message_id: str
    """The publisher's Nats-Msg-Id (of our outbox: the event's id); empty for an ephemeral fact."""
    sequence: int
    """Its place in the stream; 0 for an ephemeral fact."""
    time: datetime
    """When the stream took it (for an ephemeral fact: when it arrived), aware, UTC."""
    deliveries: int
    """How often this consumer has been given it, this time included."""
    trace_parent: str = ""
    """The trace in which it came about; empty where that was not kept."""


Handler = Callable[[Received], Awaitable[object]]
Gap = Callable[[], Awaitable[object]]


def received(message: Msg) -> Received:
    """A message of the stream."""
    metadata = message.metadata
    return Received(
        subject=message.subject,
        payload=message.data,
        message_id=(message.headers or {}).get("Nats-Msg-Id", ""),
        sequence=metadata.sequence.stream,
        time=metadata.timestamp.astimezone(UTC),
        deliveries=metadata.num_delivered,
        trace_parent=(message.headers or {}).get(TRACE_PARENT, ""),
    )


async def unsubscribe(client: Client, *subscriptions: Subscription | JetStreamContext.PullSubscription) -> None:
    """End subscriptions, whatever state their connection is in, and wait until the server knows."""
    with contextlib.suppress(nats.errors.Error, OSError, TimeoutError, ValueError):
        for subscription in subscriptions:
            await subscription.unsubscribe()
        await sync(client, timeout_seconds=1)


async def sync(client: Client, timeout_seconds: int = 5) -> None:
    """Return once the server has processed everything that was sent before; raises nats-py's errors."""
    # nats-py writes the ping of a flush ahead of what is still in its buffer: only the second one comes behind it.
    for _ in range(2):
        await client.flush(timeout=timeout_seconds)


def log_restart(what: str, name: object, error: Exception) -> None:
    """Say that a consumer begins again: loudly where the server refused it, as that will not mend itself."""
    if isinstance(error, APIError):
        _log.warning(what, name=name, error=type(error).__name__, code=error.code, description=error.description)
    else:
        _log.info(what, name=name, error=repr(error))


def end_if_cancelled() -> None:
    """Raise CancelledError where this task has been cancelled: nats-py at times swallows that."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def backoff(attempt: int) -> float:
    """Seconds to wait before trying again after that many failures (from 1)."""
    return float(min(_LONGEST_RETRY_SECONDS, RETRY_SECONDS * 2.0 ** min(attempt - 1, 10)))
