"""One way to write a change of the books: the row, its fills, its timeline entry and its event, in one transaction."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.common.database import transaction
from services.common.outbox import append
from services.positions import events
from services.positions.domain.position import BookedFill, Position
from services.positions.domain.timeline import Actor, Change, TimelineEntry
from services.positions.store import positions as rows
from services.positions.store.fills import insert_fills


class Journal:
    """Opens transactions on the books, and says when one has committed, so that its events leave at once."""

    def __init__(self, engine: AsyncEngine, announce: Callable[[], None]) -> None:
        self._engine = engine
        self._announce = announce

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that commits at the end of the block. Errors as services.common.database.transaction."""
        async with transaction(self._engine) as connection:
            yield connection
        self._announce()


async def write_new(
    connection: AsyncConnection,
    position: Position,
    *,
    fills: Sequence[BookedFill],
    actor: Actor,
    change: Change = Change.ADOPTED,
    evidence: str,
    now: datetime,
) -> None:
    """Add a row to the books and announce it."""
    await rows.insert_position(connection, position, now)
    await insert_fills(connection, position.account_id, fills)
    await _tell(connection, position, actor, change, evidence, "", now)
    await append(connection, events.position_opened(position, now))


async def write_change(
    connection: AsyncConnection,
    position: Position,
    *,
    fills: Sequence[BookedFill] = (),
    actor: Actor,
    change: Change,
    evidence: str,
    reason: str = "",
    now: datetime,
) -> None:
    """Write a row's next version and announce it: as closed or completed where it is, else as changed."""
    await rows.update_position(connection, position, now)
    await insert_fills(connection, position.account_id, fills)
    await _tell(connection, position, actor, change, evidence, reason, now)
    if change is Change.EXIT_COMPLETED:
        fact = events.position_exit_completed
    else:
        fact = events.position_levels_changed if position.is_open else events.position_closed
    await append(connection, fact(position, now))


async def _tell(
    connection: AsyncConnection,
    position: Position,
    actor: Actor,
    change: Change,
    evidence: str,
    reason: str,
    now: datetime,
) -> None:
    entry = TimelineEntry(
        position.position_id, position.version, now, actor, change, evidence, reason, levels=position.levels
    )
    await rows.append_timeline(connection, entry)
