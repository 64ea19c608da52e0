"""What every step of opening stands on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from services.monitor.carrying.timing import Waiting
from services.monitor.closing.ports import TradingKeys
from services.monitor.domain.opening import Opening, OpeningOutcome, OpeningState
from services.monitor.domain.position import Position
from services.monitor.opening.planning import Planner
from services.monitor.opening.ports import OpeningBooks, OpeningOrders, Openings

OnBooked = Callable[[Opening, Position], None]
"""Told of a position as the books have it, once they do; quick, and never waits."""

Stir = Callable[[Opening], Awaitable[object]]
"""Has the account of an opening reconciled at once: its books do not fit what was opened."""


async def _unheard(_: Opening) -> None:
    """Where nobody reconciles: the books follow at their next turn."""


@dataclass(frozen=True, slots=True)
class OpeningParts(Waiting):
    """The world as opening sees it, and the writes that its steps share.

    `unresolved_after`: how long after its receive window an order's fate may be unheard of before somebody is told.
    """

    openings: Openings
    orders: OpeningOrders
    books: OpeningBooks
    planner: Planner
    keys: TradingKeys
    unresolved_after: timedelta
    stir: Stir = _unheard

    async def advance(self, before: Opening, after: Opening) -> Opening:
        """Write the next state of an opening."""
        after = replace(after, updated_at=self.clock.now())
        await self.openings.save(before, after)
        return after

    async def fail(self, opening: Opening, outcome: OpeningOutcome, reason: str) -> Opening:
        """The opening is over, and nothing came of it."""
        return await self.advance(opening, replace(opening, state=OpeningState.FAILED, outcome=outcome, reason=reason))
