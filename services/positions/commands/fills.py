"""Book what an order of Tandem's did to a position."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from decimal import Decimal

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.clock import Clock
from services.common.trading.fill import Fill, Run, in_order, run_fills, run_to
from services.common.trading.money import format_decimal
from services.positions.commands.completion import completed
from services.positions.commands.journal import Journal, write_change
from services.positions.domain.care import opening_intent
from services.positions.domain.errors import FillsExceedPosition
from services.positions.domain.position import BookedFill, Origin, Position, book_fills, close, reduce, tally
from services.positions.domain.timeline import Actor, Change
from services.positions.readings import AccountReadings
from services.positions.store import positions as rows
from services.positions.store.fills import list_fills, unbooked

_log = structlog.get_logger(__name__)


ReadLate = Callable[[str], Awaitable[Sequence[Fill]]]
"""Reads the fills of an open position that its venue did not list yet when its size was booked."""


class FillCommands:
    """Fills that the monitor brings."""

    def __init__(self, journal: Journal, readings: AccountReadings, clock: Clock, read_late: ReadLate) -> None:
        self._journal = journal
        self._readings = readings
        self._clock = clock
        self._read_late = read_late

    async def record_fills(
        self, position_id: str, fills: Sequence[Fill], intent_id: str, evidence: str = ""
    ) -> Position:
        """Book fills on a position and close it where they end it. Those that are booked already change nothing.

        Those of a position whose exit is estimated complete it; those of an open one bring along what led to its size
        and was listed too late to be booked with it: once it is over, nobody asks for that.

        Raises PositionNotFound, and FillsExceedPosition where they take more than the books hold: then the books lag
        behind the venue, and the reconciler explains it from all the fills.
        """
        late = await self._read_late(position_id)
        async with self._journal.writing() as connection:
            position = await rows.lock_position(connection, position_id)
            changed = await self._book(connection, position, fills, late, intent_id, evidence)
        self._readings.drop(changed.account_id)
        return changed

    async def _book(
        self,
        connection: AsyncConnection,
        position: Position,
        fills: Sequence[Fill],
        late: Sequence[Fill],
        intent_id: str,
        evidence: str,
    ) -> Position:
        earlier = await list_fills(connection, position.position_id)
        known = {one.fill.fill_id for one in earlier}
        new = [fill for fill in fills if fill.fill_id not in known]
        if not new:
            return position
        if position.is_open:
            settled = [one for one in late if one.executed_at <= position.settlement.since and one.fill_id not in known]
            found = await unbooked(connection, position.account_id, position.symbol, settled)
            run = _explain(position, in_order((*new, *found)))
            booked = book_fills(position, run, earlier)
            all_fills = (*earlier, *booked)
            position = _known_as_ours(position, new)
            changed = close(position, all_fills) if run.ended else tally(reduce(position, run), all_fills)
            change = Change.CLOSED if run.ended else Change.FILLED
        else:
            completion = await self._complete(connection, position, new)
            if completion is None:
                _log.warning("fills for a closed position", position_id=position.position_id, fills=len(new))
                return position
            changed, booked = completion
            change = Change.EXIT_COMPLETED
        await write_change(
            connection,
            changed,
            fills=booked,
            actor=Actor.MONITOR,
            change=change,
            evidence=f"{evidence} {_evidence(changed, new, intent_id)}".strip(),
            now=self._clock.now(),
        )
        return changed

    async def _complete(
        self, connection: AsyncConnection, position: Position, new: Sequence[Fill]
    ) -> tuple[Position, tuple[BookedFill, ...]] | None:
        if position.exit is None or not position.exit.estimated:
            return None
        return await completed(connection, position, new)


def _explain(position: Position, new: Sequence[Fill]) -> Run:
    """A whole close if the fills can be one; else what they leave."""
    whole = run_to(position.side, position.quantity, new, position.settlement, Decimal(0))
    if whole is not None and not whole.after:
        return whole
    ordered = in_order(new)
    settled = tuple(fill for fill in ordered if fill.executed_at <= position.settlement.since)
    run = run_fills(position.side, position.quantity, ordered[len(settled) :])
    if run.after:
        raise FillsExceedPosition(position_id=position.position_id, quantity=format_decimal(position.quantity))
    return replace(run, settled=settled)


def _known_as_ours(position: Position, new: Sequence[Fill]) -> Position:
    """A row that was adopted of what turns out to be an order of Tandem's is that order's position."""
    intent_id = opening_intent(new)
    if intent_id is None or position.origin is not Origin.EXTERNAL:
        return position
    return replace(position, origin=Origin.MANUAL, managed=True, intent_id=intent_id)


def _evidence(position: Position, new: Sequence[Fill], intent_id: str) -> str:
    end = position.exit
    orders = ", ".join(sorted({fill.order_id for fill in new}))
    if end is None:
        return f"Order {orders} of intent {intent_id} left {format_decimal(position.quantity)} open."
    price = "an unknown price" if end.price is None else format_decimal(end.price)
    return f"Order {orders} of intent {intent_id} closed it at {price} ({end.reason.value})."
