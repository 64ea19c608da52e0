"""Fills, and what a run of them did to a position.

Fills are the only source of an exit price. A run that crosses zero ends one position and begins another; the fill
that crosses is divided between them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from services.common.trading.money import to_books
from services.common.trading.side import OrderSide, PositionSide, Side


class OrderKind(StrEnum):
    """What kind of order brought a fill about, as far as the venue says."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    TAKE_PROFIT = "take_profit"
    TRAILING_STOP = "trailing_stop"
    LIQUIDATION = "liquidation"
    ADL = "adl"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution at a venue. Price in quote currency, quantity positive in base units, fee positive when paid.

    `fee_quote` is the fee in quote currency at the time of the fill: equal to `fee` where the venue charged quote
    currency, None where the conversion is not known. `fill_id` is the venue's own and unique within account and symbol.
    `sequence` is the venue's own order among fills (0 where it gives none): two of one millisecond are not told apart
    by ids that are random.
    """

    fill_id: str
    order_id: str
    client_order_id: str | None
    symbol: str
    position_side: PositionSide
    order_side: OrderSide
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_currency: str
    fee_quote: Decimal | None
    realized_pnl: Decimal | None
    executed_at: datetime
    order_kind: OrderKind = OrderKind.UNKNOWN
    sequence: int = 0

    def part(self, quantity: Decimal) -> "Fill":
        """The share of this fill that belongs to `quantity` of it, fee and profit in proportion."""
        if quantity == self.quantity:
            return self
        share = quantity / self.quantity
        return replace(
            self,
            quantity=quantity,
            fee=to_books(self.fee * share),
            fee_quote=None if self.fee_quote is None else to_books(self.fee_quote * share),
            realized_pnl=None if self.realized_pnl is None else to_books(self.realized_pnl * share),
        )


def in_order(fills: Iterable[Fill]) -> tuple[Fill, ...]:
    """Each fill once, by time, the venue's sequence and its id: any order of pages and duplicates gives one answer."""
    unique = {fill.fill_id: fill for fill in fills}
    return tuple(sorted(unique.values(), key=fill_order))


def fill_order(fill: Fill) -> tuple[datetime, int, int, str]:
    """The key by which fills are in order. An id that counts up is longer before it is greater."""
    return fill.executed_at, fill.sequence, len(fill.fill_id), fill.fill_id


@dataclass(frozen=True, slots=True)
class Run:
    """What fills did to a position: those that reduced it, those that added to it, and those after its end.

    `quantity` is what is left of it. `settled` are fills that the quantity at the start held already. `after` is empty
    unless the position ended.
    """

    quantity: Decimal
    reducing: tuple[Fill, ...]
    adding: tuple[Fill, ...]
    after: tuple[Fill, ...]
    settled: tuple[Fill, ...] = ()

    @property
    def ended(self) -> bool:
        return self.quantity == 0


@dataclass(frozen=True, slots=True)
class Settlement:
    """The moment at which a booked quantity was true lies between these two, by the venue's clock where it tells.

    Fills up to `since` are in the quantity, fills after `until` are not; in between either may be.
    """

    since: datetime
    until: datetime


def run_fills(side: Side, quantity: Decimal, fills: Iterable[Fill]) -> Run:
    """Follow a position of `quantity` (> 0) through fills in order, until it ends."""
    reducing: list[Fill] = []
    adding: list[Fill] = []
    after: list[Fill] = []
    left = quantity
    for fill in in_order(fills):
        if left == 0:
            after.append(fill)
        elif fill.order_side is side.opening:
            adding.append(fill)
            left += fill.quantity
        else:
            closed = min(left, fill.quantity)
            reducing.append(fill.part(closed))
            left -= closed
            if closed < fill.quantity:
                after.append(fill.part(fill.quantity - closed))
    return Run(left, tuple(reducing), tuple(adding), tuple(after))


def net_quantity(fills: Iterable[Fill]) -> Decimal:
    """Signed sum of fills: positive when they bought more than they sold."""
    return sum(
        (fill.quantity if fill.order_side is OrderSide.BUY else -fill.quantity for fill in fills), start=Decimal(0)
    )


def run_to(
    side: Side, quantity: Decimal, fills: Iterable[Fill], settlement: Settlement, final_quantity: Decimal
) -> Run | None:
    """Follow a booked position to what the venue says now, or None where the fills do not add up.

    Of the fills that may be in the booked quantity already, as few as possible are taken to be, so that the rest lead
    to `final_quantity` (signed: negative is short).
    """
    ordered = in_order(fills)
    first = sum(1 for fill in ordered if fill.executed_at <= settlement.since)
    for skipped in range(first, len(ordered) + 1):
        if skipped > first and ordered[skipped - 1].executed_at > settlement.until:
            return None
        rest = ordered[skipped:]
        if side.sign * quantity + net_quantity(rest) == final_quantity:
            return replace(run_fills(side, quantity, rest), settled=ordered[:skipped])
    return None


def run_to_end(side: Side, quantity: Decimal, fills: Iterable[Fill], settlement: Settlement) -> Run | None:
    """Follow a position that is known to have ended to its first zero, or None where the fills do not get there.

    Of the fills that may be in the booked quantity already, as few as possible are taken to be.
    """
    ordered = in_order(fills)
    first = sum(1 for fill in ordered if fill.executed_at <= settlement.since)
    for skipped in range(first, len(ordered) + 1):
        if skipped > first and ordered[skipped - 1].executed_at > settlement.until:
            return None
        run = run_fills(side, quantity, ordered[skipped:])
        if run.ended:
            return replace(run, settled=ordered[:skipped])
    return None


@dataclass(frozen=True, slots=True)
class Exit:
    """What closing fills amount to. Price is volume-weighted, `fee` in quote currency (None where not known)."""

    price: Decimal
    quantity: Decimal
    fee: Decimal | None
    executed_at: datetime


def summarize_exit(fills: Iterable[Fill]) -> Exit | None:
    """The exit of a position from the fills that reduced it; None where there are none."""
    ordered = in_order(fills)
    if not ordered:
        return None
    quantity = sum((fill.quantity for fill in ordered), start=Decimal(0))
    notional = sum((fill.quantity * fill.price for fill in ordered), start=Decimal(0))
    fees = [fill.fee_quote for fill in ordered]
    known = [fee for fee in fees if fee is not None]
    return Exit(
        price=to_books(notional / quantity),
        quantity=quantity,
        fee=sum(known, start=Decimal(0)) if len(known) == len(fees) else None,
        executed_at=ordered[-1].executed_at,
    )
