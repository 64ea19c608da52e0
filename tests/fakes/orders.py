"""A venue that holds one position of one account and takes closing orders for it, and the door to it."""

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum, auto

from services.common.exchange.credentials import Credentials
from services.common.exchange.fills import FillsReading
from services.common.exchange.orders.gateway import MarketOrder
from services.common.exchange.orders.outcome import (
    Filled,
    Found,
    NotFound,
    OrderLookup,
    OrderOutcome,
    OrderStatus,
    PartiallyFilled,
    Rejected,
    RejectionReason,
    Swept,
    Unresolved,
    VenueOrder,
)
from services.common.trading.fill import Fill, OrderKind
from services.common.trading.reading import AccountReading, ReadingStatus, VenuePosition
from services.common.trading.side import PositionSide, Side, Venue
from tests.fakes.clock import FixedClock
from tests.fakes.crashes import CrashPlan

RECEIVE_WINDOW = timedelta(seconds=2)


class Answer(Enum):
    """How the venue treats one order."""

    FILLS = auto()
    FILLS_UNHEARD = auto()
    """It fills, and the answer is lost."""
    FILLS_HIDDEN = auto()
    """It fills, the answer is lost, and the venue denies knowing it for the next two questions."""
    LOST = auto()
    """It never arrives, and nobody hears so."""
    ARRIVES_LATE = auto()
    """It arrives a second and a half later, and nobody hears so."""
    ACKNOWLEDGED = auto()
    """It is acknowledged, and fills a little later."""
    FILLS_LISTED_LATE = auto()
    """It fills, and its fills are listed at the second question only."""
    HALF_FILLS = auto()
    RATE_LIMITED = auto()
    BLOCKED = auto()
    """Resting reduce-only orders take up the position."""
    FILTERED = auto()
    KEY_REFUSED = auto()
    EXPIRES = auto()
    """It is taken and ends without a fill."""


@dataclass
class VenueState:
    """What is true at the venue."""

    symbol: str = "BTCUSDT"
    side: Side = Side.LONG
    position_side: PositionSide = PositionSide.BOTH
    quantity: Decimal = Decimal("0.002")
    price: Decimal = Decimal(64000)
    resting: list[str] = field(default_factory=lambda: ["resting-stop"])
    orders: dict[str, VenueOrder] = field(default_factory=dict)
    executions: list[Fill] = field(default_factory=list)
    pending: list[tuple[datetime, MarketOrder]] = field(default_factory=list)
    questions: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    refused_as_old: int = 0
    overlaps: int = 0
    """How often an order was sent while an earlier one could still arrive."""
    hidden: dict[str, int] = field(default_factory=dict)


