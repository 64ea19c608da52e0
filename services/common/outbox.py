"""The outbox: an event is written in the transaction that made it true, and published after it.

Invariants: what was committed is published, in effect once: sending again uses the same message id, which the stream
keeps once; of one aggregate, events go in order of version and none goes before the one ahead of it is acknowledged;
one relay at a time publishes for a schema; one aggregate that cannot be published delays no other.
"""

import uuid
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.subjects import is_kept
from services.common.tracing import current_trace_parent


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """A fact to publish. Of one aggregate, events go in order of version, and of append within a version."""

    aggregate_id: str
    version: int
    subject: str
    """From services.common.subjects.subject; ValueError on append for one that the stream does not keep."""
    payload: bytes
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    trace_parent: str | None = field(default_factory=current_trace_parent, compare=False)
    """The trace in which it came about."""


def outbox_table(metadata: MetaData) -> Table:
    """The table `outbox`, for a store; a migration makes it: `outbox_table(MetaData()).create(op.get_bind())`."""
    return Table(
        "outbox",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("place", BigInteger, Identity(always=True), nullable=False),
        Column("aggregate_id", Text, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("subject", Text, nullable=False),
        Column("payload", LargeBinary, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("published_at", DateTime(timezone=True)),
        Column("trace_parent", Text),
        Index(
            "outbox_unpublished_idx", "aggregate_id", "version", "place", postgresql_where=text("published_at IS NULL")
        ),
        Index("outbox_published_at_idx", "published_at", postgresql_where=text("published_at IS NOT NULL")),
    )


OUTBOX = outbox_table(MetaData())
_APPEND = OUTBOX.insert()

EVENT_COLUMNS = ("id", "aggregate_id", "version", "subject", "payload", "trace_parent")
"""What `event_to_row` gives a row; the database fills in the rest."""


def event_to_row(event: OutboxEvent) -> dict[str, Any]:
    """The columns of an event, for a service that writes it in one statement with what it tells of.

    Raises ValueError for a subject that the stream does not keep.
    """
    if not is_kept(event.subject):
        raise ValueError(f"not a subject of the stream: {event.subject}")
    return {name: getattr(event, name) for name in EVENT_COLUMNS}


async def append(connection: AsyncConnection, event: OutboxEvent) -> None:
    """Write an event in the caller's transaction; call the relay's `notify` once that has committed."""
    # Values beside the statement, not in it: to build a statement of its own each time costs more than to run it.
    await connection.execute(_APPEND, event_to_row(event))
