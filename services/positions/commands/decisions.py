"""Carry out what the reconciler decided about one account: idempotent, in one transaction, never on a stale row."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.clock import Clock
from services.common.trading.extremes import TriggerPrice
from services.common.trading.fill import Fill, Run, in_order, run_to
from services.common.trading.money import format_decimal
from services.positions.commands.completion import completed
from services.positions.commands.journal import Journal, write_change, write_new
from services.positions.domain.care import DEFAULT_LEVELS, go_on, manage, opening_intent
from services.positions.domain.decision import (
    Adjust,
    Adopt,
    Close,
    CloseEstimated,
    CompleteExit,
    Decision,
    DecisionResult,
    Outcome,
)
from services.positions.domain.errors import PriceUnavailable
from services.positions.domain.position import (
    BookedFill,
    Origin,
    Position,
    adjust,
    adopt,
    book_fills,
    close,
    close_estimated,
    entered,
    settlement_of,
    tally,
)
from services.positions.domain.timeline import Actor, Change
from services.positions.prices import TriggerPrices
from services.positions.readings import AccountReadings
from services.positions.store import accounts
from services.positions.store import decisions as applied
from services.positions.store import positions as rows
from services.positions.store.fills import find_opened, list_fills, unbooked, unopened

_log = structlog.get_logger(__name__)

_VENUE_CLOCKS = timedelta(milliseconds=100)
"""By how much the time of a position's last change may be before that of the fill that changed it."""


class DecisionCommands:
    """The reconciler's decisions."""

    def __init__(self, journal: Journal, readings: AccountReadings, prices: TriggerPrices, clock: Clock) -> None:
        self._journal = journal
        self._readings = readings
        self._prices = prices
        self._clock = clock

    async def apply(self, run_id: str, account_id: str, decisions: Sequence[Decision]) -> list[DecisionResult]:
        """Carry out decisions in order. Those of this run that were carried out before are answered as they were then.

        Raises AccountNotFound.
        """
        results = await self._apply(run_id, account_id, decisions, None)
        if results is None:
            prices = await self._last_prices(account_id, decisions)
            results = await self._apply(run_id, account_id, decisions, prices) or []
        self._readings.drop(account_id)
        return results

    async def _apply(
        self, run_id: str, account_id: str, decisions: Sequence[Decision], last_prices: Mapping[str, Decimal] | None
    ) -> list[DecisionResult] | None:
        """None where it takes last prices, and they were not asked for yet: no venue is asked while rows are held."""
        async with self._journal.writing() as connection:
            # Two runs over one account write one after the other; the account is what it is once they may.
            await applied.lock_account(connection, account_id)
            start = await applied.begin_run(connection, run_id, account_id)
            adopts = any(isinstance(one.act, Adopt) for one in decisions)
            if last_prices is None and adopts and start.standing.account.trigger_price is TriggerPrice.LAST:
                return None
            batch = _Batch(connection, start.standing, self._clock.now(), last_prices or {})
            done = dict(start.before)
            for decision in decisions:
                if decision.decision_id not in done:
                    done[decision.decision_id] = await batch.apply(decision)
            new = [result for name, result in done.items() if name not in start.before]
            await applied.record(connection, run_id, new, batch.now)
        return [done[decision.decision_id] for decision in decisions]

    async def _last_prices(self, account_id: str, decisions: Sequence[Decision]) -> dict[str, Decimal]:
        """By symbol, of what is to be adopted, as far as the venue says."""
        async with self._journal.reading() as connection:
            account = await accounts.get_account(connection, account_id)
        symbols = {one.act.seen.symbol for one in decisions if isinstance(one.act, Adopt)}
        found = {}
        for symbol in sorted(symbols):
            try:
                found[symbol] = await self._prices.read(account.venue, symbol, TriggerPrice.LAST)
            except PriceUnavailable:
                _log.warning("a position is adopted without the venue's last price", symbol=symbol)
        return found


