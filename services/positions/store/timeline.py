"""The timeline of a position as the books keep it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Row,
    Select,
    bindparam,
    false,
    literal,
    null,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.database import Money, UtcDateTime
from services.common.trading.money import format_decimal
from services.positions.domain.timeline import Actor, Change, TimelineEntry
from services.positions.store.levels import levels_from_document, levels_to_document
from services.positions.store.tables import timeline
from services.positions.store.trails import trails


@dataclass(frozen=True, slots=True)
class TimelineCursor:
    """Where a page of a timeline ended. Samples come after the change of the version that they are of."""

    version: int
    sampled: bool
    happened_at: datetime


def _list() -> Select[Any]:
    changes = select(
        timeline.c.version,
        false().label("sampled"),
        timeline.c.happened_at,
        timeline.c.actor,
        timeline.c.change,
        timeline.c.evidence,
        timeline.c.reason,
        timeline.c.levels,
        null().cast(Money).label("stop_price"),
        null().cast(Money).label("best_price"),
    ).where(timeline.c.position_id == bindparam("of_position"))
    of_version = timeline.alias("of_version")
    same = (of_version.c.position_id == trails.c.position_id) & (of_version.c.version == trails.c.version)
    samples = select(
        trails.c.version,
        true().label("sampled"),
        trails.c.sampled_at,
        literal(Actor.MONITOR.value),
        literal(Change.TRAILED.value),
        literal(""),
        literal(""),
        select(of_version.c.levels).where(same).scalar_subquery(),
        trails.c.stop_price,
        trails.c.best_price,
    ).where(trails.c.position_id == bindparam("of_position"))
    lines = union_all(changes, samples).subquery("lines")
    place = tuple_(lines.c.version, lines.c.sampled, lines.c.happened_at)
    after = tuple_(
        bindparam("version", type_=BigInteger),
        bindparam("sampled", type_=Boolean),
        bindparam("happened_at", type_=UtcDateTime),
    )
    ordered = select(lines).where(place > after).order_by(lines.c.version, lines.c.sampled, lines.c.happened_at)
    return ordered.limit(bindparam("limit"))


_LIST = _list()
_BEGINNING = TimelineCursor(0, False, datetime(2000, 1, 1, tzinfo=UTC))


def entry_to_row(entry: TimelineEntry) -> dict[str, Any]:
    """The columns of a line; a position's version has one."""
    return {
        "position_id": entry.position_id,
        "version": entry.version,
        "happened_at": entry.happened_at,
        "actor": entry.actor.value,
        "change": entry.change.value,
        "evidence": entry.evidence,
        "reason": entry.reason,
        "levels": None if entry.levels is None else levels_to_document(entry.levels),
    }


async def list_timeline(
    connection: AsyncConnection, position_id: str, after: TimelineCursor | None, limit: int
) -> list[TimelineEntry]:
    """The lines of a position behind a place, the first one first: its changes, and samples of its trailing stop."""
    place = after or _BEGINNING
    values = {
        "of_position": position_id,
        "version": place.version,
        "sampled": place.sampled,
        "happened_at": place.happened_at,
        "limit": limit,
    }
    return [_from_row(position_id, row) for row in await connection.execute(_LIST, values)]


def cursor_after(entry: TimelineEntry) -> TimelineCursor:
    """The place of a line."""
    return TimelineCursor(entry.version, entry.change is Change.TRAILED, entry.happened_at)


def _from_row(position_id: str, row: Row[Any]) -> TimelineEntry:
    evidence = row.evidence
    if row.sampled:
        evidence = (
            f"The trailing stop followed the price to {format_decimal(row.stop_price)}:"
            f" {format_decimal(row.best_price)} was the best since it was armed."
        )
    return TimelineEntry(
        position_id=position_id,
        version=row.version,
        happened_at=row.happened_at,
        actor=Actor(row.actor),
        change=Change(row.change),
        evidence=evidence,
        reason=row.reason,
        levels=None if row.levels is None else levels_from_document(row.levels),
    )
