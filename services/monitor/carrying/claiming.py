"""The claims on rows of work, in Postgres.

Invariant: a row is claimed, and a claimed row written, only in a transaction in which the claim's lease is held.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, ColumnElement, RowMapping, Table, and_, not_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.monitor.carrying.work import Work
from services.monitor.domain.intent import Claim

Fence = Callable[[AsyncConnection, Claim], Awaitable[None]]
"""Raises LeaseLost unless the claim's lease is held, and keeps it from being taken until the transaction ends."""


def as_it_was(table: Table, before: Work) -> ColumnElement[bool]:
    """The row of a piece of work, if nobody has moved or claimed it since."""
    claim = before.claim
    return and_(
        table.c.intent_id == before.intent_id,
        table.c.state == before.state.value,
        table.c.owner.is_not_distinct_from(claim.owner if claim else None),
        table.c.epoch.is_not_distinct_from(claim.epoch if claim else None),
    )


async def take_over(
    connection: AsyncConnection, table: Table, live: ColumnElement[bool], claims: Mapping[int, Claim], fence: Fence
) -> list[RowMapping]:
    """Claim the live rows of these partitions that were not claimed under these very leases."""
    others = and_(live, table.c.partition.in_(tuple(claims)), table.c.owner.is_(None) | not_(_under(table, claims)))
    # The leases first and the rows after, as in every other write: in turns, never crosswise.
    found = await connection.execute(select(table.c.partition).where(others).distinct())
    partitions = sorted(partition for (partition,) in found)
    for partition in partitions:
        await fence(connection, claims[partition])
    taken: list[RowMapping] = []
    for partition in partitions:
        claim = claims[partition]
        rows = await connection.execute(
            update(table)
            .where(others, table.c.partition == partition)
            .values(owner=claim.owner, epoch=claim.epoch)
            .returning(*table.c)
        )
        taken += rows.mappings()
    return taken


async def unmoved(
    connection: AsyncConnection,
    key: Column[UUID],
    live: ColumnElement[bool],
    claims: Mapping[int, Claim],
    since: datetime,
) -> frozenset[UUID]:
    """The keys of the live rows that are claimed under these very leases and were last written before a moment."""
    table = key.table
    found = await connection.execute(
        select(key).where(live, table.c.partition.in_(tuple(claims)), _under(table, claims), table.c.updated_at < since)
    )
    return frozenset(found.scalars())


def _under(table: Table, claims: Mapping[int, Claim]) -> ColumnElement[bool]:
    mine = [(claim.owner, partition, claim.epoch) for partition, claim in claims.items()]
    return tuple_(table.c.owner, table.c.partition, table.c.epoch).in_(mine)
