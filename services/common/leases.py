"""Leases: which process works on what, as rows in the service's own schema.

Invariants: Postgres's clock decides what has expired; a key's epoch goes up whenever it is claimed, so whoever held
it before is fenced by `assert_held` in the transaction that writes; a lease that has expired is never renewed, only
claimed anew. Membership works the same way: a replica holds a key of its own, such as "replica:<owner>".
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    Float,
    MetaData,
    Table,
    Text,
    bindparam,
    func,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.errors import LeaseLost


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of `owner` to work on `key` until `expires_at` (aware, UTC, by Postgres's clock)."""

    key: str
    owner: str
    epoch: int
    expires_at: datetime


def lease_table(metadata: MetaData) -> Table:
    """The table `leases`, for a store; a migration makes it: `lease_table(MetaData()).create(op.get_bind())`."""
    return Table(
        "leases",
        metadata,
        Column("key", Text, primary_key=True),
        Column("owner", Text),
        Column("epoch", BigInteger, nullable=False, server_default=text("0")),
        Column("expires_at", DateTime(timezone=True)),
    )


_LEASES = lease_table(MetaData())
# Not now(): that is the time at which the transaction began, and a transaction may have waited.
_NOW = func.clock_timestamp()
_UNTIL = _NOW + func.make_interval(0, 0, 0, 0, 0, 0, bindparam("ttl_seconds", type_=Float))
_ROW = (_LEASES.c.key, _LEASES.c.owner, _LEASES.c.epoch, _LEASES.c.expires_at)


HELD = (
    select(_LEASES.c.key)
    .where(
        _LEASES.c.key == bindparam("lease_key"),
        _LEASES.c.owner == bindparam("lease_owner"),
        _LEASES.c.epoch == bindparam("lease_epoch"),
        _LEASES.c.expires_at > _NOW,
    )
    # FOR KEY SHARE would let a takeover's update pass: it does not touch the key.
    .with_for_update(read=True)
)
"""One row where the lease lease_key is held by lease_owner in lease_epoch, which it then is until the transaction ends:
to stand in a statement that writes what only the holder may."""


async def ensure(connection: AsyncConnection, keys: Collection[str]) -> None:
    """Make sure that the keys exist, unowned where they are new."""
    if keys:
        rows = [{"key": key} for key in sorted(keys)]
        await connection.execute(insert(_LEASES).on_conflict_do_nothing(), rows)


async def claim(
    connection: AsyncConnection,
    owner: str,
    ttl_seconds: float,
    *,
    keys: Collection[str] | None = None,
    limit: int | None = None,
) -> list[Lease]:
    """Take leases that nobody holds: at most `limit`, of `keys` alone where given; locked ones are passed over."""
    free = or_(_LEASES.c.owner.is_(None), _LEASES.c.expires_at <= _NOW)
    chosen = select(_LEASES.c.key).where(free).order_by(_LEASES.c.expires_at.asc().nulls_first(), _LEASES.c.key)
    if keys is not None:
        chosen = chosen.where(_LEASES.c.key == func.any(bindparam("keys", list(keys), type_=ARRAY(Text))))
    if limit is not None:
        chosen = chosen.limit(limit)
    taken = chosen.with_for_update(skip_locked=True).cte("taken").prefix_with("MATERIALIZED")
    statement = (
        update(_LEASES)
        .where(_LEASES.c.key == taken.c.key)
        .values(owner=owner, epoch=_LEASES.c.epoch + 1, expires_at=_UNTIL)
        .returning(*_ROW)
    )
    result = await connection.execute(statement, {"ttl_seconds": ttl_seconds})
    return sorted((Lease(*row) for row in result), key=lambda lease: lease.key)


async def renew(connection: AsyncConnection, leases: Collection[Lease], ttl_seconds: float) -> list[Lease]:
    """Prolong leases that are still held; those that are not in the answer are lost."""
    if not leases:
        return []
    statement = (
        update(_LEASES).where(_held(leases), _LEASES.c.expires_at > _NOW).values(expires_at=_UNTIL).returning(*_ROW)
    )
    result = await connection.execute(statement, {"ttl_seconds": ttl_seconds})
    return sorted((Lease(*row) for row in result), key=lambda lease: lease.key)


async def release(connection: AsyncConnection, leases: Collection[Lease]) -> None:
    """Give leases back at once; those that are no longer held are left alone."""
    if leases:
        await connection.execute(update(_LEASES).where(_held(leases)).values(owner=None, expires_at=None))


async def holds(connection: AsyncConnection, key: str, owner: str, epoch: int) -> bool:
    """Whether the lease is held now; locks its row against a takeover until the caller's transaction ends."""
    lease = {"lease_key": key, "lease_owner": owner, "lease_epoch": epoch}
    return (await connection.execute(HELD, lease)).first() is not None


async def assert_held(connection: AsyncConnection, key: str, owner: str, epoch: int) -> None:
    """LeaseLost unless `holds`: the fence in a transaction that writes what only the lease's holder may write."""
    if not await holds(connection, key, owner, epoch):
        raise LeaseLost(key=key)


async def owners(connection: AsyncConnection) -> dict[str, int]:
    """How many unexpired leases each owner holds; an owner of none is not in it."""
    statement = (
        select(_LEASES.c.owner, func.count().label("leases"))
        .where(_LEASES.c.owner.is_not(None), _LEASES.c.expires_at > _NOW)
        .group_by(_LEASES.c.owner)
    )
    return {str(row.owner): int(row.leases) for row in await connection.execute(statement)}


async def held_by(connection: AsyncConnection, owner: str) -> Sequence[Lease]:
    """The unexpired leases of one owner, in order of key."""
    statement = select(*_ROW).where(_LEASES.c.owner == owner, _LEASES.c.expires_at > _NOW).order_by(_LEASES.c.key)
    return [Lease(*row) for row in await connection.execute(statement)]


def _held(leases: Collection[Lease]) -> ColumnElement[bool]:
    return tuple_(_LEASES.c.key, _LEASES.c.owner, _LEASES.c.epoch).in_(
        [(lease.key, lease.owner, lease.epoch) for lease in leases]
    )
