"""The positions service and a venue behind it, as the reconciler sees them: books, fills and readings in memory.

Decisions are applied as positions applies them: by version, once a run and decision, a row only where it has not moved
on.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from uuid import UUID

from services.common.errors import DomainError, ErrorKind, restore_error
from services.common.trading.fill import Fill, OrderKind, Run, Settlement, run_fills, run_to
from services.common.trading.opening import opening_fills
from services.common.trading.reading import AccountReading, PositionKey, ReadingStatus, VenuePosition
from services.common.trading.side import OrderSide, PositionSide, Side, Venue
from services.reconciler.domain.decision import (
    Adjust,
    Adopt,
    Close,
    CloseEstimated,
    CompleteExit,
    Decision,
    DecisionOutcome,
    DecisionResult,
)
from services.reconciler.domain.observation import BookedPosition, ObservableAccount, Observation
from tests.factories import NOON, make_fill, make_seen


@dataclass
class VenueAccount:
    """One account at a venue: trades make fills, fills make positions. Its clock moves on with each trade."""

    now: datetime = NOON
    positions: dict[PositionKey, VenuePosition] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)

    def trade(
        self,
        quantity: Decimal | str,
        *,
        symbol: str = "BTCUSDT",
        position_side: PositionSide = PositionSide.BOTH,
        price: Decimal | str = "66000",
        client_order_id: str | None = None,
        order_kind: OrderKind = OrderKind.MARKET,
    ) -> Fill:
        """Buy (above zero) or sell `quantity` at market."""
        change, price = Decimal(quantity), Decimal(price)
        self.now += timedelta(seconds=1)
        fill = make_fill(
            str(len(self.fills) + 1),
            symbol=symbol,
            position_side=position_side,
            order_side=OrderSide.BUY if change > 0 else OrderSide.SELL,
            price=price,
            quantity=abs(change),
            executed_at=self.now,
            client_order_id=client_order_id,
            order_kind=order_kind,
        )
        self.fills.append(fill)
        self._move(PositionKey(symbol, position_side), change, price)
        return fill

    def read(self, status: ReadingStatus = ReadingStatus.COMPLETE) -> AccountReading:
        """What the venue says a moment from now."""
        self.now += timedelta(seconds=1)
        asked_at = self.now
        self.now += timedelta(milliseconds=200)
        return AccountReading(status, asked_at, self.now, tuple(self.positions.values()))

    @property
    def initial_margin(self) -> Decimal:
        """What the endpoint for the account's margin says."""
        return sum((seen.initial_margin or Decimal(0) for seen in self.positions.values()), start=Decimal(0))

    def openings(self) -> dict[PositionKey, tuple[Fill, ...]]:
        """The fills that led from nothing to what is open now."""
        return {
            key: opening_fills(
                fill for fill in self.fills if (fill.symbol, fill.position_side) == (key.symbol, key.position_side)
            )
            for key in self.positions
        }

    def _move(self, key: PositionKey, change: Decimal, price: Decimal) -> None:
        held = self.positions.pop(key, None)
        before = Decimal(0) if held is None else held.side.sign * held.quantity
        after = before + change
        if after == 0:
            return
        entry = price
        if held is not None and before * after > 0:
            grows = abs(after) > abs(before)
            entry = (held.entry_price * abs(before) + price * abs(change)) / abs(after) if grows else held.entry_price
        self.positions[key] = make_seen(
            symbol=key.symbol,
            position_side=key.position_side,
            side=Side.LONG if after > 0 else Side.SHORT,
            quantity=abs(after),
            entry_price=entry.quantize(Decimal("1e-8")),
            initial_margin=abs(after) * entry.quantize(Decimal("1e-8")) / 10,
            updated_at=self.now,
        )


