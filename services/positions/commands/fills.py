"""Book what an order of Tandem's did to a position."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.clock import Clock
from services.common.trading.fill import Fill, Run, in_order, run_fills, run_to
from services.common.trading.money import format_decimal
from services.positions.commands.completion import completed
from services.positions.commands.journal import Journal, write_change
from services.positions.commands.rest import book_rest
from services.positions.domain.care import opening_intent
from services.positions.domain.errors import FillsExceedPosition
from services.positions.domain.position import Origin, Position, book_fills, close, reduce, tally
from services.positions.domain.timeline import Actor, Change
from services.positions.readings import AccountReadings
from services.positions.store import positions as rows
from services.positions.store.fills import list_fills, unbooked

_log = structlog.get_logger(__name__)


class Listed(Protocol):
    """What a venue lists besides what an order did. Both answer nothing where it does not tell soon."""

    async def read_late(self, position_id: str) -> Sequence[Fill]:
        """Fills of an open position that were not listed yet when its size was booked. Raises PositionNotFound."""
        ...

    async def read_rest(self, ended: Position) -> Sequence[Fill]:
        """Fills in the slot of a position that has ended, since it was settled, which are booked nowhere."""
        ...


class FillCommands:
    """Fills that the monitor brings."""

    def __init__(self, journal: Journal, readings: AccountReadings, clock: Clock, listed: Listed) -> None:
        self._journal = journal
        self._readings = readings
        self._clock = clock
        self._listed = listed

    async def record_fills(
        self, position_id: str, fills: Sequence[Fill], intent_id: str, evidence: str = ""
    ) -> Position:
        """Book fills on a position and close it where they end it. Those that are booked already change nothing.

        Those of a position whose exit is estimated complete it; those of an open one bring along what led to its size
        and was listed too late to be booked with it: once it is over, nobody asks for that. What they closed beyond a
        position that has ended is booked as one of its own.

        Raises PositionNotFound, and FillsExceedPosition where they take more than the books hold: then the books lag
        behind the venue, and the reconciler explains it from all the fills.
        """
        late = await self._listed.read_late(position_id)
        async with self._journal.writing() as connection:
            position = await rows.lock_position(connection, position_id)
            changed = await self._book(connection, position, fills, late, intent_id, evidence)
        if changed is None:
            rest = await self._listed.read_rest(position)
            async with self._journal.writing() as connection:
                await book_rest(connection, position, fills, rest, self._clock.now())
        self._readings.drop(position.account_id)
        return changed or position

    async def _book(
        self,
        connection: AsyncConnection,
        position: Position,
        fills: Sequence[Fill],
        late: Sequence[Fill],
        intent_id: str,
        evidence: str,
    ) -> Position | None:
        """None where the position has ended, with exact figures, without these fills."""
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
            _log.warning("fills for a closed position", position_id=position.position_id, fills=len(new))
            if position.exit is None or not position.exit.estimated:
                return None
            completion = await completed(connection, position, new)
            if completion is None:
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
