"""Exits that were estimated, and the fills that complete them when they appear.

Invariant: an exit that cannot be completed yet is asked for again, ever more seldom and for ever; it is never dropped.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.common.trading.fill import Fill, in_order, run_fills
from services.reconciler.domain import evidence
from services.reconciler.domain.decision import CompleteExit
from services.reconciler.domain.observation import BookedPosition

FIRST_TRY = timedelta(minutes=1)
SELDOM = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class EstimatedExit:
    """A closed row that waits for its fills. `tries` is how often they were asked for in vain."""

    position_id: str
    symbol: str
    missed_at: datetime
    tries: int
    next_try_at: datetime


def tried(exit_: EstimatedExit, now: datetime) -> EstimatedExit:
    """Asked for in vain once more: the next time is twice as far off, up to a day."""
    # Beyond 2^11 minutes a day is the smaller; the bound keeps the number small.
    wait = min(SELDOM, FIRST_TRY * (1 << min(exit_.tries + 1, 11)))
    return replace(exit_, tries=exit_.tries + 1, next_try_at=now + wait)


def complete_exits(estimated: Iterable[BookedPosition]) -> tuple[CompleteExit, ...]:
    """The exits that can be completed now: those whose fills are all there and lead from what was booked to zero."""
    found = []
    for row in sorted(estimated, key=lambda one: one.position_id):
        if row.fills_complete and goes_through_zero(row):
            because = evidence.completed(row)
            found.append(CompleteExit(row.position_id, row.version, in_order(row.own_fills), because))
    return tuple(found)


def goes_through_zero(row: BookedPosition) -> bool:
    """Whether the row's fills take it to its end. Those that may be in its quantity already are tried both ways."""
    fills = [fill for fill in in_order(row.own_fills) if fill.executed_at > row.settlement.since]
    maybe = sum(1 for fill in fills if fill.executed_at <= row.settlement.until)
    return any(_through_zero(row, fills[skipped:]) for skipped in range(maybe + 1))


def _through_zero(row: BookedPosition, fills: list[Fill]) -> bool:
    return run_fills(row.side, row.quantity, fills).ended
