"""A position in the books: what it is, and what may happen to it.

Every change of substance makes the next version. A closed position never changes back. Size and entry are the venue's;
the exit is what the fills say, and nothing else.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from services.common.errors import PositionAlreadyClosed
from services.common.trading.exit_reason import ExitReason, exit_reason, external_cause
from services.common.trading.fill import Fill, Run, Settlement, in_order, summarize_exit
from services.common.trading.level import INDICATIVE_LEVELS, Level, LevelKind, LevelRules
from services.common.trading.money import to_books
from services.common.trading.pnl import percent_of_entry, price_pnl
from services.common.trading.reading import PositionKey, VenuePosition
from services.common.trading.side import PositionSide, Side, Venue


class PositionStatus(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    LIQUIDATED = "liquidated"


class Origin(StrEnum):
    """Who brought the position about: a flow, the user through Tandem, or the user elsewhere."""

    FLOW = "flow"
    MANUAL = "manual"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class PositionExit:
    """How a position ended. Money in quote currency; `realized_pnl` is net of fees, None where a fee is not known."""

    price: Decimal
    quantity: Decimal
    fee: Decimal | None
    realized_pnl: Decimal | None
    realized_pnl_percent: Decimal | None
    reason: ExitReason
    cause: str
    executed_at: datetime
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Position:
    """One row of the books. `quantity` is what is open, or what was open last; `settlement` is when that was true."""

    position_id: str
    user_id: str
    account_id: str
    venue: Venue
    symbol: str
    position_side: PositionSide
    side: Side
    status: PositionStatus
    origin: Origin
    managed: bool
    quantity: Decimal
    entry_price: Decimal
    leverage: Decimal | None
    opened_at: datetime
    settlement: Settlement
    levels: LevelRules
    version: int = 1
    exit: PositionExit | None = None

    @property
    def key(self) -> PositionKey:
        return PositionKey(self.symbol, self.position_side)

    @property
    def is_open(self) -> bool:
        return self.status is PositionStatus.OPEN

    @property
    def enforced(self) -> bool:
        """Whether any of its levels may fire."""
        return self.is_open and (self.levels.stop_loss.enforced or self.levels.take_profit.enforced)

    def agrees_with(self, seen: VenuePosition) -> bool:
        """Whether the venue says the same of side, size and entry."""
        return (self.side, self.quantity, self.entry_price) == (seen.side, seen.quantity, seen.entry_price)


@dataclass(frozen=True, slots=True)
class BookedFill:
    """The share of a fill that belongs to one position: `pnl` is its price profit, without fees; 0 where it added."""

    position_id: str
    fill: Fill
    reduced: bool
    pnl: Decimal


def settlement_of(seen: VenuePosition, asked_at: datetime, taken_at: datetime) -> Settlement:
    """When a reading's quantity was true: by the venue's own word where it gives one."""
    if seen.updated_at is not None:
        return Settlement(seen.updated_at, seen.updated_at)
    return Settlement(asked_at, taken_at)


def adopt(
    position_id: str, *, user_id: str, account_id: str, venue: Venue, seen: VenuePosition, settlement: Settlement
) -> Position:
    """A row for a position that was opened behind Tandem's back: observed, with indicative levels."""
    return Position(
        position_id=position_id,
        user_id=user_id,
        account_id=account_id,
        venue=venue,
        symbol=seen.symbol,
        position_side=seen.position_side,
        side=seen.side,
        status=PositionStatus.OPEN,
        origin=Origin.EXTERNAL,
        managed=False,
        quantity=seen.quantity,
        entry_price=seen.entry_price,
        leverage=seen.leverage,
        opened_at=settlement.since,
        settlement=settlement,
        levels=INDICATIVE_LEVELS,
    )


def book_fills(position: Position, run: Run) -> tuple[BookedFill, ...]:
    """The shares of a run's fills that belong to this position; what came after its end does not."""
    booked = []
    for fill in in_order((*run.settled, *run.reducing, *run.adding)):
        reduced = fill.order_side is position.side.closing
        booked.append(
            BookedFill(position.position_id, fill, reduced, _fill_pnl(position, fill) if reduced else Decimal(0))
        )
    return tuple(booked)


def adjust(position: Position, seen: VenuePosition, settlement: Settlement) -> Position:
    """The row with the venue's size, entry and leverage."""
    _require_open(position)
    return replace(
        position,
        quantity=seen.quantity,
        entry_price=seen.entry_price,
        leverage=seen.leverage if seen.leverage is not None else position.leverage,
        settlement=settlement,
        version=position.version + 1,
    )


def reduce(position: Position, run: Run) -> Position:
    """The row after fills that did not end it: size follows the fills, the entry stays."""
    _require_open(position)
    last = max(fill.executed_at for fill in (*run.settled, *run.reducing, *run.adding))
    return replace(
        position,
        quantity=run.quantity,
        settlement=Settlement(max(last, position.settlement.since), max(last, position.settlement.until)),
        version=position.version + 1,
    )


def close(position: Position, booked: Iterable[BookedFill]) -> Position:
    """The row after its end, from all the fills ever booked on it. At least one of them reduced it."""
    _require_open(position)
    ordered = sorted(booked, key=lambda one: (one.fill.executed_at, len(one.fill.fill_id), one.fill.fill_id))
    closing = [one.fill for one in ordered if one.reduced]
    summary = summarize_exit(closing)
    if summary is None:
        raise ValueError("a position is closed by fills: there are none")
    reason = exit_reason(closing)
    fees = [one.fill.fee_quote for one in ordered]
    fee = sum((one for one in fees if one is not None), start=Decimal(0)) if None not in fees else None
    net = None if fee is None else sum((one.pnl for one in ordered), start=Decimal(0)) - fee
    percent = None if net is None else percent_of_entry(net, position.entry_price, summary.quantity)
    return replace(
        position,
        status=PositionStatus.LIQUIDATED if reason is ExitReason.LIQUIDATION else PositionStatus.CLOSED,
        version=position.version + 1,
        exit=PositionExit(
            price=summary.price,
            quantity=summary.quantity,
            fee=fee,
            realized_pnl=net,
            realized_pnl_percent=None if percent is None else to_books(percent),
            reason=reason,
            cause=external_cause(closing) if reason is ExitReason.CLOSED_EXTERNALLY else reason.value,
            executed_at=summary.executed_at,
        ),
    )


def set_level(position: Position, kind: LevelKind, level: Level) -> Position:
    """The row with one level replaced; the other stays as it is. The same rule again changes nothing."""
    _require_open(position)
    current = position.levels.stop_loss if kind is LevelKind.STOP_LOSS else position.levels.take_profit
    if (current.rule, current.enforced) == (level.rule, level.enforced):
        return position
    levels = (
        replace(position.levels, stop_loss=level)
        if kind is LevelKind.STOP_LOSS
        else replace(position.levels, take_profit=level)
    )
    return replace(position, levels=levels, version=position.version + 1)


def _require_open(position: Position) -> None:
    if not position.is_open:
        raise PositionAlreadyClosed(position_id=position.position_id)


def _fill_pnl(position: Position, fill: Fill) -> Decimal:
    """The venue's own figure where it states one; else from the booked entry."""
    if fill.realized_pnl is not None:
        return fill.realized_pnl
    return price_pnl(position.side, position.entry_price, fill.price, fill.quantity)
