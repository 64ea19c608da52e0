"""A change of the books in one statement: the row, its fills, its line in the timeline and its event, or none of them.

One statement because each is a round trip, and a change has four. Statements are built once: a statement of sixty
values takes longer to build than to run.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Table, bindparam, column, func, insert, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import Insert
from sqlalchemy.sql.selectable import CTE, Select

from services.common.errors import VersionConflict
from services.common.outbox import EVENT_COLUMNS, OUTBOX, OutboxEvent, event_to_row
from services.positions.domain.position import BookedFill, Position
from services.positions.domain.timeline import TimelineEntry
from services.positions.store.fills import fills_to_document
from services.positions.store.positions import position_to_row
from services.positions.store.tables import fills, positions, timeline
from services.positions.store.timeline import entry_to_row

_IDENTITY = frozenset({"position_id", "user_id", "account_id", "venue", "symbol", "position_side", "side"})
"""What a row keeps for life."""


async def insert_change(
    connection: AsyncConnection,
    position: Position,
    booked: Sequence[BookedFill],
    entry: TimelineEntry,
    event: OutboxEvent,
    now: datetime,
) -> None:
    """Add a row with all that belongs to it. The database refuses a second open one of the same key."""
    await connection.execute(_NEW, _values(position, booked, entry, event, now))


async def update_change(
    connection: AsyncConnection,
    position: Position,
    booked: Sequence[BookedFill],
    entry: TimelineEntry,
    event: OutboxEvent,
    now: datetime,
) -> None:
    """Write a row's next version over the one before it, with all that belongs to it. A fill that is booked on it
    already changes nothing. Raises VersionConflict where the version before it is not the one there.
    """
    values = _values(position, booked, entry, event, now)
    written = (await connection.execute(_CHANGED, {**values, "before": position.version - 1})).scalar_one()
    if written != 1:
        raise VersionConflict(position_id=position.position_id, version=position.version)


def _values(
    position: Position, booked: Sequence[BookedFill], entry: TimelineEntry, event: OutboxEvent, now: datetime
) -> dict[str, Any]:
    row = {**position_to_row(position), "changed_at": now}
    return {
        **_prefixed(positions, row),
        **_prefixed(timeline, entry_to_row(entry)),
        **_prefixed(OUTBOX, event_to_row(event)),
        "fills": fills_to_document(position.account_id, booked),
    }


def _prefixed(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{table.name}_{name}": value for name, value in row.items()}


def _given(table: Table, columns: Sequence[Column[Any]]) -> dict[str, Any]:
    """A parameter for each of these columns, named for its table: several tables have a version."""
    return {one.name: bindparam(f"{table.name}_{one.name}", type_=one.type) for one in columns}


def _insert(table: Table, columns: Sequence[Column[Any]]) -> Insert:
    return insert(table).values(_given(table, columns))


def _fills() -> Insert:
    """As many fills as the document has; one that is booked already changes nothing."""
    document = bindparam("fills", type_=JSONB)
    typed = [column(one.name, one.type) for one in fills.c]
    rows = func.jsonb_to_recordset(document).table_valued(*typed, name="booked").render_derived(with_types=True)
    return upsert(fills).from_select([one.name for one in fills.c], select(*rows.c)).on_conflict_do_nothing()


def _whole(row: CTE) -> Select[Any]:
    """The statement around a row that is written."""
    told = [one for one in timeline.c if one.name != "entry_id"]
    queued = [OUTBOX.c[name] for name in EVENT_COLUMNS]
    beside = (_fills().cte("added"), _insert(timeline, told).cte("told"), _insert(OUTBOX, queued).cte("queued"))
    return select(func.count()).select_from(row).add_cte(*beside)


_NEW = _whole(_insert(positions, list(positions.c)).returning(positions.c.position_id).cte("written"))
_CHANGED = _whole(
    update(positions)
    .where(positions.c.position_id == bindparam("positions_position_id"), positions.c.version == bindparam("before"))
    .values(_given(positions, [one for one in positions.c if one.name not in _IDENTITY]))
    .returning(positions.c.position_id)
    .cte("written")
)
