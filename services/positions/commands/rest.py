"""What an order of Tandem's closed beyond the position that the books knew: its user had added to it a moment before.

The books have ended the position by then, with exact figures, and an ended position does not change. So what was added
is a position of its own: opened by the fills that no other has, closed by those of the order.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.trading.fill import Fill, Settlement, in_order, run_fills
from services.common.trading.level import INDICATIVE_LEVELS
from services.common.trading.money import format_decimal, to_books
from services.common.trading.side import Side
from services.positions.commands.journal import write_change, write_new
from services.positions.domain.errors import FillsExceedPosition
from services.positions.domain.position import (
    BookedFill,
    Origin,
    Position,
    PositionStatus,
    book_fills,
    close,
    tally,
)
from services.positions.domain.provenance import NO_PROVENANCE
from services.positions.domain.timeline import Actor, Change
from services.positions.store import positions as rows
from services.positions.store.decisions import lock_account
from services.positions.store.fills import unbooked


async def book_rest(
    connection: AsyncConnection, ended: Position, fills: Sequence[Fill], listed: Sequence[Fill], now: datetime
) -> None:
    """Book fills of an order for a position that has ended. `listed` are the fills of its slot since it was settled.

    Those that are booked elsewhere by now change nothing. Raises FillsExceedPosition where what they closed cannot be
    told from the fills that are listed, or is in the books as a position that is open: the reconciler explains it.
    """
    await lock_account(connection, ended.account_id)
    since = ended.settlement.since
    found = [fill for fill in listed if fill.position_side is ended.position_side and fill.executed_at > since]
    rest = await unbooked(connection, ended.account_id, ended.symbol, in_order((*fills, *found)))
    if not {fill.fill_id for fill in rest} & {fill.fill_id for fill in fills}:
        return
    slot = await rows.look_up_key(connection, ended.account_id, ended.key, (), now)
    is_open = slot.latest is not None and slot.latest.position.is_open
    if is_open or not _is_a_life(ended.side, rest):
        raise FillsExceedPosition(position_id=ended.position_id, quantity="0")
    await _write(connection, _opened(slot.new_id, ended, rest), ended, rest, now)


def _is_a_life(side: Side, fills: Sequence[Fill]) -> bool:
    """Whether fills lead from nothing to a position of this side and, with the last of them, to nothing again."""
    held = Decimal(0)
    for number, fill in enumerate(in_order(fills), start=1):
        held += fill.quantity if fill.order_side is side.opening else -fill.quantity
        if held < 0 or (held == 0) != (number == len(fills)):
            return False
    return True


def _opened(position_id: str, ended: Position, fills: Sequence[Fill]) -> Position:
    adding = [fill for fill in in_order(fills) if fill.order_side is ended.side.opening]
    quantity = sum((fill.quantity for fill in adding), start=Decimal(0))
    notional = sum((fill.quantity * fill.price for fill in adding), start=Decimal(0))
    return replace(
        ended,
        position_id=position_id,
        status=PositionStatus.OPEN,
        origin=Origin.EXTERNAL,
        managed=False,
        quantity=quantity,
        entry_price=to_books(notional / quantity),
        opened_at=adding[0].executed_at,
        settlement=Settlement(adding[-1].executed_at, adding[-1].executed_at),
        levels=INDICATIVE_LEVELS,
        version=1,
        exit=None,
        intent_id=None,
        provenance=NO_PROVENANCE,
        stop_set_by=None,
        close_advice=None,
        entry_fee=None,
        partial_pnl=None,
        funding=None,
        commission=None,
    )


async def _write(
    connection: AsyncConnection, position: Position, ended: Position, fills: Sequence[Fill], now: datetime
) -> None:
    side = position.side
    opening = tuple(
        BookedFill(position.position_id, fill, False, Decimal(0))
        for fill in in_order(fills)
        if fill.order_side is side.opening
    )
    closing = [fill for fill in fills if fill.order_side is side.closing]
    evidence = (
        f"{format_decimal(position.quantity)} was added to {ended.position_id} before the order that closed it, and the"
        " books had not known of it: it is a position of its own."
    )
    position = tally(position, opening)
    await write_new(connection, position, fills=opening, actor=Actor.MONITOR, evidence=evidence, now=now)
    booked = book_fills(position, run_fills(side, position.quantity, closing), opening)
    orders = ", ".join(sorted({fill.order_id for fill in closing}))
    await write_change(
        connection,
        close(position, (*opening, *booked)),
        fills=booked,
        actor=Actor.MONITOR,
        change=Change.CLOSED,
        evidence=f"Order {orders} closed it with what was left of {ended.position_id}.",
        now=now,
    )