class _Batch:
    """One transaction's worth of decisions."""

    def __init__(
        self,
        connection: AsyncConnection,
        standing: accounts.AccountStanding,
        now: datetime,
        last_prices: Mapping[str, Decimal],
    ) -> None:
        self._connection = connection
        self._account = standing.account
        self._plan = standing.plan
        self._last_prices = last_prices
        self.now = now
        self._closed: set[str] = set()

    async def apply(self, decision: Decision) -> DecisionResult:
        match decision.act:
            case Adopt():
                position_id = await self._adopt(decision.act, decision.evidence)
            case Close():
                position_id = await self._close(decision.act, decision.evidence)
            case Adjust():
                position_id = await self._adjust(decision.act, decision.evidence)
            case CloseEstimated():
                position_id = await self._close_estimated(decision.act, decision.evidence)
            case CompleteExit():
                position_id = await self._complete(decision.act, decision.evidence)
        outcome = Outcome.STALE if position_id is None else Outcome.APPLIED
        return DecisionResult(decision.decision_id, outcome, position_id or "")

    async def _adopt(self, act: Adopt, evidence: str) -> str | None:
        account = self._account
        found = await rows.look_up_key(self._connection, account.account_id, act.seen.key, self._closed, self.now)
        if found.latest is not None and _says_nothing_about(act, found.latest):
            return None
        fills = await unopened(self._connection, account.account_id, in_order(act.fills))
        position = adopt(
            found.new_id,
            user_id=account.user_id,
            account_id=account.account_id,
            venue=account.venue,
            seen=act.seen,
            settlement=settlement_of(act.seen, act.asked_at, act.taken_at),
            opened_at=fills[0].executed_at if fills else None,
            plan=self._plan,
            trigger_price=account.trigger_price,
        )
        price = act.seen.mark_price
        if self._account.trigger_price is TriggerPrice.LAST:
            # Where a stop begins to trail; without a last price the mark is near enough for that.
            price = self._last_prices.get(position.symbol, price)
        before = await self._missed_before(act, found.latest)
        if before is None:
            position, care = self._take_care(position, fills, price)
        else:
            position, care = go_on(before, position, price, self.now), f" {_went_on(before)}"
        booked = book_fills(position, Run(position.quantity, (), (), (), settled=fills))
        await write_new(
            self._connection,
            tally(position, booked),
            fills=booked,
            actor=Actor.RECONCILER,
            evidence=f"{evidence}{care}",
            now=self.now,
        )
        return position.position_id

    async def _missed_before(self, act: Adopt, latest: rows.LatestRow | None) -> Position | None:
        """The row of the same position whose end was estimated, though it had none: the venue has not changed it since
        it was known to be there, or lists what opened that row as what led to this size.
        """
        before = None if latest is None else latest.position
        if before is None or before.exit is None or not before.exit.estimated or before.side is not act.seen.side:
            return None
        if act.seen.updated_at is not None and act.seen.updated_at <= before.settlement.until:
            return before
        if not act.fills:
            return None
        opened = await find_opened(self._connection, self._account.account_id, before.symbol, act.fills)
        return before if opened == before.position_id else None

    def _take_care(self, position: Position, fills: tuple[Fill, ...], price: Decimal) -> tuple[Position, str]:
        """What an order of Tandem's opened is managed, as is what the account's user wants managed from the start."""
        intent_id = opening_intent(fills)
        if intent_id is not None:
            position = replace(position, origin=Origin.MANUAL, managed=True, intent_id=intent_id)
        if not self._account.trading_enabled or not (intent_id or self._account.auto_manage):
            return position, ""
        managed = manage(position, DEFAULT_LEVELS, price, Actor.RECONCILER, self.now)
        if intent_id is not None:
            return managed, f" An order of Tandem's own (intent {intent_id}) opened it: it is managed."
        return managed, " The account's positions are managed from their adoption on."

    async def _close(self, act: Close, evidence: str) -> str | None:
        position = await self._current(act.position_id, act.expected_version)
        if position is None:
            return None
        earlier = await list_fills(self._connection, position.position_id)
        new = await self._unbooked(position, act.fills, earlier)
        run = run_to(position.side, position.quantity, new, position.settlement, act.final_quantity)
        if run is None or not run.ended:
            return None
        booked = book_fills(position, run, earlier)
        changed = close(entered(position, run), (*earlier, *booked))
        self._closed.add(position.position_id)
        await self._write(changed, booked, Change.CLOSED, evidence)
        return position.position_id

    async def _adjust(self, act: Adjust, evidence: str) -> str | None:
        position = await self._current(act.position_id, act.expected_version)
        if position is None or position.side is not act.seen.side:
            return None
        earlier = await list_fills(self._connection, position.position_id)
        final = position.side.sign * act.seen.quantity
        new = await self._unbooked(position, act.fills, earlier)
        run = run_to(position.side, position.quantity, new, position.settlement, final)
        if run is not None and run.ended:
            # They say that it ended and began anew: that is not an adjustment.
            return None
        booked = book_fills(position, run, earlier) if run is not None else ()
        changed = adjust(position, act.seen, settlement_of(act.seen, act.asked_at, act.taken_at))
        if position.agrees_with(act.seen) and position.leverage == changed.leverage and not booked:
            return await self._confirm(position, changed, explained=run is not None or not act.fills)
        changed = tally(changed, (*earlier, *booked))
        left = f"{evidence} Size {format_decimal(changed.quantity)}, entry {format_decimal(changed.entry_price)}."
        await self._write(changed, booked, Change.ADJUSTED, left)
        return position.position_id

    async def _confirm(self, position: Position, changed: Position, *, explained: bool) -> str | None:
        """The same position as before: only when that was known last moves on, unless its fills say otherwise."""
        if not explained:
            return None
        if changed.settlement.until > position.settlement.until:
            await rows.move_settlement(self._connection, replace(changed, version=position.version))
        return position.position_id

    async def _close_estimated(self, act: CloseEstimated, evidence: str) -> str | None:
        position = await self._current(act.position_id, act.expected_version)
        if position is None or act.missed_at < position.settlement.until:
            # What was missed before the row was settled last was not missed since.
            return None
        self._closed.add(position.position_id)
        await self._write(close_estimated(position, act.missed_at), (), Change.CLOSED, evidence)
        return position.position_id

    async def _complete(self, act: CompleteExit, evidence: str) -> str | None:
        position = await self._owned(act.position_id, act.expected_version)
        if position is None or position.exit is None or not position.exit.estimated:
            return None
        completion = await completed(self._connection, position, act.fills)
        if completion is None:
            return None
        changed, booked = completion
        self._closed.add(position.position_id)
        await self._write(changed, booked, Change.EXIT_COMPLETED, evidence)
        return position.position_id

    async def _unbooked(
        self, position: Position, fills: Sequence[Fill], earlier: Sequence[BookedFill]
    ) -> tuple[Fill, ...]:
        known = {one.fill.fill_id for one in earlier}
        own = [fill for fill in fills if fill.fill_id not in known]
        return await unbooked(self._connection, position.account_id, position.symbol, own)

    async def _current(self, position_id: str, expected_version: int) -> Position | None:
        """The open row, held; None where it has moved on or is not this account's."""
        position = await self._owned(position_id, expected_version)
        return position if position is not None and position.is_open else None

    async def _owned(self, position_id: str, expected_version: int) -> Position | None:
        position = await rows.lock_position(self._connection, position_id)
        moved = position.version != expected_version
        return None if moved or position.account_id != self._account.account_id else position

    async def _write(self, changed: Position, booked: Sequence[BookedFill], change: Change, evidence: str) -> None:
        await write_change(
            self._connection,
            changed,
            fills=booked,
            actor=Actor.RECONCILER,
            change=change,
            evidence=evidence,
            now=self.now,
        )


def _went_on(before: Position) -> str:
    held = "in Tandem's care" if before.managed else "observed"
    return f"It is what {before.position_id} was, which did not end when it was missed: it goes on, {held} as before."


def _says_nothing_about(act: Adopt, latest: rows.LatestRow) -> bool:
    """Whether the reading is too old to say that the key is open: the row was written later, or ended later."""
    if latest.position.is_open or latest.changed_at >= act.asked_at:
        return True
    end, updated_at = latest.position.exit, act.seen.updated_at
    if end is None or updated_at is None or end.estimated:
        # No fill says that it ended: a venue that lists it again has it still.
        return False
    return updated_at + _VENUE_CLOCKS < end.executed_at
