"""The event bus: publishing facts to NATS, and subscribing to them.

Invariants: a kept fact is published with its message id, so that sending it twice keeps it once, and counts as
published only when the stream has acknowledged it; an ephemeral fact is sent when there is a connection and dropped
when there is none.
"""

import asyncio
from collections.abc import Sequence
from typing import Literal

import nats.errors
from nats.js.errors import APIError

from services.common.connection import API_TIMEOUT_SECONDS, BusSettings, NatsConnection
from services.common.consumers import DurableConsumer, EphemeralSubscription
from services.common.errors import BusUnavailable
from services.common.follower import Follower
from services.common.messages import Gap, Handler, Received
from services.common.past import read_past
from services.common.subjects import STREAM, is_kept, subject, user_token
from services.common.telemetry import Instruments
from services.common.tracing import TRACE_PARENT

__all__ = ["Bus", "Gap", "Handler", "PublishRefused", "Received", "subject", "user_token"]


class PublishRefused(Exception):
    """The stream will not take this message, however often it is sent: too large, or not what it was made for."""


class Bus:
    """NATS for one process. Spawn `run`; everything else may be called before there is a connection."""

    def __init__(self, settings: BusSettings, name: str, instruments: Instruments) -> None:
        self._connection = NatsConnection(settings, name, instruments)

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connection.connected

    async def run(self) -> None:
        """Connect, and connect again whenever the connection is lost; runs until it is cancelled, then closes it."""
        await self._connection.run()

    async def wait_connected(self) -> None:
        """Return once there is a connection."""
        await self._connection.client()

    async def publish(
        self,
        subject: str,
        payload: bytes,
        message_id: str,
        *,
        trace_parent: str | None = None,
        timeout_seconds: float = API_TIMEOUT_SECONDS,
    ) -> int:
        """Publish a kept fact and wait until the stream has it; its sequence there.

        Raises BusUnavailable where no acknowledgement came in time (it may be kept all the same: send it again with the
        same id), PublishRefused where it can never be kept, ValueError for a subject outside the stream.
        """
        if not is_kept(subject):
            raise ValueError(f"not a subject of the stream: {subject}")
        try:
            async with asyncio.timeout(timeout_seconds):
                _, js = await self._connection.jetstream()
                ack = await js.publish(
                    subject,
                    payload,
                    timeout=timeout_seconds,
                    stream=STREAM,
                    headers={"Nats-Msg-Id": message_id, **({TRACE_PARENT: trace_parent} if trace_parent else {})},
                )
        except APIError as error:
            if (error.code or 500) < 500:
                raise PublishRefused(f"{subject}: {error.description}") from error
            raise BusUnavailable from error
        except nats.errors.MaxPayloadError as error:
            raise PublishRefused(f"{subject}: {len(payload)} bytes are too many") from error
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise BusUnavailable from error
        return ack.seq

    async def publish_ephemeral(self, subject: str, payload: bytes) -> bool:
        """Send a fact that is not kept; False where it was dropped because there is no connection."""
        if is_kept(subject):
            raise ValueError(f"a subject of the stream: {subject}")
        client = self._connection.client_now()
        if client is None:
            return False
        try:
            await client.publish(subject, payload)
        except (nats.errors.Error, OSError):
            return False
        return True

    def subscribe_durable(
        self,
        name: str,
        subjects: Sequence[str],
        handler: Handler,
        *,
        start: Literal["new", "all"] = "new",
        concurrency: int = 1,
        max_failures: int = 10,
        handle_timeout_seconds: float = 30,
    ) -> DurableConsumer:
        """A consumer whose place the server keeps, shared by all processes that use its name. See DurableConsumer."""
        return DurableConsumer(
            self._connection,
            name,
            subjects,
            handler,
            start=start,
            concurrency=concurrency,
            max_failures=max_failures,
            handle_timeout_seconds=handle_timeout_seconds,
        )

    def follow(
        self,
        subjects: Sequence[str],
        handler: Handler,
        start: Literal["new", "all"] | int = "new",
        *,
        on_gap: Gap | None = None,
        max_failures: int = 5,
    ) -> Follower:
        """Every message, in order, in this process alone. See Follower."""
        return Follower(self._connection, subjects, handler, start, on_gap=on_gap, max_failures=max_failures)

    def subscribe_ephemeral(self, subjects: Sequence[str], handler: Handler) -> EphemeralSubscription:
        """Facts that are not kept, as they come, in this process. See EphemeralSubscription."""
        return EphemeralSubscription(self._connection, subjects, handler)

    async def read_past(
        self, subjects: Sequence[str], after: int, limit: int, *, timeout_seconds: float = API_TIMEOUT_SECONDS
    ) -> list[Received]:
        """What was kept of these subjects after a sequence, at most `limit`. Raises PastGone, BusUnavailable."""
        return await read_past(self._connection, subjects, after, limit, timeout_seconds)

    async def last_sequence(self) -> int:
        """The sequence of the stream's last message. Raises BusUnavailable."""
        try:
            async with asyncio.timeout(API_TIMEOUT_SECONDS):
                _, js = await self._connection.jetstream()
                return (await js.stream_info(STREAM)).state.last_seq
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise BusUnavailable from error
