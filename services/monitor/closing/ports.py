"""What closing needs of the rest of the world."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.common.exchange.credentials import Credentials
from services.common.exchange.fills import FillsReading
from services.common.exchange.orders.gateway import MarketOrder
from services.common.exchange.orders.outcome import OrderLookup, OrderOutcome, Swept
from services.common.trading.fill import Fill
from services.common.trading.reading import AccountReading
from services.common.trading.side import PositionSide, Side, Venue
from services.monitor.carrying.work import Rows
from services.monitor.domain.attempts import Opening
from services.monitor.domain.intent import Claim, Decision, Intent
from services.monitor.domain.position import Position


class Intents(Rows[Intent], Protocol):
    """The table of intents. Every write of a claimed intent raises LeaseLost where its claim does not hold any more."""

    async def open(
        self, decision: Decision, claim: Claim | None, now: datetime, deadline: datetime | None = None
    ) -> Opening:
        """Write the intent of a decision, or tell what stands in its stead. The same request id gives the same closing,
        once there is one that answers it (see `answers`).

        Without a claim the intent waits for the holder of its partition. With a deadline a new one begins as SENT: its
        order is signed as of `now` and may reach the venue until then.
        """
        ...

    async def save(self, before: Intent, after: Intent, successor: Intent | None = None) -> None:
        """Replace one state of an intent by the next, and begin the attempt that follows it, in one transaction.

        Raises IntentMoved where the row is not as `before` has it.
        """
        ...

    async def attempts(self, closing_id: UUID) -> tuple[Intent, ...]:
        """All attempts of a decision, the first one first."""
        ...

    async def requested(self, user_id: str, request_id: str) -> Intent | None:
        """The last attempt of the decision that a request led to, if it was made before."""
        ...

    async def earlier(self, intent: Intent) -> tuple[Intent, ...]:
        """The position's other intents whose order the venue did not know when it was asked, the newest first."""
        ...


class Orders(Protocol):
    """The part of the door to the venues that closes. No method raises for a venue's error."""

    async def close_position(
        self, venue: Venue, credentials: Credentials, order: MarketOrder, signed_at: datetime | None = None
    ) -> OrderOutcome: ...

    async def find_order(
        self, venue: Venue, credentials: Credentials, symbol: str, client_order_id: str, since: datetime
    ) -> OrderLookup: ...

    async def cancel_reduce_only(
        self, venue: Venue, credentials: Credentials, symbol: str, side: Side, position_side: PositionSide
    ) -> Swept: ...


class Accounts(Protocol):
    """The part of the door that reads an account. Never raises for a venue's error."""

    async def read_account(
        self, venue: Venue, credentials: Credentials, *, with_margin: bool = True
    ) -> AccountReading: ...

    async def read_fills(
        self, venue: Venue, credentials: Credentials, symbol: str, since: datetime
    ) -> FillsReading: ...


class Books(Protocol):
    """The positions service, as far as closing needs it."""

    async def get_position(self, position_id: str, user_id: str | None = None) -> Position:
        """The position as booked now. Raises PositionNotFound, ServiceUnavailable."""
        ...

    async def record_fills(
        self, position_id: str, fills: tuple[Fill, ...], intent_id: UUID, evidence: str = ""
    ) -> Position:
        """Book what an order did, and what it rested on; fills that are booked already change nothing.

        Raises ServiceUnavailable.
        """
        ...


class TradingKeys(Protocol):
    """The keys that orders are signed with."""

    async def credentials(self, account_id: str) -> Credentials:
        """A key that may trade. Raises TradingNotEnabled, ServiceUnavailable."""
        ...

    def ready(self, account_id: str) -> bool:
        """Whether a key that may trade is at hand now."""
        ...

    def forget(self, account_id: str) -> None:
        """The next call asks afresh."""
        ...
