"""One way to write a change of the books: the row, its fills, its timeline entry and its event, in one transaction."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.common.database import statement, transaction
from services.positions import events
from services.positions.domain.position import BookedFill, Position
from services.positions.domain.request import current_request
from services.positions.domain.timeline import Actor, Change, TimelineEntry
from services.positions.store.changes import insert_change, update_change
from services.positions.store.requests import claim

_AFTER_THE_END = frozenset({Change.EXIT_COMPLETED, Change.FUNDED, Change.MERGED})
"""What is still learned of a position that has ended."""


class Journal:
    """Opens transactions on the books, and says when one has committed, so that its events leave at once."""

    def __init__(self, engine: AsyncEngine, announce: Callable[[], None]) -> None:
        self._engine = engine
        self._announce = announce

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """For statements that change nothing, each by itself. Errors as services.common.database.transaction."""
        async with statement(self._engine) as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that commits at the end of the block; what commits is the change that a request asked for.

        Errors as services.common.database.transaction; RequestAnswered where the request has been carried out already.
        """
        request = current_request.get()
        async with transaction(self._engine) as connection:
            if request is not None:
                await claim(connection, request)
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
    entry = _entry(position, actor, change, evidence, "", now)
    await insert_change(connection, position, fills, entry, events.position_opened(position, now), now)


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
    """Write a row's next version and announce it: as closed or completed where it is, else as changed.

    Raises VersionConflict.
    """
    entry = _entry(position, actor, change, evidence, reason, now)
    if change in _AFTER_THE_END and not position.is_open:
        fact = events.position_exit_completed
    else:
        fact = events.position_levels_changed if position.is_open else events.position_closed
    await update_change(connection, position, fills, entry, fact(position, now), now)


def _entry(
    position: Position, actor: Actor, change: Change, evidence: str, reason: str, now: datetime
) -> TimelineEntry:
    return TimelineEntry(
        position.position_id, position.version, now, actor, change, evidence, reason, levels=position.levels
    )