class FakeVenue:
    """Both halves of the door, over a state that outlives the processes that use it."""

    def __init__(self, clock: FixedClock, crashes: CrashPlan, answers: list[Answer] | None = None) -> None:
        self.state = VenueState()
        self.answers = deque(answers or [])
        self.reads_fail = 0
        self.unlisted = 0
        """So many readings leave the position out."""
        self.partial = False
        """A row of another symbol cannot be understood."""
        self.reopen_after_close: Decimal | None = None
        """The user opens so much anew a second after our order has closed the position."""
        self.reopened: list[Fill] = []
        self._clock = clock
        self._crashes = crashes

    async def close_position(
        self, venue: Venue, credentials: Credentials, order: MarketOrder, signed_at: datetime | None = None
    ) -> OrderOutcome:
        await self._crashes.point("close_position: about to be sent")
        outcome = self._take(order, signed_at or self._clock.now())
        await self._crashes.point("close_position: sent")
        return outcome

    async def find_order(
        self, venue: Venue, credentials: Credentials, symbol: str, client_order_id: str, since: datetime
    ) -> OrderLookup:
        await self._crashes.point("find_order")
        self._arrive()
        if self.reads_fail:
            self.reads_fail -= 1
            return Unresolved("no answer")
        order = self.state.orders.get(client_order_id)
        if order is None:
            return NotFound()
        if self.state.hidden.get(client_order_id):
            self.state.hidden[client_order_id] -= 1
            return NotFound()
        asked = self.state.questions[client_order_id] = self.state.questions.get(client_order_id, 0) + 1
        if order.status is OrderStatus.OPEN and asked > 1:
            order = self._execute(self.state.orders[client_order_id], order.quantity)
        if order.status is OrderStatus.FILLED and not order.fills_complete and asked > 1:
            order = self.state.orders[client_order_id] = replace(order, fills_complete=True)
        return Found(order if order.fills_complete else replace(order, fills=()))

    async def cancel_reduce_only(
        self, venue: Venue, credentials: Credentials, symbol: str, side: Side, position_side: PositionSide
    ) -> Swept:
        await self._crashes.point("cancel_reduce_only: about to be sent")
        swept, self.state.resting = tuple(self.state.resting), []
        await self._crashes.point("cancel_reduce_only: sent")
        return Swept(swept, complete=True)

    async def read_account(self, venue: Venue, credentials: Credentials, *, with_margin: bool = True) -> AccountReading:
        await self._crashes.point("read_account")
        self._arrive()
        now = self._clock.now()
        if self.reads_fail:
            self.reads_fail -= 1
            return AccountReading(ReadingStatus.FAILED, now, now, reason="no answer")
        state = self.state
        rows: tuple[VenuePosition, ...] = ()
        if self.unlisted:
            self.unlisted -= 1
        elif state.quantity:
            rows = (
                VenuePosition(
                    symbol=state.symbol,
                    position_side=state.position_side,
                    side=state.side,
                    quantity=state.quantity,
                    entry_price=Decimal(65000),
                    mark_price=state.price,
                    unrealized_pnl=Decimal(0),
                    notional=state.quantity * state.price,
                ),
            )
        if self.partial:
            return AccountReading(ReadingStatus.PARTIAL, now, now, rows, reason="a row cannot be understood")
        return AccountReading(ReadingStatus.COMPLETE, now, now, rows)

    async def read_fills(self, venue: Venue, credentials: Credentials, symbol: str, since: datetime) -> FillsReading:
        await self._crashes.point("read_fills")
        now = self._clock.now()
        if self.reads_fail:
            self.reads_fail -= 1
            return FillsReading(ReadingStatus.FAILED, (), since, now, "no answer")
        fills = tuple(fill for fill in [*self.state.executions, *self.reopened] if fill.executed_at >= since)
        return FillsReading(ReadingStatus.COMPLETE, fills, since, now)

    @property
    def closing_fills(self) -> list[Fill]:
        """What our orders did."""
        return self.state.executions

    def closed_by_hand(self) -> None:
        """The user closes the position at the venue."""
        self.state.quantity = Decimal(0)

    def _take(self, order: MarketOrder, signed_at: datetime) -> OrderOutcome:  # noqa: PLR0911 - one for each answer
        self._arrive()
        self.state.sent += 1
        if self._clock.now() - signed_at > RECEIVE_WINDOW:
            self.state.refused_as_old += 1
            return Rejected(RejectionReason.CLOCK, "outside of the receive window")
        self.state.overlaps += len(self.state.pending)
        answer = self.answers.popleft() if self.answers else Answer.FILLS
        match answer:
            case Answer.RATE_LIMITED:
                return Rejected(RejectionReason.RATE_LIMITED, "slow down")
            case Answer.BLOCKED if self.state.resting:
                return Rejected(RejectionReason.NOTHING_TO_REDUCE, "ReduceOnly Order is rejected", code="-2022")
            case Answer.FILTERED:
                return Rejected(RejectionReason.FILTERS, "below the minimum")
            case Answer.KEY_REFUSED:
                return Rejected(RejectionReason.BAD_KEY, "Invalid API-key", code="-2015")
            case Answer.LOST:
                return Unresolved("timeout")
            case Answer.ARRIVES_LATE:
                self.state.pending.append((self._clock.now() + timedelta(seconds=1.5), order))
                return Unresolved("timeout")
        if not self.state.quantity:
            return Rejected(RejectionReason.NOTHING_TO_REDUCE, "ReduceOnly Order is rejected", code="-2022")
        return self._follow(order, answer)

    def _follow(self, order: MarketOrder, answer: Answer) -> OrderOutcome:  # noqa: PLR0911 - one for each answer
        placed = self._place(order)
        match answer:
            case Answer.EXPIRES:
                self.state.orders[order.client_order_id] = replace(
                    placed, status=OrderStatus.CANCELED, fills_complete=True
                )
                return Rejected(RejectionReason.NO_LIQUIDITY, "expired")
            case Answer.ACKNOWLEDGED:
                return Unresolved("acknowledged", order_id=placed.order_id)
            case Answer.HALF_FILLS:
                half = self._execute(placed, order.quantity / 2)
                return PartiallyFilled(half, order.quantity - half.filled_quantity)
            case Answer.FILLS_HIDDEN:
                self._execute(placed, order.quantity)
                self.state.hidden[order.client_order_id] = 2
                return Unresolved("timeout")
            case Answer.FILLS_UNHEARD:
                self._execute(placed, order.quantity)
                return Unresolved("timeout")
            case Answer.FILLS_LISTED_LATE:
                filled = replace(self._execute(placed, order.quantity), fills_complete=False)
                self.state.orders[order.client_order_id] = filled
                return Filled(replace(filled, fills=()))
        return Filled(self._execute(placed, order.quantity))

    def _arrive(self) -> None:
        due = [order for at, order in self.state.pending if at <= self._clock.now()]
        self.state.pending = [(at, order) for at, order in self.state.pending if at > self._clock.now()]
        for order in due:
            if self.state.quantity:
                self._execute(self._place(order), order.quantity)

    def _place(self, order: MarketOrder) -> VenueOrder:
        placed = VenueOrder(
            order_id=f"o{len(self.state.orders) + 1}",
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            position_side=order.position_side,
            order_side=order.side.closing,
            kind=OrderKind.MARKET,
            status=OrderStatus.OPEN,
            reduce_only=True,
            quantity=order.quantity,
            filled_quantity=Decimal(0),
            average_price=None,
            updated_at=self._clock.now(),
        )
        self.state.orders[order.client_order_id] = placed
        return placed

    def _execute(self, order: VenueOrder, wanted: Decimal) -> VenueOrder:
        quantity = min(wanted, self.state.quantity)
        self.state.quantity -= quantity
        fill = Fill(
            fill_id=f"f{len(self.state.executions) + 1}",
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            position_side=order.position_side,
            order_side=order.order_side,
            price=self.state.price,
            quantity=quantity,
            fee=Decimal("0.05"),
            fee_currency="USDT",
            fee_quote=Decimal("0.05"),
            realized_pnl=None,
            executed_at=self._clock.now(),
            order_kind=OrderKind.MARKET,
        )
        self.state.executions.append(fill)
        done = replace(
            order,
            status=OrderStatus.FILLED if quantity == order.quantity else OrderStatus.PARTIALLY_FILLED,
            filled_quantity=quantity,
            average_price=self.state.price,
            updated_at=self._clock.now(),
            fills=(fill,),
            fills_complete=True,
        )
        self.state.orders[order.client_order_id] = done
        if self.reopen_after_close is not None and not self.state.quantity:
            opening = replace(fill, fill_id="by hand", client_order_id=None, order_side=self.state.side.opening)
            later = self._clock.now() + timedelta(seconds=1)
            self.state.quantity = self.reopen_after_close
            self.reopened = [replace(opening, quantity=self.state.quantity, executed_at=later)]
        return done
