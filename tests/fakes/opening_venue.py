"""A venue on which one account opens positions, the door to it, and the books that take what was opened."""

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from services.common.errors import AccountNotFound, ServiceUnavailable
from services.common.exchange.credentials import Credentials
from services.common.exchange.leverage import LeverageBracket, SymbolLeverage
from services.common.exchange.orders.gateway import MarketOrder
from services.common.exchange.orders.outcome import (
    Filled,
    Found,
    LeverageOutcome,
    LeverageSet,
    NotFound,
    OrderLookup,
    OrderOutcome,
    OrderStatus,
    PartiallyFilled,
    Rejected,
    RejectionReason,
    Unresolved,
    VenueOrder,
)
from services.common.exchange.prices import Price, PriceKind
from services.common.exchange.symbols import SymbolInfo
from services.common.trading.extremes import TriggerPrice
from services.common.trading.fill import Fill, OrderKind
from services.common.trading.level import Level, LevelRules
from services.common.trading.reading import AccountMargin, AccountReading, MarginMode, ReadingStatus, VenuePosition
from services.common.trading.side import OrderSide, Side, Venue
from services.monitor.domain.opening import Opening
from services.monitor.domain.position import Position
from services.monitor.opening.ports import AccountFacts
from services.positions.domain.errors import OpeningConflict
from tests.fakes.clock import FixedClock
from tests.fakes.crashes import CrashPlan
from tests.fakes.orders import RECEIVE_WINDOW, Answer


@dataclass
class OpeningState:
    """What is true at the venue. `silent`: it answers none of so many questions after an order; `slow`: an order that
    rests is filled after so many."""

    price: Decimal = Decimal(100)
    equity: Decimal = Decimal(10_000)
    leverage: int = 20
    hedged: bool = False
    positions: list[VenuePosition] = field(default_factory=list)
    orders: dict[str, VenueOrder] = field(default_factory=dict)
    executions: list[Fill] = field(default_factory=list)
    pending: list[tuple[datetime, MarketOrder]] = field(default_factory=list)
    questions: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    silent: int = 0
    slow: int = 0


class OpeningVenue:
    """Both halves of the door, over a state that outlives the processes that use it."""

    def __init__(self, clock: FixedClock, crashes: CrashPlan, answers: list[Answer] | None = None) -> None:
        self.state = OpeningState()
        self.answers = deque(answers or [])
        self._clock = clock
        self._crashes = crashes

    async def open_position(
        self, venue: Venue, credentials: Credentials, order: MarketOrder, signed_at: datetime | None = None
    ) -> OrderOutcome:
        await self._crashes.point("open_position: about to be sent")
        outcome = self._take(order, signed_at or self._clock.now())
        await self._crashes.point("open_position: sent")
        return outcome

    async def find_order(
        self, venue: Venue, credentials: Credentials, symbol: str, client_order_id: str, since: datetime
    ) -> OrderLookup:
        await self._crashes.point("find_order")
        self._arrive()
        if self.state.silent:
            self.state.silent -= 1
            return Unresolved("no answer")
        order = self.state.orders.get(client_order_id)
        if order is None:
            return NotFound()
        asked = self.state.questions[client_order_id] = self.state.questions.get(client_order_id, 0) + 1
        if order.status is OrderStatus.OPEN and asked > self.state.slow:
            order = self._execute(order, order.quantity)
        elif order.status is not OrderStatus.OPEN and not order.fills_complete and asked > 1:
            order = self.state.orders[client_order_id] = replace(order, fills_complete=True)
        return Found(order)

    async def set_leverage(self, venue: Venue, credentials: Credentials, symbol: str, leverage: int) -> LeverageOutcome:
        await self._crashes.point("set_leverage")
        self.state.leverage = leverage
        return LeverageSet(leverage)

    async def read_position_mode(self, venue: Venue, credentials: Credentials, symbol: str) -> bool:
        return self.state.hedged

    async def read_account(self, venue: Venue, credentials: Credentials) -> AccountReading:
        used = sum((held.notional for held in self.state.positions), start=Decimal(0)) / self.state.leverage
        margin = AccountMargin(self.state.equity, self.state.equity, used, Decimal(0))
        now = self._clock.now()
        return AccountReading(ReadingStatus.COMPLETE, now, now, tuple(self.state.positions), margin)

    async def read_symbol(self, venue: Venue, symbol: str) -> SymbolInfo:
        return SymbolInfo(
            symbol=symbol,
            base="BTC",
            quote="USDT",
            trading=True,
            tick_size=Decimal("0.01"),
            quantity_step=Decimal("0.001"),
            min_quantity=Decimal("0.001"),
            max_market_quantity=Decimal(1000),
            min_notional=Decimal(5),
        )

    async def read_price(self, venue: Venue, symbol: str, kind: PriceKind) -> Price:
        milliseconds = int(self._clock.now().timestamp() * 1000)
        return Price(venue, symbol, kind, self.state.price, milliseconds, milliseconds)

    async def read_leverage(self, venue: Venue, credentials: Credentials, symbol: str) -> SymbolLeverage:
        bracket = LeverageBracket(Decimal(1_000_000), Decimal(50), Decimal("0.01"), Decimal(0))
        return SymbolLeverage(Decimal(self.state.leverage), MarginMode.CROSS, (bracket,))

    def _take(self, order: MarketOrder, signed_at: datetime) -> OrderOutcome:  # noqa: PLR0911 - one for each answer
        self._arrive()
        self.state.sent += 1
        if self._clock.now() - signed_at > RECEIVE_WINDOW:
            return Rejected(RejectionReason.CLOCK, "outside of the receive window")
        answer = self.answers.popleft() if self.answers else Answer.FILLS
        match answer:
            case Answer.FILTERED:
                return Rejected(RejectionReason.INSUFFICIENT_MARGIN, "Margin is insufficient.", code="-2019")
            case Answer.LOST:
                return Unresolved("timeout")
            case Answer.ARRIVES_LATE:
                self.state.pending.append((self._clock.now() + timedelta(seconds=1.5), order))
                return Unresolved("timeout")
        placed = self._place(order)
        match answer:
            case Answer.EXPIRES:
                ended = replace(placed, status=OrderStatus.CANCELED, fills_complete=True)
                self.state.orders[order.client_order_id] = ended
                return Rejected(RejectionReason.NO_LIQUIDITY, "expired")
            case Answer.ACKNOWLEDGED:
                return Unresolved("acknowledged", order_id=placed.order_id)
            case Answer.HALF_FILLS:
                half = self._execute(placed, order.quantity / 2)
                return PartiallyFilled(half, order.quantity - half.filled_quantity)
            case Answer.FILLS_UNHEARD:
                self._execute(placed, order.quantity)
                return Unresolved("timeout")
            case Answer.FILLS_LISTED_LATE:
                filled = replace(self._execute(placed, order.quantity), fills_complete=False)
                self.state.orders[order.client_order_id] = filled
                return Filled(filled)
        return Filled(self._execute(placed, order.quantity))

    def _arrive(self) -> None:
        due = [order for at, order in self.state.pending if at <= self._clock.now()]
        self.state.pending = [(at, order) for at, order in self.state.pending if at > self._clock.now()]
        for order in due:
            self._execute(self._place(order), order.quantity)

    def _place(self, order: MarketOrder) -> VenueOrder:
        placed = VenueOrder(
            order_id=f"o{len(self.state.orders) + 1}",
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            position_side=order.position_side,
            order_side=order.side.opening,
            kind=OrderKind.MARKET,
            status=OrderStatus.OPEN,
            reduce_only=False,
            quantity=order.quantity,
            filled_quantity=Decimal(0),
            average_price=None,
            updated_at=self._clock.now(),
        )
        self.state.orders[order.client_order_id] = placed
        return placed

    def _execute(self, order: VenueOrder, quantity: Decimal) -> VenueOrder:
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
        self.state.positions.append(
            VenuePosition(
                symbol=order.symbol,
                position_side=order.position_side,
                side=Side.LONG if order.order_side is OrderSide.BUY else Side.SHORT,
                quantity=quantity,
                entry_price=self.state.price,
                mark_price=self.state.price,
                unrealized_pnl=Decimal(0),
                notional=quantity * self.state.price,
            )
        )
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
        return done


