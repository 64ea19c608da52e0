"""The reasons for decisions, in plain words: what was read when, and which fills say so."""

from collections.abc import Sequence
from datetime import datetime

from services.common.trading.client_order_id import parse_client_order_id
from services.common.trading.exit_reason import ExitReason, exit_reason
from services.common.trading.fill import Fill, Run, summarize_exit
from services.common.trading.money import format_decimal, to_books
from services.common.trading.reading import AccountReading, VenuePosition
from services.reconciler.domain.discrepancy import DiscrepancyKind
from services.reconciler.domain.observation import BookedPosition


def opened(position: VenuePosition, reading: AccountReading) -> str:
    """For an adoption."""
    size = f"{position.side} {format_decimal(position.quantity)} at {format_decimal(position.entry_price)}"
    return f"{_source(reading)} lists {_slot(position)} {size}, which is not in the books."


def closed(row: BookedPosition, run: Run, reading: AccountReading) -> str:
    """For a close that fills account for."""
    ours = " by an order of Tandem's own" if all_ours(run.reducing) else ""
    later = f" {_count(run.after)} after that belong to another position." if run.after else ""
    return (
        f"{_source(reading)} no longer shows this {row.side} {format_decimal(row.quantity)} of {_slot(row)}; "
        f"{_fills(run.reducing)} closed it{ours} ({exit_reason(run.reducing)}).{later}"
    )


def absent(row: BookedPosition, reading: AccountReading) -> str:
    """For an absence that nothing explains."""
    return f"{_source(reading)} does not list {_slot(row)}, and {_unexplained(row)}. Nothing was booked."


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
    what = f"{_source(reading)} says {', '.join(found.values())}"
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
