"""What every step of closing stands on."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from services.common.errors import Unavailable
from services.common.exchange.credentials import Credentials
from services.common.trading.fill import Fill
from services.common.trading.reading import AccountReading, PositionKey, ReadingStatus, VenuePosition
from services.monitor.carrying.timing import Waiting
from services.monitor.closing.ports import Accounts, Books, Intents, Orders, TradingKeys
from services.monitor.closing.reporting import OrderStanding
from services.monitor.domain.attempts import follow_up
from services.monitor.domain.intent import Intent, IntentState, Outcome

Stir = Callable[[Intent], Awaitable[object]]
"""Has the account of an intent reconciled at once: venue and books differ, and this process does not know why."""


Report = Callable[[Intent, OrderStanding], None]
"""Takes note of how an order stands that has no fills; quick, and never fails."""


class Meter(Protocol):
    """Counts what closing does; quick, and never fails."""

    def sending(self, intent: Intent) -> None:
        """The order of an intent goes out now."""
        ...

    def ended(self, intent: Intent) -> None:
        """An intent is over."""
        ...


def _unreported(_: Intent, _standing: OrderStanding) -> None:
    """Where nobody keeps orders without fills."""


async def _unheard(_: Intent) -> None:
    """Where nobody reconciles: the books follow at their next turn."""


class VenueSilent(Unavailable):
    """{venue} cannot be read now: {why}"""


@dataclass(frozen=True, slots=True)
class Parts(Waiting):
    """The world as closing sees it, and the writes that its steps share."""

    intents: Intents
    orders: Orders
    accounts: Accounts
    books: Books
    keys: TradingKeys
    new_id: Callable[[], UUID]
    stir: Stir = _unheard
    report: Report = _unreported
    meter: Meter | None = None

    async def advance(self, before: Intent, after: Intent) -> Intent:
        """Write the next state of an intent."""
        after = replace(after, updated_at=self.clock.now())
        await self.intents.save(before, after)
        return after

    async def end(self, intent: Intent, state: IntentState, outcome: Outcome, reason: str = "") -> Intent:
        """The intent is over and so is its decision."""
        over = await self.advance(intent, replace(intent, state=state, outcome=outcome, reason=reason or intent.reason))
        self._report_end(over)
        return over

    async def try_again(
        self,
        intent: Intent,
        outcome: Outcome,
        reason: str,
        *,
        wait: timedelta,
        state: IntentState = IntentState.FAILED,
        quantity: Decimal | None = None,
    ) -> Intent:
        """The intent is over; its decision goes on as the attempt that is answered."""
        now = self.clock.now()
        over = replace(intent, state=state, outcome=outcome, reason=reason, updated_at=now)
        successor = follow_up(intent, self.new_id(), now, wait, quantity)
        await self.intents.save(intent, over, successor)
        self._report_end(over)
        return successor

    def _report_end(self, over: Intent) -> None:
        if self.meter is not None:
            self.meter.ended(over)
        if over.outcome is not None and not over.outcome.filled and over.deadline is not None:
            self.report(over, OrderStanding.CANCELLED)

    async def held(self, intent: Intent, credentials: Credentials) -> VenuePosition | None:
        """The position as its venue shows it now, None where it is gone. Raises VenueSilent.

        A reading without the rows that could not be understood still shows those it has; of others it says nothing.
        """
        reading: AccountReading = await self.accounts.read_account(intent.venue, credentials, with_margin=False)
        key = PositionKey(intent.symbol, intent.position_side)
        shown = next((row for row in reading.positions if row.key == key and row.side is intent.side), None)
        if reading.complete or (reading.status is ReadingStatus.PARTIAL and shown is not None):
            return shown
        raise VenueSilent(venue=intent.venue, why=reading.reason)

    async def left(
        self, intent: Intent, fills: Iterable[Fill], credentials: Credentials, held: VenuePosition
    ) -> Decimal:
        """How much of what the venue shows after these closing fills is still the position. Raises VenueSilent.

        What was opened after the last of them is another one.
        """
        last = max(fill.executed_at for fill in fills)
        reading = await self.accounts.read_fills(intent.venue, credentials, intent.symbol, last)
        if not reading.complete:
            raise VenueSilent(venue=intent.venue, why=reading.reason)
        opened = sum(
            (
                fill.quantity
                for fill in reading.fills
                if fill.position_side is intent.position_side
                and fill.order_side is intent.side.opening
                and fill.executed_at > last
            ),
            start=Decimal(0),
        )
        return held.quantity - opened

    async def sweep(self, intent: Intent, credentials: Credentials) -> None:
        """Cancel what rests and could only reduce the position. Raises VenueSilent where some may be left."""
        swept = await self.orders.cancel_reduce_only(
            intent.venue, credentials, intent.symbol, intent.side, intent.position_side
        )
        if not swept.complete:
            raise VenueSilent(venue=intent.venue, why=swept.reason)
