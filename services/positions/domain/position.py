"""A position in the books: what it is, and what may happen to it.

Every change of substance makes the next version. A closed position never changes back. Size and entry are the venue's;
the exit is what the fills say, and nothing else.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from services.common.errors import PositionAlreadyClosed
from services.common.trading.exit_reason import ExitReason, exit_reason, external_cause
from services.common.trading.extremes import TriggerPrice
from services.common.trading.fill import Fill, Run, Settlement, fill_order, in_order, summarize_exit
from services.common.trading.level import INDICATIVE_LEVELS, Level, LevelKind, LevelRules, Trailing
from services.common.trading.money import to_books
from services.common.trading.opening import fills_within
from services.common.trading.pnl import percent_of_entry, price_pnl
from services.common.trading.reading import PositionKey, VenuePosition
from services.common.trading.side import PositionSide, Side, Venue
from services.positions.domain.provenance import NO_PROVENANCE, CloseAdvice, Plan, Provenance
from services.positions.domain.timeline import Actor


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
    """How a position ended. Money in quote currency; `realized_pnl` is net: price profit less fees, plus funding.

    None where it is not known: profit where a fee is not, everything where the exit is estimated. Then no fills say how
    it ended, and `executed_at` is when it was first missed.
    """

    price: Decimal | None
    quantity: Decimal | None
    fee: Decimal | None
    realized_pnl: Decimal | None
    realized_pnl_percent: Decimal | None
    reason: ExitReason
    cause: str
    executed_at: datetime
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Position:
    """One row of the books. `quantity` is what is open, or what was open last; `settlement` is when that was true.

    Of the fills booked so far, in quote currency: `entry_fee` is what those cost that opened or added, `partial_pnl`
    the profit of those that reduced it, less all their fees, plus `funding` where that is known (negative: paid). None
    where no fills are booked, or the fee of one is not known.
    """

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
    intent_id: str | None = None
    provenance: Provenance = NO_PROVENANCE
    stop_set_by: Actor | None = None
    close_advice: CloseAdvice | None = None
    entry_fee: Decimal | None = None
    partial_pnl: Decimal | None = None
    funding: Decimal | None = None
    plan: Plan | None = None
    commission: Decimal | None = None
    trigger_price: TriggerPrice = TriggerPrice.MARK

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
        """Whether the venue says the same of side, size and entry, to the 18 decimals that the books keep."""
        booked = (self.side, to_books(self.quantity), to_books(self.entry_price))
        return booked == (seen.side, to_books(seen.quantity), to_books(seen.entry_price))

    def is_settled_before(self, seen: VenuePosition) -> bool:
        """Whether the venue's position changed since this row was settled: even the same size may be another one."""
        return seen.updated_at is not None and seen.updated_at > self.settlement.until


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
    position_id: str,
    *,
    user_id: str,
    account_id: str,
    venue: Venue,
    seen: VenuePosition,
    settlement: Settlement,
    opened_at: datetime | None = None,
    plan: Plan | None = None,
    trigger_price: TriggerPrice = TriggerPrice.MARK,
) -> Position:
    """A row for a position that was opened behind Tandem's back: observed, with indicative levels.

    `opened_at` is None where no fills tell it.
    """
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
        quantity=to_books(seen.quantity),
        entry_price=to_books(seen.entry_price),
        leverage=seen.leverage,
        opened_at=settlement.since if opened_at is None else opened_at,
        settlement=settlement,
        levels=INDICATIVE_LEVELS,
        plan=plan,
        trigger_price=trigger_price,
    )


def book_fills(position: Position, run: Run, earlier: Iterable[BookedFill] = ()) -> tuple[BookedFill, ...]:
    """The shares of a run's fills that belong to this position: neither what was before it nor what came after its end.

    `earlier` are its fills that are booked already. What a fill closed was entered at the average of all before it:
    those that the run adds move the entry from then on.
    """
    known = {one.fill.fill_id: one.fill for one in earlier}
    settled = fills_within((*known.values(), *run.settled), position.side.sign * position.quantity)
    booked = [_share(position, fill, position.entry_price) for fill in settled if fill.fill_id not in known]
    booked += [_share(position, fill, entry) for fill, entry, _ in _entries(position, run)]
    return tuple(booked)


def entered(position: Position, run: Run) -> Position:
    """The row with the entry that a run's additions led to, where no reading ever showed it."""
    entries = [entry for _, _, entry in _entries(position, run)]
    return replace(position, entry_price=entries[-1]) if entries else position


def _entries(position: Position, run: Run) -> Iterator[tuple[Fill, Decimal, Decimal]]:
    """The fills of a run in order, each with the average entry before it and after it."""
    held, entry = position.quantity, position.entry_price
    for fill in in_order((*run.reducing, *run.adding)):
        before = entry
        if fill.order_side is position.side.closing:
            held -= fill.quantity
        else:
            entry = to_books((held * entry + fill.quantity * fill.price) / (held + fill.quantity))
            held += fill.quantity
        yield fill, before, entry


def _share(position: Position, fill: Fill, entry_price: Decimal) -> BookedFill:
    """What a fill did to a position that was entered at this price until then."""
    reduced = fill.order_side is position.side.closing
    pnl = _fill_pnl(position.side, fill, entry_price) if reduced else Decimal(0)
    return BookedFill(position.position_id, fill, reduced, pnl)


