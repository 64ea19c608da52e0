"""Where trailing stops came to as they followed the price: samples, not versions; and the extremes that move them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.database import Money, UtcDateTime
from services.positions.domain.position import Position
from services.positions.store.positions import position_from_row
from services.positions.store.tables import metadata, positions

trails = Table(
    "trails",
    metadata,
    Column("position_id", Text, ForeignKey(positions.c.position_id), nullable=False),
    # One a minute, whichever replica takes it.
    Column("minute", UtcDateTime, nullable=False),
    Column("sampled_at", UtcDateTime, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("stop_price", Money, nullable=False),
    Column("best_price", Money, nullable=False),
    PrimaryKeyConstraint("position_id", "minute"),
)

watermark_snapshots = Table(
    "watermark_snapshots",
    metadata,
    Column("snapshot_id", Integer, primary_key=True, autoincrement=False),
    # Everything in the stream before this is in it.
    Column("place", BigInteger, nullable=False),
    Column("taken_at", UtcDateTime, nullable=False),
    Column("stacks", LargeBinary, nullable=False),
)

_ONLY = 1


@dataclass(frozen=True, slots=True)
class TrailSample:
    """Where the stop of a position was, and the best price since it was armed, in quote currency."""

    position_id: str
    sampled_at: datetime
    version: int
    stop_price: Decimal
    best_price: Decimal


async def list_trailing(connection: AsyncConnection, symbols: Collection[str]) -> list[Position]:
    """The positions of these symbols with an enforced level."""
    rows = await connection.execute(select(positions).where(positions.c.enforced, positions.c.symbol.in_(symbols)))
    return [position_from_row(row) for row in rows]


async def latest_stops(connection: AsyncConnection, position_ids: Collection[str]) -> dict[str, Decimal]:
    """The stop of the last sample of each of these positions, of those that have one of their present version."""
    newest = (
        select(trails.c.position_id, trails.c.stop_price, trails.c.version)
        .ext(distinct_on(trails.c.position_id))
        .where(trails.c.position_id.in_(position_ids))
        .order_by(trails.c.position_id, trails.c.minute.desc())
        .subquery()
    )
    same = (newest.c.position_id == positions.c.position_id) & (newest.c.version == positions.c.version)
    rows = await connection.execute(select(newest.c.position_id, newest.c.stop_price).join(positions, same))
    return {row.position_id: row.stop_price for row in rows}


async def insert_samples(connection: AsyncConnection, samples: Collection[TrailSample]) -> None:
    """Keep samples; a position has one a minute."""
    if samples:
        rows = [
            {
                "position_id": one.position_id,
                "minute": one.sampled_at.replace(second=0, microsecond=0),
                "sampled_at": one.sampled_at,
                "version": one.version,
                "stop_price": one.stop_price,
                "best_price": one.best_price,
            }
            for one in sorted(samples, key=lambda one: one.position_id)
        ]
        await connection.execute(upsert(trails).on_conflict_do_nothing(), rows)


async def keep_snapshot(connection: AsyncConnection, place: int, taken_at: datetime, stacks: bytes) -> None:
    """Keep the extremes as one replica has them."""
    row = {"snapshot_id": _ONLY, "place": place, "taken_at": taken_at, "stacks": stacks}
    await connection.execute(
        upsert(watermark_snapshots).on_conflict_do_update(index_elements=["snapshot_id"], set_=row), row
    )


async def find_snapshot(connection: AsyncConnection) -> tuple[int, bytes] | None:
    """The extremes that were kept last, and their place in the stream."""
    row = (await connection.execute(select(watermark_snapshots))).one_or_none()
    return None if row is None else (row.place, bytes(row.stacks))