class OpeningBooks:
    """One user's account, and what was booked, by intent; `down` makes it unreachable for so many calls, and so many
    openings are refused while the slot is `taken` by the other side.
    """

    def __init__(self, crashes: CrashPlan, account: AccountFacts, user_id: str) -> None:
        self.account = account
        self.user_id = user_id
        self.booked: dict[str, tuple[Opening, Position]] = {}
        self.down = 0
        self.taken = 0
        self._crashes = crashes

    async def find_account(self, user_id: str, account_id: str) -> AccountFacts:
        self._reach()
        if (user_id, account_id) != (self.user_id, self.account.account_id):
            raise AccountNotFound(account_id=account_id)
        return self.account

    async def list_open(self, user_id: str, account: AccountFacts, symbol: str) -> tuple[Position, ...]:
        self._reach()
        return tuple(position for _, position in self.booked.values() if position.symbol == symbol)

    async def record_opening(self, opening: Opening) -> Position:
        await self._crashes.point("record_opening: about to be sent")
        self._reach()
        wish = opening.wish
        if self.taken:
            self.taken -= 1
            raise OpeningConflict(symbol=wish.symbol, position_id="OP_1_9")
        position = Position(
            position_id=f"OP_1_{len(self.booked) + 1}",
            user_id=wish.user_id,
            account_id=wish.account_id,
            venue=opening.plan.venue,
            symbol=wish.symbol,
            position_side=opening.plan.position_side,
            side=wish.side,
            quantity=opening.filled_quantity,
            levels=LevelRules(Level(wish.stop_loss), Level(wish.take_profit)),
            version=1,
            is_open=True,
            opened_at=opening.fills[0].executed_at,
        )
        _, position = self.booked.setdefault(str(opening.intent_id), (opening, position))
        await self._crashes.point("record_opening: sent")
        return position

    def _reach(self) -> None:
        if self.down:
            self.down -= 1
            raise ServiceUnavailable(service="positions")


def an_account(account_id: str) -> AccountFacts:
    """A Binance account that may trade."""
    return AccountFacts(account_id, Venue.BINANCE, trading_enabled=True, trigger_price=TriggerPrice.MARK)
