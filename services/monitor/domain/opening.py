"""An opening: what was wished for, what was made of it, and how far its one order has come.

Invariants: an opening sends at most one order, whose client order id is made of the opening's intent; nothing ever
sends it again: an order that the venue does not know after its receive window, asked twice, has never arrived, and one
whose fate nobody tells stays UNRESOLVED, and is asked after, until somebody does.

    PREPARED ──► SENT ──► FILLED ──► BOOKED
        │          ├──► UNRESOLVED ──► FILLED or FAILED
        └──────────┴──► FAILED
                          └──► SENT, where an order that had never arrived comes to light after all
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from services.common.trading.client_order_id import ClientOrderId, OrderCause
from services.common.trading.fill import Fill
from services.common.trading.level import DEFAULT_STOP_DISTANCE, DEFAULT_TARGET_DISTANCE, LevelRule, Trailing
from services.common.trading.side import PositionSide, Side, Venue
from services.monitor.domain.alert import Alert, AlertKind
from services.monitor.domain.intent import Claim


class SizeKind(StrEnum):
    """What a size is stated in."""

    QUANTITY = "quantity"
    """Base units."""
    NOTIONAL = "notional"
    """Quote currency."""
    RISK_PERCENT = "risk_percent"
    """Percent of the account's equity that is lost where the stop is hit, fees and slippage apart."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is to be opened; `amount` is positive."""

    kind: SizeKind
    amount: Decimal


class OpeningOrigin(StrEnum):
    """Who wants it opened."""

    FLOW = "flow"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class OpeningProvenance:
    """What stays with the position for life. `ai_confidence` from 0 to 1; `market_conditions` a JSON object's text."""

    flow_id: str = ""
    node_id: str = ""
    execution_id: str = ""
    agent: str = ""
    ai_reasoning: str = ""
    ai_confidence: Decimal | None = None
    market_conditions: str = ""


DEFAULT_STOP = Trailing(DEFAULT_STOP_DISTANCE)
DEFAULT_TARGET = Trailing(DEFAULT_TARGET_DISTANCE)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller asks for. `leverage` None: as the account has it."""

    user_id: str
    account_id: str
    symbol: str
    side: Side
    size: Size
    origin: OpeningOrigin
    leverage: Decimal | None = None
    stop_loss: LevelRule = DEFAULT_STOP
    take_profit: LevelRule = DEFAULT_TARGET
    provenance: OpeningProvenance = field(default_factory=OpeningProvenance)


@dataclass(frozen=True, slots=True)
class Plan:
    """A wish that passed every check: `quantity` in base units, `price` the trigger price that it was checked at.

    `leverage` is what the position will have; `sets_leverage` where the venue has to be told so before the order.
    """

    venue: Venue
    position_side: PositionSide
    quantity: Decimal
    price: Decimal
    leverage: Decimal
    sets_leverage: bool


class OpeningState(StrEnum):
    """How far an opening has come. From SENT on, an order may exist at the venue."""

    PREPARED = "prepared"
    SENT = "sent"
    UNRESOLVED = "unresolved"
    FILLED = "filled"
    BOOKED = "booked"
    FAILED = "failed"

    @property
    def over(self) -> bool:
        return self in (OpeningState.BOOKED, OpeningState.FAILED)


class OpeningOutcome(StrEnum):
    """Why an opening is over."""

    OPENED = "opened"
    REJECTED = "rejected"
    """The venue, or a check right before the order, refused it."""
    NEVER_ARRIVED = "never_arrived"
    """Its answer was lost, and the venue has no order of that id."""
    NOT_FILLED = "not_filled"
    """The venue took the order and ended it without a fill."""
    EXPIRED = "expired"
    """It waited too long to be sent: prices have moved on since somebody wanted it."""
    CANCELLED = "cancelled"
    """It was stopped before its order was sent."""


@dataclass(frozen=True, slots=True)
class Opening:
    """One opening. `expires_at`: it is not sent after that. `deadline`: until then the venue may take its order."""

    intent_id: UUID
    wish: Wish
    plan: Plan
    state: OpeningState
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    request_id: str | None = None
    execution_id: UUID | None = None
    claim: Claim | None = None
    deadline: datetime | None = None
    order_id: str | None = None
    fills: tuple[Fill, ...] = ()
    position_id: str = ""
    outcome: OpeningOutcome | None = None
    reason: str = ""

    @property
    def work_id(self) -> UUID:
        """It has one attempt only."""
        return self.intent_id

    @property
    def user_id(self) -> str:
        return self.wish.user_id

    @property
    def client_order_id(self) -> str:
        return str(ClientOrderId(OrderCause.OPEN, self.intent_id))

    @property
    def filled_quantity(self) -> Decimal:
        return sum((fill.quantity for fill in self.fills), start=Decimal(0))

    def same_wish(self, wish: Wish) -> bool:
        """Whether a repeated request can be this one: it opens the same on the same account."""
        mine = self.wish
        return (mine.account_id, mine.symbol, mine.side, mine.size) == (
            wish.account_id,
            wish.symbol,
            wish.side,
            wish.size,
        )


def alert_of_opening(before: Opening, after: Opening) -> Alert | None:
    """What a step of an opening is worth telling of."""
    what = f"{after.wish.side} {after.plan.quantity} {after.wish.symbol}"
    if after.state is OpeningState.UNRESOLVED and before.state is not OpeningState.UNRESOLVED:
        reason = f"nobody tells whether the order that was to open {what} took effect; it is not sent again"
    elif after.state is OpeningState.FILLED and after.reason and not before.reason:
        reason = f"the order that was to open {what} is filled, and no position in the books yet: {after.reason}"
    else:
        return None
    return Alert(
        kind=AlertKind.OPEN_UNRESOLVED,
        user_id=after.wish.user_id,
        account_id=after.wish.account_id,
        reason=reason,
        venue=after.plan.venue,
        symbol=after.wish.symbol,
        price=after.plan.price,
    )