def tally(position: Position, booked: Iterable[BookedFill]) -> Position:
    """The row with the figures of all the fills ever booked on it."""
    fills = tuple(booked)
    if not fills:
        return position
    adding = [one for one in fills if not one.reduced]
    return replace(
        position,
        entry_fee=_fees(adding) if adding else None,
        partial_pnl=_net(fills, _fees(fills), position.funding),
    )


def adjust(position: Position, seen: VenuePosition, settlement: Settlement) -> Position:
    """The row with the venue's size, entry and leverage."""
    _require_open(position)
    return replace(
        position,
        quantity=to_books(seen.quantity),
        entry_price=to_books(seen.entry_price),
        leverage=seen.leverage if seen.leverage is not None else position.leverage,
        settlement=settlement,
        version=position.version + 1,
    )


def reduce(position: Position, run: Run) -> Position:
    """The row after fills that did not end it: size follows the fills, the entry stays.

    What a reading settled stays settled. Of later fills those are in the quantity that are booked: another piece of the
    same order may still come, with an earlier time.
    """
    _require_open(position)
    last = max(fill.executed_at for fill in (*run.settled, *run.reducing, *run.adding))
    return replace(
        position,
        quantity=run.quantity,
        settlement=replace(position.settlement, until=max(last, position.settlement.until)),
        version=position.version + 1,
    )


def close(position: Position, booked: Iterable[BookedFill]) -> Position:
    """The row after its end, from all the fills ever booked on it. At least one of them reduced it."""
    _require_open(position)
    return _end(position, booked)


def close_estimated(position: Position, missed_at: datetime) -> Position:
    """The row after its end where no fills say how it went: every figure is unknown until they do."""
    _require_open(position)
    return replace(
        position,
        status=PositionStatus.CLOSED,
        version=position.version + 1,
        exit=PositionExit(
            price=None,
            quantity=None,
            fee=None,
            realized_pnl=None,
            realized_pnl_percent=None,
            reason=ExitReason.CLOSED_EXTERNALLY,
            cause=external_cause(()),
            executed_at=max(missed_at, position.opened_at),
            estimated=True,
        ),
    )


def complete_exit(position: Position, booked: Iterable[BookedFill]) -> Position:
    """The row whose estimated exit is replaced by what its fills say."""
    if position.exit is None or not position.exit.estimated:
        raise ValueError(f"the exit of position {position.position_id} is not estimated")
    return _end(position, booked)


def fund(position: Position, amount: Decimal) -> Position:
    """The row after funding of this amount (negative: paid); one that has ended too: its profit is net of it."""
    end, commission = position.exit, position.commission
    if end is not None and end.realized_pnl is not None and end.quantity is not None:
        net = end.realized_pnl + amount
        percent = percent_of_entry(net, position.entry_price, end.quantity)
        end = replace(end, realized_pnl=net, realized_pnl_percent=None if percent is None else to_books(percent))
        commission = None if position.plan is None else position.plan.commission_on(net)
    return replace(
        position,
        funding=(position.funding or Decimal(0)) + amount,
        partial_pnl=None if position.partial_pnl is None else position.partial_pnl + amount,
        commission=commission,
        exit=end,
        version=position.version + 1,
    )


def _end(position: Position, booked: Iterable[BookedFill]) -> Position:
    ordered = sorted(booked, key=lambda one: fill_order(one.fill))
    closing = [one.fill for one in ordered if one.reduced]
    summary = summarize_exit(closing)
    if summary is None:
        raise ValueError("a position is closed by fills: there are none")
    reason = exit_reason(closing)
    fee = _fees(ordered)
    net = _net(ordered, fee, position.funding)
    percent = None if net is None else percent_of_entry(net, position.entry_price, summary.quantity)
    return replace(
        tally(position, ordered),
        commission=None if net is None or position.plan is None else position.plan.commission_on(net),
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
    if not isinstance(levels.stop_loss.rule, Trailing):
        # A floor lies under a trailing stop; under another it would mean nothing.
        levels = replace(levels, floor=None)
    return replace(position, levels=levels, version=position.version + 1)


def _fees(booked: Iterable[BookedFill]) -> Decimal | None:
    fees = [one.fill.fee_quote for one in booked]
    known = [fee for fee in fees if fee is not None]
    return sum(known, start=Decimal(0)) if len(known) == len(fees) else None


def _net(booked: Iterable[BookedFill], fee: Decimal | None, funding: Decimal | None) -> Decimal | None:
    if fee is None:
        return None
    return sum((one.pnl for one in booked), start=Decimal(0)) - fee + (funding or Decimal(0))


def _require_open(position: Position) -> None:
    if not position.is_open:
        raise PositionAlreadyClosed(position_id=position.position_id)


def _fill_pnl(side: Side, fill: Fill, entry_price: Decimal) -> Decimal:
    """The venue's own figure where it states one; else from the entry until then."""
    if fill.realized_pnl is not None:
        return fill.realized_pnl
    return to_books(price_pnl(side, entry_price, fill.price, fill.quantity))