@dataclass
class Books:
    """The open rows of one account, the fills they hold, and what decisions did to them."""

    rows: dict[str, BookedPosition] = field(default_factory=dict)
    closed: dict[str, Close] = field(default_factory=dict)
    estimated: dict[str, BookedPosition] = field(default_factory=dict)
    completed: dict[str, Run] = field(default_factory=dict)
    booked_fills: set[str] = field(default_factory=set)
    ended_at: dict[PositionKey, datetime] = field(default_factory=dict)
    _results: dict[tuple[UUID, str], DecisionResult] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def apply(self, run_id: UUID, decisions: Iterable[Decision]) -> tuple[DecisionResult, ...]:
        """One transaction of decisions."""
        results = []
        for decision in decisions:
            known = self._results.get((run_id, decision.decision_id))
            result = known or self._carry_out(decision)
            self._results[run_id, decision.decision_id] = result
            results.append(result)
        return tuple(results)

    def observed(self, venue: VenueAccount, reading: AccountReading) -> tuple[BookedPosition, ...]:
        """The open rows; those that the reading does not confirm bring the fills that are not booked."""
        said = {position.key: position for position in reading.positions}
        return tuple(
            row if _agrees(row, said.get(row.key)) else replace(row, fills=self._fills_of(row, venue.fills))
            for row in self.rows.values()
        )

    def waiting(self, venue: VenueAccount, position_ids: Collection[str]) -> tuple[BookedPosition, ...]:
        """The estimated rows of those that are asked for, with their fills."""
        return tuple(
            replace(row, fills=self._fills_of(row, venue.fills))
            for position_id, row in self.estimated.items()
            if position_id in position_ids
        )

    def touch(self, position_id: str) -> None:
        """Somebody else wrote to a row."""
        row = self.rows[position_id]
        self.rows[position_id] = replace(row, version=row.version + 1)

    def _fills_of(self, row: BookedPosition, fills: Iterable[Fill]) -> tuple[Fill, ...]:
        return tuple(
            fill
            for fill in fills
            if fill.symbol == row.symbol
            and fill.executed_at >= row.settlement.since
            and fill.fill_id not in self.booked_fills
        )

    def _carry_out(self, decision: Decision) -> DecisionResult:
        match decision:
            case Adopt():
                position_id = self._adopt(decision)
            case Close():
                position_id = self._close(decision)
            case Adjust():
                position_id = self._adjust(decision)
            case CloseEstimated():
                position_id = self._close_estimated(decision)
            case CompleteExit():
                position_id = self._complete(decision)
        outcome = DecisionOutcome.STALE if position_id is None else DecisionOutcome.APPLIED
        return DecisionResult(decision.decision_id, outcome, position_id or "")

    def _adopt(self, decision: Adopt) -> str | None:
        seen = decision.position
        if any(row.key == seen.key for row in self.rows.values()):
            return None
        if seen.key in self.ended_at and seen.updated_at is not None and seen.updated_at < self.ended_at[seen.key]:
            return None  # it is the one that ended, in a stale answer
        position_id = f"OP_1767614400_{next(self._numbers)}"
        self.rows[position_id] = book(position_id, decision.position)
        self.booked_fills |= {fill.fill_id for fill in decision.fills}
        return position_id

    def _close(self, decision: Close) -> str | None:
        row = self._current(decision.position_id, decision.expected_version)
        if row is None:
            return None
        run = run_to(row.side, row.quantity, decision.fills, row.settlement, decision.final_quantity)
        if run is None or not run.ended:
            return None
        del self.rows[row.position_id]
        self.closed[row.position_id] = decision
        self.ended_at[row.key] = run.reducing[-1].executed_at
        self.booked_fills |= {fill.fill_id for fill in (*run.settled, *run.reducing, *run.adding)}
        return row.position_id

    def _adjust(self, decision: Adjust) -> str | None:
        row = self._current(decision.position_id, decision.expected_version)
        if row is None or row.side is not decision.position.side:
            return None
        seen = book(row.position_id, decision.position)
        if not decision.fills and _agrees(replace(row, settlement=seen.settlement), decision.position):
            self.rows[row.position_id] = replace(row, settlement=seen.settlement)
            return row.position_id
        leverage = row.leverage if seen.leverage is None else seen.leverage
        self.rows[row.position_id] = replace(seen, version=row.version + 1, leverage=leverage)
        self.booked_fills |= {fill.fill_id for fill in decision.fills}
        return row.position_id

    def _close_estimated(self, decision: CloseEstimated) -> str | None:
        row = self._current(decision.position_id, decision.expected_version)
        if row is None:
            return None
        del self.rows[row.position_id]
        self.estimated[row.position_id] = replace(row, version=row.version + 1)
        return row.position_id

    def _complete(self, decision: CompleteExit) -> str | None:
        row = self.estimated.get(decision.position_id)
        if row is None or row.version != decision.expected_version:
            return None
        run = run_fills(row.side, row.quantity, (f for f in decision.fills if f.executed_at > row.settlement.since))
        if not run.ended:
            return None
        del self.estimated[row.position_id]
        self.completed[row.position_id] = run
        self.booked_fills |= {fill.fill_id for fill in (*run.reducing, *run.adding)}
        return row.position_id

    def _current(self, position_id: str, version: int) -> BookedPosition | None:
        row = self.rows.get(position_id)
        return row if row is not None and row.version == version else None


