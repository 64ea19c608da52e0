"""The live view: what a venue says now, beside what the books say, row by row.

A row that only one side has is shown, and says so: absence from the venue's list never hides what the books still hold.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from services.common.trading.effective_levels import EffectiveLevels, effective_levels
from services.common.trading.extremes import TriggerPrice
from services.common.trading.level import INDICATIVE_LEVELS
from services.common.trading.money import format_decimal, to_books
from services.common.trading.pnl import price_pnl
from services.common.trading.reading import AccountReading, VenuePosition
from services.positions.domain.account import Account
from services.positions.domain.position import Position

NOT_IN_BOOKS = "the books do not have it yet"
NOT_AT_VENUE = "the venue does not have it any more"
NOT_CONFIRMED = "the venue could not be read just now"

HIGH_RISK_DISTANCE = Decimal("0.10")
MEDIUM_RISK_DISTANCE = Decimal("0.25")
"""Of the mark price: how far it is from the liquidation price."""
HIGH_RISK_MARGIN = Decimal("0.5")
MEDIUM_RISK_MARGIN = Decimal("0.2")
"""Of the equity: how much of it the venue wants as maintenance margin."""


class RiskLevel(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class LiveRow:
    """One position as it is shown: `seen` is the venue's word, `booked` that of the books; at least one is there.

    `confirmed` is False where the venue's word is an old one, or where it could not say whether it has the position.
    `watermark` is the best price in the position's favour since its stop was armed, `last_price` what was paid last:
    each where it is known.
    """

    account: Account
    seen: VenuePosition | None
    booked: Position | None
    confirmed: bool = True
    watermark: Decimal | None = None
    last_price: Decimal | None = None

    @property
    def trigger_price(self) -> TriggerPrice:
        """Which price triggers its levels, or would."""
        return self.account.trigger_price if self.booked is None else self.booked.trigger_price

    @property
    def commission(self) -> Decimal | None:
        """The user's commission if it were closed at the mark price now; None without a plan or a price."""
        if self.booked is None or self.booked.plan is None or self.seen is None:
            return None
        seen = self.seen
        open_pnl = price_pnl(seen.side, seen.entry_price, seen.mark_price, seen.quantity)
        return self.booked.plan.commission_on((self.booked.partial_pnl or Decimal(0)) + open_pnl)

    @property
    def in_sync(self) -> bool:
        return (
            self.confirmed and self.seen is not None and self.booked is not None and self.booked.agrees_with(self.seen)
        )

    @property
    def differences(self) -> tuple[str, ...]:
        """Why it is not in sync, in plain words."""
        if not self.confirmed:
            return (NOT_CONFIRMED,)
        if self.seen is None:
            return (NOT_AT_VENUE,)
        if self.booked is None:
            return (NOT_IN_BOOKS,)
        return tuple(_differences(self.booked, self.seen))

    @property
    def levels(self) -> EffectiveLevels | None:
        """Prices of its levels as they stand now; None without a current price."""
        if self.seen is None:
            return None
        rules = self.booked.levels if self.booked is not None else INDICATIVE_LEVELS
        price = self.seen.mark_price
        if self.trigger_price is TriggerPrice.LAST and self.last_price is not None:
            price = self.last_price
        return effective_levels(self.seen.side, rules, price, self.watermark)


def merge(
    account: Account,
    seen: Iterable[VenuePosition],
    booked: Iterable[Position],
    *,
    complete: bool = True,
    confirmed: bool = True,
) -> Iterator[LiveRow]:
    """The venue's rows, each with its row of the books, then those of the books alone.

    A leg with the other side is not the same position. Where the venue's list is not complete, it is no word on what
    it lacks; where it is an old one, nothing in it is confirmed.
    """
    rows = {(row.key, row.side): row for row in booked}
    for position in seen:
        yield LiveRow(account, position, rows.pop((position.key, position.side), None), confirmed)
    for row in rows.values():
        yield LiveRow(account, None, row, confirmed=complete)


def differs(booked: Iterable[Position], seen: Iterable[VenuePosition], *, complete: bool) -> bool:
    """Whether books and venue say different things about an account; a list that is not complete lacks nothing."""
    rows = {(row.key, row.side): row for row in booked}
    for position in seen:
        row = rows.pop((position.key, position.side), None)
        if row is None or not row.agrees_with(position):
            return True
    return complete and bool(rows)


def risk_level(seen: VenuePosition, margin_level: Decimal | None) -> RiskLevel | None:
    """By the distance to liquidation; where the venue gives no such price, by the account's margin level."""
    if seen.liquidation_price is not None and seen.mark_price > 0:
        distance = seen.side.sign * (seen.mark_price - seen.liquidation_price) / seen.mark_price
        return _risk(distance < HIGH_RISK_DISTANCE, distance < MEDIUM_RISK_DISTANCE)
    if margin_level is not None:
        return _risk(margin_level >= HIGH_RISK_MARGIN, margin_level >= MEDIUM_RISK_MARGIN)
    return None


def margin_level(reading: AccountReading) -> Decimal | None:
    """The maintenance margin as a fraction of the equity; 1 where there is less equity than that.

    None where the venue did not give the account's margin.
    """
    if reading.margin is None:
        return None
    maintenance, equity = reading.margin.maintenance_margin, reading.margin.equity
    if maintenance <= 0:
        return Decimal(0)
    return min(Decimal(1), maintenance / equity) if equity > 0 else Decimal(1)


def _risk(high: bool, medium: bool) -> RiskLevel:
    if high:
        return RiskLevel.HIGH
    return RiskLevel.MEDIUM if medium else RiskLevel.LOW


def _differences(booked: Position, seen: VenuePosition) -> Iterator[str]:
    if booked.side is not seen.side:
        yield f"it is {seen.side} at the venue and {booked.side} in the books"
    if booked.quantity != to_books(seen.quantity):
        yield f"the venue has {format_decimal(seen.quantity)} of it, the books {format_decimal(booked.quantity)}"
    if booked.entry_price != to_books(seen.entry_price):
        venue, books = format_decimal(seen.entry_price), format_decimal(booked.entry_price)
        yield f"the venue says that it was entered at {venue}, the books at {books}"
