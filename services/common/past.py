"""Reading what the stream has kept: the messages of some subjects after a place, once, and no more than asked for.

Invariants: what is returned is everything of these subjects from behind `after` to the stream's end, in its order;
where that cannot be had, or is more than `limit`, nothing is returned and the error says so.
"""

import asyncio
import contextlib
from collections.abc import Sequence

import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy
from nats.js.errors import APIError

from services.common.connection import NatsConnection
from services.common.errors import BusUnavailable, Precondition
from services.common.messages import Received, received, unsubscribe
from services.common.subjects import STREAM

_BATCH = 256
_FETCH_SECONDS = 2.0
_IDLE_SECONDS = 10.0


class PastGone(Precondition):
    """What was published after {after} cannot be had any more, or is too much."""


async def read_past(
    connection: NatsConnection, subjects: Sequence[str], after: int, limit: int, timeout_seconds: float
) -> list[Received]:
    """The messages of `subjects` after that sequence. Raises PastGone, BusUnavailable."""
    try:
        async with asyncio.timeout(timeout_seconds):
            client, js = await connection.jetstream()
            state = (await js.stream_info(STREAM)).state
            # A place behind the end is of another stream: this one was made anew.
            if after > state.last_seq or after + 1 < state.first_seq:
                raise PastGone(after=after)
            if after == state.last_seq:
                return []
            consumer = await js.add_consumer(STREAM, _config(subjects, after))
            try:
                if consumer.num_pending and consumer.num_pending > limit:
                    raise PastGone(after=after)
                return await _fetch(client, js, consumer)
            finally:
                with contextlib.suppress(nats.errors.Error, OSError, TimeoutError):
                    await js.delete_consumer(STREAM, consumer.name)
    except (nats.errors.Error, APIError, OSError, TimeoutError) as error:
        raise BusUnavailable from error


def _config(subjects: Sequence[str], after: int) -> ConsumerConfig:
    return ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=after + 1,
        ack_policy=AckPolicy.NONE,
        filter_subjects=list(subjects),
        inactive_threshold=_IDLE_SECONDS,
        mem_storage=True,
        num_replicas=1,
    )


async def _fetch(client: Client, js: JetStreamContext, consumer: ConsumerInfo) -> list[Received]:
    left = consumer.num_pending or 0
    messages: list[Received] = []
    if not left:
        return messages
    pulls = await js.pull_subscribe_bind(consumer=consumer.name, stream=STREAM)
    try:
        while left > 0:
            batch = await pulls.fetch(min(left, _BATCH), _FETCH_SECONDS)
            messages.extend(received(message) for message in batch)
            left -= len(batch)
    finally:
        await unsubscribe(client, pulls)
    return messages
