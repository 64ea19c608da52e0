"""Consumers of the bus that replicas share or that forget: a durable one, and a subscription to ephemeral facts.

Invariants: a message is acknowledged only after its handler has returned; a handler that fails because something it
needs is unavailable is tried again for as long as that lasts; a message that fails by itself is given up after a limit,
loudly.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime
from typing import Literal

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from services.common.connection import NatsConnection
from services.common.errors import Unavailable
from services.common.messages import (
    FETCH_SECONDS,
    RETRY_SECONDS,
    Handler,
    Received,
    backoff,
    end_if_cancelled,
    log_restart,
    received,
    sync,
    unsubscribe,
)
from services.common.subjects import STREAM
from services.common.tracing import consumer_span

_log = structlog.get_logger(__name__)

_ACK_WAIT_SECONDS = 10.0


class DurableConsumer:
    """A consumer whose place the server keeps under a name that all replicas of a service share.

    Each message goes to one replica, at least once; redelivery may change the order, so an effect goes by version or
    through an inbox. A handler that takes longer than `handle_timeout_seconds` is cancelled and counts as failed.
    """

    def __init__(
        self,
        connection: NatsConnection,
        name: str,
        subjects: Sequence[str],
        handler: Handler,
        *,
        start: Literal["new", "all"],
        concurrency: int,
        max_failures: int,
        handle_timeout_seconds: float,
    ) -> None:
        self._connection = connection
        self._name = name
        self._handler = handler
        self._concurrency = concurrency
        self._max_failures = max_failures
        self._handle_timeout_seconds = handle_timeout_seconds
        self._failures: dict[int, int] = {}
        self._started = asyncio.Event()
        self._config = ConsumerConfig(
            name=name,
            durable_name=name,
            deliver_policy=DeliverPolicy.ALL if start == "all" else DeliverPolicy.NEW,
            ack_policy=AckPolicy.EXPLICIT,
            # While a handler runs the server is told so: what nobody speaks for was left by a process that died.
            ack_wait=_ACK_WAIT_SECONDS,
            max_deliver=-1,
            max_ack_pending=max(64, concurrency * 4),
            filter_subjects=list(subjects),
        )

    async def started(self) -> None:
        """Return once the consumer exists on the server: from then on nothing published is missed."""
        await self._started.wait()

    async def run(self) -> None:
        """Consume until cancelled."""
        while True:
            end_if_cancelled()
            try:
                client, js = await self._connection.jetstream()
                await js.add_consumer(STREAM, self._config)
                self._started.set()
                await self._consume(client, js)
            except (nats.errors.Error, OSError, TimeoutError) as error:
                log_restart("consumer starts again", self._name, error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _consume(self, client: Client, js: JetStreamContext) -> None:
        pulls = await js.pull_subscribe_bind(consumer=self._name, stream=STREAM)
        try:
            while True:
                end_if_cancelled()
                try:
                    messages = await pulls.fetch(self._concurrency, FETCH_SECONDS)
                except TimeoutError:
                    await js.consumer_info(STREAM, self._name)  # raises where the server lost the consumer
                    continue
                async with asyncio.TaskGroup() as group:
                    for message in messages:
                        group.create_task(self._handle(message))
        finally:
            await unsubscribe(client, pulls)

    async def _handle(self, message: Msg) -> None:
        fact = received(message)
        alive = asyncio.create_task(_say_in_progress(message))
        try:
            async with asyncio.timeout(self._handle_timeout_seconds):
                with consumer_span(fact.subject, fact.trace_parent):
                    await self._handler(fact)
        except asyncio.CancelledError:
            await _settle(message.nak())  # for another replica, at once
            raise
        except Unavailable as error:
            self._count("retried")
            _log.info("message waits", consumer=self._name, subject=fact.subject, reason=error.reason)
            await _settle(message.nak(backoff(fact.deliveries)))
        except Exception:  # noqa: BLE001 - the edge of the process: what a handler did not mean must not end the consumer
            failures = self._failures.get(fact.sequence, 0) + 1
            final = failures >= self._max_failures
            _log.exception(
                "message given up" if final else "message failed",
                consumer=self._name,
                subject=fact.subject,
                sequence=fact.sequence,
                message_id=fact.message_id,
                failures=failures,
            )
            if final:
                self._count("given up")
                self._failures.pop(fact.sequence, None)
                await _settle(message.term())
            else:
                self._count("failed")
                self._failures[fact.sequence] = failures
                await _settle(message.nak(backoff(failures)))
        else:
            self._count("handled")
            self._failures.pop(fact.sequence, None)
            await _settle(message.ack())
        finally:
            alive.cancel()

    def _count(self, outcome: str) -> None:
        self._connection.instruments.bus_handled.labels(self._name, outcome).inc()


async def _settle(answer: Awaitable[None]) -> None:
    """Tell the server what became of a message; where that is lost with the connection, it comes again."""
    with contextlib.suppress(nats.errors.Error, OSError):
        await answer


async def _say_in_progress(message: Msg) -> None:
    with contextlib.suppress(nats.errors.Error, OSError):
        while True:
            await asyncio.sleep(_ACK_WAIT_SECONDS / 3)
            await message.in_progress()


class EphemeralSubscription:
    """Facts that are not kept, as they come, in this process: what comes while it is away or busy is lost.

    A handler's failure is logged and its message forgotten.
    """

    def __init__(self, connection: NatsConnection, subjects: Sequence[str], handler: Handler) -> None:
        self._connection = connection
        self._subjects = list(subjects)
        self._handler = handler
        self._started = asyncio.Event()

    async def started(self) -> None:
        """Return once the server has the subscription."""
        await self._started.wait()

    async def run(self) -> None:
        """Receive until cancelled; subscribes again whenever the connection was replaced."""
        while True:
            end_if_cancelled()
            subscriptions: list[Subscription] = []
            client = await self._connection.client()
            try:
                subscriptions.extend([await client.subscribe(name, cb=self._handle) for name in self._subjects])
                await sync(client)
                self._started.set()
                await self._connection.replaced(client)
            except (nats.errors.Error, OSError, TimeoutError) as error:
                log_restart("subscription starts again", self._subjects, error)
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                await unsubscribe(client, *subscriptions)

    async def _handle(self, message: Msg) -> None:
        try:
            await self._handler(Received(message.subject, message.data, "", 0, datetime.now(UTC), 1))
        except Exception:  # noqa: BLE001 - the edge of the process: an ephemeral fact is never worth a retry
            _log.exception("ephemeral message failed", subject=message.subject)