class FakeObservatory:
    """An Observatory over accounts in memory, whose readings can be made to fail."""

    def __init__(self, *accounts: ObservableAccount) -> None:
        self.listed = list(accounts)
        self.venues: dict[str, VenueAccount] = {account.account_id: VenueAccount() for account in accounts}
        self.books: dict[str, Books] = {account.account_id: Books() for account in accounts}
        self.observed: list[str] = []
        self.urgent: list[str] = []
        self.with_margin: list[str] = []
        self.hanging: dict[str, asyncio.Event] = {}
        """Accounts whose venue answers once its event is set."""
        self.failure: DomainError | None = None
        self.distort: Callable[[Observation], Observation] = lambda observation: observation
        """What the network makes of an observation."""
        self.before_apply: Callable[[], None] = lambda: None
        """What happens between an observation and its decisions."""

    async def accounts(self, user_id: str | None = None) -> tuple[ObservableAccount, ...]:
        """See Observatory."""
        self._fail()
        return tuple(account for account in self.listed if user_id in (None, account.user_id))

    async def observe(
        self, account_id: str, *, with_margin: bool = True, estimated: Collection[str] = (), urgent: bool = False
    ) -> Observation:
        """See Observatory."""
        self._fail()
        self.observed.append(account_id)
        if urgent:
            self.urgent.append(account_id)
        if with_margin:
            self.with_margin.append(account_id)
        if account_id in self.hanging:
            await self.hanging[account_id].wait()
        if account_id not in self.venues:
            message = f"Account {account_id} does not exist."
            raise restore_error(ErrorKind.NOT_FOUND, "ACCOUNT_NOT_FOUND", message, {"account_id": account_id})
        account = next(one for one in self.listed if one.account_id == account_id)
        venue, books = self.venues[account_id], self.books[account_id]
        reading = venue.read()
        margin = venue.initial_margin if with_margin or not reading.positions else None
        booked = {row.key for row in books.rows.values()}
        openings = {key: fills for key, fills in venue.openings().items() if key not in booked}
        waiting = books.waiting(venue, estimated)
        return self.distort(Observation(account, books.observed(venue, reading), reading, margin, openings, waiting))

    async def apply(self, run_id: UUID, account_id: str, decisions: Sequence[Decision]) -> tuple[DecisionResult, ...]:
        """See Observatory."""
        self._fail()
        self.before_apply()
        return self.books[account_id].apply(run_id, decisions)

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


def make_account(account_id: str = "account-1", user_id: str = "demo") -> ObservableAccount:
    """An account on Binance."""
    return ObservableAccount(account_id, user_id, Venue.BINANCE)


def book(position_id: str, seen: VenuePosition, **changes: object) -> BookedPosition:
    """The row that a position as its venue states it becomes."""
    moment = seen.updated_at or NOON
    row = BookedPosition(
        position_id=position_id,
        symbol=seen.symbol,
        position_side=seen.position_side,
        side=seen.side,
        quantity=seen.quantity,
        entry_price=seen.entry_price,
        leverage=seen.leverage,
        settlement=Settlement(moment, moment),
        version=1,
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def _agrees(row: BookedPosition, seen: VenuePosition | None) -> bool:
    if seen is None or (seen.updated_at is not None and seen.updated_at > row.settlement.until):
        return False
    leverage = seen.leverage is None or seen.leverage == row.leverage
    return leverage and (row.side, row.quantity, row.entry_price) == (seen.side, seen.quantity, seen.entry_price)
