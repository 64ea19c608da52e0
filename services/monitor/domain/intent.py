"""An intent to close a position: the row that comes before the order.

Invariants: an intent sends at most one order, whose client order id is made of the intent's own id; a position has at
most one intent that is not over; what follows a failed attempt is a new intent with a client order id of its own, made
in the transaction that ends the old one, so that a decision to close is never without an intent until it is settled.

    (SENT from the start where the key is at hand)
    PREPARED ──► SENT ──► FILLED ──► BOOKED ──► DONE
        │          │                    └──► DONE and the next attempt, where the order closed a part only
        └──────────┴──► FAILED, with or without a next attempt
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from services.common.trading.client_order_id import ClientOrderId, OrderCause
from services.common.trading.fill import Fill
from services.common.trading.side import PositionSide, Side, Venue
from services.monitor.domain.position import Instrument, Position


class IntentState(StrEnum):
    """How far an intent has come. From SENT on, an order may exist at the venue."""

    PREPARED = "prepared"
    SENT = "sent"
    FILLED = "filled"
    BOOKED = "booked"
    DONE = "done"
    FAILED = "failed"

    @property
    def over(self) -> bool:
        return self in (IntentState.DONE, IntentState.FAILED)

    @property
    def booked(self) -> bool:
        """Whether the books have what the order did."""
        return self in (IntentState.BOOKED, IntentState.DONE)


class Outcome(StrEnum):
    """Why an intent is over."""

    CLOSED = "closed"
    """The order closed the position."""
    PARTLY_CLOSED = "partly_closed"
    """The order closed a part; the next attempt closes the rest."""
    GONE = "gone"
    """The venue has no such position any more, and no order of ours took it."""
    NOT_OPEN = "not_open"
    """The books had closed it before an order was sent, or before one could be looked up."""
    REFUSED = "refused"
    """The venue refused the order for a reason that sending it again does not mend."""
    POSTPONED = "postponed"
    """The venue refused the order for now."""
    BLOCKED = "blocked"
    """Resting reduce-only orders kept the venue from taking the order; they were cancelled."""
    NEVER_ARRIVED = "never_arrived"
    """Its outcome was unknown, and the venue has no order of that id after all."""
    NOT_FILLED = "not_filled"
    """The venue took the order and ended it without a fill."""

    @property
    def settles(self) -> bool:
        """Whether this version of the position needs no further order."""
        return self in (Outcome.CLOSED, Outcome.GONE, Outcome.NOT_OPEN)

    @property
    def filled(self) -> bool:
        """Whether the order of the attempt has fills, which tell of it themselves."""
        return self in (Outcome.CLOSED, Outcome.PARTLY_CLOSED)


@dataclass(frozen=True, slots=True)
class Claim:
    """Who may act on an intent: the holder of a partition at one epoch of its lease."""

    owner: str
    partition: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a decision to close rests on. Prices in quote currency; None where a person decided."""

    decided_at: datetime
    price: Decimal | None = None
    level_price: Decimal | None = None
    price_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Close this position, for this reason. `request_id` is the caller's own where a person asked.

    `quantity`: that part of it, in base units; None for all. `afresh`: since the last refusal the price had recovered.
    """

    position: Position
    cause: OrderCause
    evidence: Evidence
    request_id: str | None = None
    quantity: Decimal | None = None
    afresh: bool = False


@dataclass(frozen=True, slots=True)
class Intent:
    """One attempt to carry out a decision. `closing_id` is the same for all attempts of one decision.

    `whole`: it is to close all of the position, `quantity` being what is known of that; else `quantity` and no more.

    `quantity` in base units. `not_before`: an attempt that waits. `deadline`: until then the venue may still take an
    order that was sent. `fills`: what the order did, once that is known.
    """

    intent_id: UUID
    closing_id: UUID
    position_id: str
    position_version: int
    user_id: str
    account_id: str
    venue: Venue
    symbol: str
    position_side: PositionSide
    side: Side
    quantity: Decimal
    cause: OrderCause
    attempt: int
    evidence: Evidence
    state: IntentState
    not_before: datetime
    created_at: datetime
    updated_at: datetime
    claim: Claim | None = None
    deadline: datetime | None = None
    order_id: str | None = None
    fills: tuple[Fill, ...] = ()
    outcome: Outcome | None = None
    reason: str = ""
    whole: bool = True

    @property
    def work_id(self) -> UUID:
        """What all attempts have in common."""
        return self.closing_id

    @property
    def instrument(self) -> Instrument:
        return Instrument(self.venue, self.symbol)

    @property
    def client_order_id(self) -> str:
        return str(ClientOrderId(self.cause, self.intent_id))

    @property
    def filled_quantity(self) -> Decimal:
        return sum((fill.quantity for fill in self.fills), start=Decimal(0))


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long attempts and questions wait: `first` doubled with each one before, at most `longest`."""

    first: timedelta = timedelta(milliseconds=500)
    longest: timedelta = timedelta(seconds=60)

    def delay(self, attempts_before: int) -> timedelta:
        """The wait before one more, after so many."""
        doubled: int = 1 << min(max(attempts_before - 1, 0), 30)
        return min(self.first * doubled, self.longest)
