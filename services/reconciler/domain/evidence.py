"""The reasons for decisions, in plain words: what was read when, and which fills say so."""

from collections.abc import Sequence
from datetime import datetime

from services.common.trading.client_order_id import parse_client_order_id
from services.common.trading.exit_reason import ExitReason, exit_reason
from services.common.trading.fill import Fill, Run, summarize_exit
from services.common.trading.money import format_decimal, to_books
from services.common.trading.reading import AccountReading, VenuePosition
from services.reconciler.domain.absence import PendingAbsence
from services.reconciler.domain.discrepancy import DiscrepancyKind
from services.reconciler.domain.observation import BookedPosition


def opened(position: VenuePosition, reading: AccountReading, fills: Sequence[Fill] = ()) -> str:
    """For an adoption; `fills` opened it, as far as known."""
    size = f"{position.side} {format_decimal(position.quantity)} at {format_decimal(position.entry_price)}"
    ours = " by an order of Tandem's own" if all_ours(fills) else ""
    by = f" {_fills(fills)} opened it{ours}." if fills else ""
    return f"{_source(reading)} lists {_slot(position)} {size}, which is not in the books.{by}"


def closed(row: BookedPosition, run: Run, reading: AccountReading) -> str:
    """For a close that fills account for."""
    ours = " by an order of Tandem's own" if all_ours(run.reducing) else ""
    later = f" {_count(run.after)} after that belong to another position." if run.after else ""
    return (
        f"{_source(reading)} no longer shows this {row.side} {format_decimal(row.quantity)} of {_slot(row)}; "
        f"{_fills(run.reducing)} closed it{ours} ({exit_reason(run.reducing)}).{later}"
    )


def missing(
    row: BookedPosition,
    absence: PendingAbsence,
    reading: AccountReading,
    *,
    successor: VenuePosition | None,
    renamed: str | None,
) -> str:
    """For an absence that nothing explains, and that is not believed yet."""
    if successor is not None:
        return flipped(row, successor, reading)
    name = f" It lists the same position as {renamed}: the symbol seems to have changed." if renamed else ""
    doubt = " Too much is missing at once to believe the list." if absence.suspicious else ""
    count = absence.flat_readings if absence.suspicious else absence.readings
    agree = f" {count} independent {'reading agrees' if count == 1 else 'readings agree'} so far."
    what = f"{_source(reading)} does not list {_slot(row)}, and {_unexplained(row)}."
    return f"{what} Nothing was booked.{name}{doubt}{agree}"


def gone(row: BookedPosition, absence: PendingAbsence, reading: AccountReading) -> str:
    """For a close without fills."""
    if absence.confirmed_by:
        why = f"the operator {absence.confirmed_by} confirmed that it is gone"
    elif absence.suspicious:
        why = f"{absence.flat_readings} readings agree, and the account's margin was zero beside each of them"
    else:
        why = f"{absence.readings} readings agree"
    since = f"It has been missing since {_time(absence.first_missed_at)}"
    what = f"{_source(reading)} does not list {_slot(row)}, and {_unexplained(row)}."
    return f"{what} {since}; {why}. Its exit is estimated."


def completed(row: BookedPosition) -> str:
    """For an exit that was estimated until its fills appeared."""
    closing = [fill for fill in row.own_fills if fill.order_side is row.side.closing]
    return f"Its fills have appeared: {_fills(closing)} ({exit_reason(closing)}). The exit is no longer estimated."


def unlisted_fills(found: dict[DiscrepancyKind, str], reading: AccountReading) -> str:
    """For a change whose fills may not be listed yet, or could not be read."""
    what = f"{_source(reading)} says {', '.join(found.values())}"
    return f"{what}; not all of its fills are known yet. Nothing was booked."


def flipped(row: BookedPosition, position: VenuePosition, reading: AccountReading) -> str:
    """For a change of side that cannot be booked yet."""
    why = _unexplained(row) if reading.complete else "a reading that is not complete closes nothing"
    return f"{_source(reading)} lists {_slot(row)} as {position.side}, not {row.side}, and {why}. Nothing was booked."


def reopened_unconfirmed(row: BookedPosition, reading: AccountReading) -> str:
    """For a position that seems closed and opened anew, in a reading that may not close anything."""
    return (
        f"The fills of {_slot(row)} went through zero, but a reading that is not complete closes nothing "
        f"({_source(reading)}). Nothing was booked."
    )


def changes(row: BookedPosition, position: VenuePosition) -> dict[DiscrepancyKind, str]:
    """What differs between a row and the venue's position of the same side. A new entry follows from a new size."""
    found: dict[DiscrepancyKind, str] = {}
    entry = f"entry {format_decimal(row.entry_price)} → {format_decimal(position.entry_price)}"
    reentered = to_books(position.entry_price) != to_books(row.entry_price)
    if to_books(position.quantity) != to_books(row.quantity):
        size = f"quantity {format_decimal(row.quantity)} → {format_decimal(position.quantity)}"
        found[DiscrepancyKind.QUANTITY_CHANGED] = f"{size}, {entry}" if reentered else size
    elif reentered:
        found[DiscrepancyKind.ENTRY_CHANGED] = entry
    if position.leverage is not None and position.leverage != row.leverage:
        before = "unknown" if row.leverage is None else format_decimal(row.leverage)
        found[DiscrepancyKind.LEVERAGE_CHANGED] = f"leverage {before} → {format_decimal(position.leverage)}"
    return found


def adjusted(found: dict[DiscrepancyKind, str], run: Run | None, reading: AccountReading) -> str:
    """For an adjustment; `found` is what `changes` says."""
    said = ", ".join(found.values()) or "that it was changed since, and is what it was"
    what = f"{_source(reading)} says {said}"
    fills = () if run is None else (*run.reducing, *run.adding)
    if fills:
        return f"{what}; {_fills(fills)} account for it."
    if found.keys() - {DiscrepancyKind.LEVERAGE_CHANGED}:
        return f"{what}; no fills account for it."
    return f"{what}."


def all_ours(fills: Sequence[Fill]) -> bool:
    """Whether Tandem's own orders, and nothing else, brought these fills about."""
    return (
        bool(fills)
        and all(parse_client_order_id(fill.client_order_id) is not None for fill in fills)
        and exit_reason(fills) not in {ExitReason.LIQUIDATION, ExitReason.ADL}
    )


def _unexplained(row: BookedPosition) -> str:
    if not row.fills_complete:
        return "its fills could not be read in full"
    closing = [
        fill
        for fill in row.own_fills
        if fill.order_side is row.side.closing and fill.executed_at > row.settlement.since
    ]
    if not closing:
        return "there are no fills that closed it"
    return f"the fills since (among them {_fills(closing)}) do not lead from {format_decimal(row.quantity)} to that"


def _source(reading: AccountReading) -> str:
    return f"The {reading.status} reading of {_time(reading.taken_at)}"


def _slot(position: VenuePosition | BookedPosition) -> str:
    return f"{position.symbol} ({position.position_side})"


def _fills(fills: Sequence[Fill]) -> str:
    total = summarize_exit(fills)
    if total is None:
        return "no fills"
    ids = ", ".join(fill.fill_id for fill in fills[:5]) + (", …" if len(fills) > 5 else "")
    return f"{_count(fills)} ({ids}) of {format_decimal(total.quantity)} at {_price(total.price)} on average"


def _price(price: object) -> str:
    return f"{price:.8f}".rstrip("0").rstrip(".")


def _count(fills: Sequence[Fill]) -> str:
    return "1 fill" if len(fills) == 1 else f"{len(fills)} fills"


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
