"""Messages of the bus as its consumers receive them, and what their consumers have in common."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext

# A fetch waits this long for messages before its consumer is looked after: a server that restarted has lost the fetch.
FETCH_SECONDS = 2.0
HEARTBEAT_SECONDS = 0.5  # NATS refuses one that is more than half of the wait
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
    )


async def unsubscribe(client: Client, *subscriptions: Subscription | JetStreamContext.PullSubscription) -> None:
    """End subscriptions, whatever state their connection is in, and wait until the server knows."""
    with contextlib.suppress(nats.errors.Error, OSError, TimeoutError, ValueError):
        for subscription in subscriptions:
            await subscription.unsubscribe()
        await client.flush(timeout=1)


def end_if_cancelled() -> None:
    """Raise CancelledError where this task has been cancelled: nats-py at times swallows that."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def backoff(attempt: int) -> float:
    """Seconds to wait before trying again after that many failures (from 1)."""
    return float(min(_LONGEST_RETRY_SECONDS, RETRY_SECONDS * 2.0 ** min(attempt - 1, 10)))
