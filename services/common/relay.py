"""The outbox's relay: publishes what has been committed.

Invariants: a row is marked only after the stream has acknowledged it, so a relay that is killed in between sends it
again with the same message id; the lock is a session's, so a relay that dies or loses its connection frees it at
once; nothing is published inside a transaction.
"""

import asyncio
import contextlib
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import structlog
from sqlalchemy import bindparam, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.types import Float, Text, Uuid

from services.common.bus import PublishRefused
from services.common.database import session
from services.common.errors import BusUnavailable, DatabaseUnavailable, TransactionConflict
from services.common.outbox import OUTBOX, OutboxEvent
from services.common.telemetry import Instruments

_log = structlog.get_logger(__name__)

_AGGREGATES = 64
_ROWS = 512
_PRUNE_SECONDS = 60.0
_PRUNE_ROWS = 5_000
_FIRST_RETRY_SECONDS = 0.5
_LONGEST_RETRY_SECONDS = 60.0
_LOCK = "hashtext('tandem.outbox'), hashtext(current_schema())"


class Publisher(Protocol):
    """What the relay needs of the bus."""

    async def publish(self, subject: str, payload: bytes, message_id: str, *, trace_parent: str | None = None) -> int:
        """Publish and wait for the stream's acknowledgement; BusUnavailable or PublishRefused."""
        ...


class Relay:
    """Spawn `run`; call `notify` after a commit that appended. It holds one connection of the engine's pool."""

    def __init__(
        self,
        engine: AsyncEngine,
        bus: Publisher,
        instruments: Instruments,
        *,
        poll_seconds: float = 1.0,
        keep_published_seconds: float = 86_400.0,
    ) -> None:
        self._engine = engine
        self._bus = bus
        self._instruments = instruments
        self._poll_seconds = poll_seconds
        self._keep_published_seconds = keep_published_seconds
        self._wake = asyncio.Event()
        self._held: dict[str, tuple[int, float]] = {}
        self._pruned_at = float("-inf")

    def notify(self) -> None:
        """There may be something new: look now instead of at the next poll."""
        self._wake.set()

    async def run(self) -> None:
        """Publish until cancelled, whenever this relay is the one that holds the lock."""
        while True:
            try:
                async with session(self._engine) as connection:
                    if await self._locked(connection):
                        await self._relay(connection)
            except (DatabaseUnavailable, TransactionConflict) as error:
                _log.info("relay waits", reason=error.reason)
                # Whoever has the lock now says how it stands.
                self._instruments.outbox_depth.set(0)
                self._instruments.outbox_oldest_seconds.set(0)
            await asyncio.sleep(self._poll_seconds)

    async def _locked(self, connection: AsyncConnection) -> bool:
        return bool((await connection.execute(text(f"SELECT pg_try_advisory_lock({_LOCK})"))).scalar_one())

    async def _relay(self, connection: AsyncConnection) -> None:
        _log.info("relay publishes")
        while True:
            self._wake.clear()
            while await self._publish_some(connection):
                pass
            waiting = (await connection.execute(_WAITING_NOW)).one()
            self._instruments.outbox_depth.set(waiting.depth)
            self._instruments.outbox_oldest_seconds.set(waiting.oldest)
            await self._prune(connection)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._wake.wait()

    async def _publish_some(self, connection: AsyncConnection) -> bool:
        """Publish one batch; whether it is worth looking for another at once."""
        now = time.monotonic()
        held = [aggregate for aggregate, (_, until) in self._held.items() if until > now]
        rows = (await connection.execute(_UNPUBLISHED, {"held": held})).all()
        aggregates: dict[str, list[OutboxEvent]] = defaultdict(list)
        for row in rows:
            aggregates[row.aggregate_id].append(
                OutboxEvent(row.aggregate_id, row.version, row.subject, row.payload, row.id, row.trace_parent)
            )
        results = await asyncio.gather(*(self._publish_in_order(events) for events in aggregates.values()))
        published = [identifier for result in results for identifier in result]
        if published:
            await connection.execute(_MARK, {"ids": published})
            self._instruments.outbox_published.inc(len(published))
        return bool(published)

    async def _publish_in_order(self, events: Sequence[OutboxEvent]) -> list[uuid.UUID]:
        """Publish one aggregate's events up to the first failure; the ids of those that the stream has."""
        published: list[uuid.UUID] = []
        for event in events:
            try:
                await self._bus.publish(event.subject, event.payload, str(event.id), trace_parent=event.trace_parent)
            except (BusUnavailable, PublishRefused) as error:
                self._hold(event, error)
                break
            self._held.pop(event.aggregate_id, None)
            published.append(event.id)
        return published

    def _hold(self, event: OutboxEvent, error: Exception) -> None:
        failures = self._held.get(event.aggregate_id, (0, 0.0))[0] + 1
        # What is merely unreachable is worth asking for again soon; what was refused needs somebody to look at it.
        longest = _LONGEST_RETRY_SECONDS if isinstance(error, PublishRefused) else self._poll_seconds
        delay = min(longest, _FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 10))
        self._held[event.aggregate_id] = (failures, time.monotonic() + delay)
        self._instruments.outbox_failures.inc()
        if isinstance(error, PublishRefused) or failures == 1:
            _log.warning(
                "event not published",
                event_id=str(event.id),
                aggregate=event.aggregate_id,
                version=event.version,
                failures=failures,
                error=str(error),
            )

    async def _prune(self, connection: AsyncConnection) -> None:
        if time.monotonic() - self._pruned_at < _PRUNE_SECONDS:
            return
        result = await connection.execute(_PRUNE, {"keep_seconds": self._keep_published_seconds})
        # A full batch means that there is more: the next round takes it.
        if result.rowcount < _PRUNE_ROWS:
            self._pruned_at = time.monotonic()


_WAITING = OUTBOX.c.published_at.is_(None)
_AGGREGATES_NEXT = (
    select(OUTBOX.c.aggregate_id)
    .where(_WAITING, OUTBOX.c.aggregate_id != func.all(bindparam("held", type_=ARRAY(Text))))
    .group_by(OUTBOX.c.aggregate_id)
    .order_by(func.min(OUTBOX.c.place))
    .limit(_AGGREGATES)
)
# Ordered by version over all aggregates, so that the limit cuts no aggregate's older events in favour of newer ones.
_UNPUBLISHED = (
    select(OUTBOX)
    .where(_WAITING, OUTBOX.c.aggregate_id.in_(_AGGREGATES_NEXT))
    .order_by(OUTBOX.c.version, OUTBOX.c.place)
    .limit(_ROWS)
)
_MARK = (
    update(OUTBOX)
    .where(OUTBOX.c.id == func.any(bindparam("ids", type_=ARRAY(Uuid))))
    .values(published_at=func.clock_timestamp())
)
_AGE = func.extract("epoch", func.clock_timestamp() - func.min(OUTBOX.c.created_at))
_WAITING_NOW = select(func.count().label("depth"), func.greatest(0, func.coalesce(_AGE, 0)).label("oldest")).where(
    _WAITING
)
_OLDEST_KEPT = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, bindparam("keep_seconds", type_=Float))
_PRUNE = delete(OUTBOX).where(
    OUTBOX.c.id.in_(select(OUTBOX.c.id).where(OUTBOX.c.published_at < _OLDEST_KEPT).limit(_PRUNE_ROWS))
)
