"""A follower: every message of its subjects, in the stream's order, for one process.

Invariants: it never leaves out a message without saying so through `on_gap`, before it goes on; it hands on one
message at a time, and the next only after the handler has returned.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import nats.errors
import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy

from services.common.connection import NatsConnection
from services.common.errors import Unavailable
from services.common.messages import (
    FETCH_SECONDS,
    RETRY_SECONDS,
    Gap,
    Handler,
    Received,
    backoff,
    end_if_cancelled,
    log_restart,
    received,
    unsubscribe,
)
from services.common.subjects import STREAM
from services.common.tracing import consumer_span

_log = structlog.get_logger(__name__)

_BATCH = 256
_IDLE_SECONDS = 300.0


class Follower:
    """Every message of its subjects, in the stream's order, one at a time, for this process alone.

    It keeps its own place and asks anew from there after a lost connection, a lost consumer or a restart of the
    server. `start` is "new" (from the moment that `started` returns), "all", or the first sequence wanted. Where
    messages cannot be had any more (expired, or the stream was made anew), or the handler has failed on one
    `max_failures` times, it goes on behind them and calls `on_gap`, which takes a fresh snapshot; without `on_gap` a
    handler's failure ends `run`.
    """

    def __init__(
        self,
        connection: NatsConnection,
        subjects: Sequence[str],
        handler: Handler,
        start: Literal["new", "all"] | int,
        *,
        on_gap: Gap | None,
        max_failures: int,
    ) -> None:
        self._connection = connection
        self._subjects = list(subjects)
        self._handler = handler
        self._on_gap = on_gap
        self._max_failures = max_failures
        self._next: int | None = {"new": None, "all": 0}[start] if isinstance(start, str) else start
        self._created: datetime | None = None
        self._gap = False
        self._started = asyncio.Event()

    @property
    def place(self) -> int:
        """The sequence from which it goes on: everything before it has been handled. 0 until its place is known."""
        return self._next or 0

    async def started(self) -> None:
        """Return once its place in the stream is fixed: everything published from then on is delivered."""
        await self._started.wait()

    async def run(self) -> None:
        """Follow until cancelled."""
        failures = 0
        while True:
            end_if_cancelled()
            try:
                client, js = await self._connection.jetstream()
                place = await self._find_place(js)
                self._started.set()
                await self._follow(client, js, place)
                failures = 0
            except (nats.errors.Error, OSError, TimeoutError, Unavailable) as error:
                failures += 1
                log_restart("follower starts again", self._subjects, error)
                await asyncio.sleep(min(backoff(failures), 4 * RETRY_SECONDS))

    async def _find_place(self, js: JetStreamContext) -> int:
        info = await js.stream_info(STREAM)
        first, last = info.state.first_seq, info.state.last_seq
        if self._next is None:
            self._next = last + 1
        remade = self._created is not None and info.created != self._created
        if remade or self._next > last + 1 or 0 < self._next < first:
            _log.warning("follower missed messages", wanted=self._next, first=first, last=last, remade=remade)
            self._next = first
            self._gap = True
        self._created = info.created
        return self._next

    async def _follow(self, client: Client, js: JetStreamContext, place: int) -> None:
        await self._tell_gap()
        consumer = await self._consumer(js, place)
        pulls = await js.pull_subscribe_bind(consumer=consumer.name, stream=STREAM)
        expected = 1
        try:
            while True:
                end_if_cancelled()
                try:
                    messages = await pulls.fetch(_BATCH, FETCH_SECONDS)
                except TimeoutError:
                    await js.consumer_info(STREAM, consumer.name)  # raises where the server lost the consumer
                    continue
                for message in messages:
                    if message.metadata.sequence.consumer != expected:
                        return  # one was lost on the way: ask anew from the first that is missing
                    expected += 1
                    fact = received(message)
                    await self._handle(fact)
                    self._next = fact.sequence + 1
        finally:
            await unsubscribe(client, pulls)
            with contextlib.suppress(nats.errors.Error, OSError, TimeoutError):
                await js.delete_consumer(STREAM, consumer.name)

    async def _consumer(self, js: JetStreamContext, place: int) -> ConsumerInfo:
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=max(1, place),
            ack_policy=AckPolicy.NONE,
            filter_subjects=self._subjects,
            inactive_threshold=_IDLE_SECONDS,
            mem_storage=True,
            num_replicas=1,
        )
        return await js.add_consumer(STREAM, config)

    async def _handle(self, fact: Received) -> None:
        failures = attempts = 0
        while True:
            try:
                with consumer_span(fact.subject, fact.trace_parent):
                    await self._handler(fact)
                return
            except Unavailable as error:
                _log.info("message waits", subject=fact.subject, reason=error.reason)
            except Exception:  # the edge of the process: max_failures and on_gap decide, not the first surprise
                failures += 1
                _log.exception("message failed", subject=fact.subject, sequence=fact.sequence, failures=failures)
                if failures >= self._max_failures:
                    if self._on_gap is None:
                        raise
                    self._next = fact.sequence + 1
                    self._gap = True
                    await self._tell_gap()
                    return
            attempts += 1
            await asyncio.sleep(backoff(attempts))

    async def _tell_gap(self) -> None:
        if self._gap and self._on_gap is not None:
            await self._on_gap()
        self._gap = False
