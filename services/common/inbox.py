"""An inbox: an event takes effect once per consumer, however often it is delivered.

Invariant: the row is written in the transaction of the effect, so either both are there or neither is.
"""

from sqlalchemy import Column, DateTime, Index, MetaData, Table, Text, delete, func, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection


def inbox_table(metadata: MetaData) -> Table:
    """The table `inbox`, for a store; a migration makes it: `inbox_table(MetaData()).create(op.get_bind())`."""
    return Table(
        "inbox",
        metadata,
        Column("consumer", Text, primary_key=True),
        Column("message_id", Text, primary_key=True),
        Column("taken_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Index("inbox_taken_at_idx", "taken_at"),
    )


_INBOX = inbox_table(MetaData())


async def take(connection: AsyncConnection, consumer: str, message_id: str) -> bool:
    """True the first time that `consumer` takes this message; waits for another taker's transaction to end."""
    statement = insert(_INBOX).values(consumer=consumer, message_id=message_id).on_conflict_do_nothing()
    result = await connection.execute(statement.returning(_INBOX.c.message_id))
    return result.first() is not None


async def prune(connection: AsyncConnection, older_than_days: int) -> int:
    """Delete rows older than the stream keeps its messages; returns how many."""
    oldest = func.now() - text("make_interval(days => :days)").bindparams(days=older_than_days)
    result = await connection.execute(delete(_INBOX).where(_INBOX.c.taken_at < oldest))
    return result.rowcount
