"""Evidence that comes later than a close completes it."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.trading.fill import Fill, run_to_end
from services.positions.domain.position import BookedFill, Position, book_fills, complete_exit, entered
from services.positions.store.fills import list_fills, unbooked
from services.positions.store.positions import VENUE_CLOCKS, begin_of_next


async def completed(
    connection: AsyncConnection, position: Position, fills: Sequence[Fill]
) -> tuple[Position, tuple[BookedFill, ...]] | None:
    """A position of an estimated exit as these fills say that it ended, with what is to be booked on it.

    None where they do not take it to its end. Fills after its end belong to another position and are left out, as are
    those after the next one of its slot began.
    """
    until = await begin_of_next(connection, position)
    earlier = await list_fills(connection, position.position_id)
    known = {one.fill.fill_id for one in earlier}
    own = [
        fill
        for fill in fills
        if fill.fill_id not in known
        and fill.position_side is position.position_side
        and (until is None or fill.executed_at <= until + VENUE_CLOCKS)
    ]
    new = await unbooked(connection, position.account_id, position.symbol, own)
    run = run_to_end(position.side, position.quantity, new, position.settlement)
    if run is None:
        return None
    booked = book_fills(position, run, earlier)
    return complete_exit(entered(position, run), (*earlier, *booked)), booked
