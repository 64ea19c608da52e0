"""Carry out what the reconciler decided about one account: idempotent, in one transaction, never on a stale row."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.clock import Clock
from services.common.trading.fill import Fill, Run, in_order, run_to
from services.common.trading.money import format_decimal
from services.positions.commands.journal import Journal, write_change, write_new
from services.positions.domain.account import Account
from services.positions.domain.decision import Adjust, Adopt, Close, Decision, DecisionResult, Outcome
from services.positions.domain.position import (
    BookedFill,
    Position,
    adjust,
    adopt,
    book_fills,
    close,
    settlement_of,
)
from services.positions.domain.timeline import Actor, Change
from services.positions.readings import AccountReadings
from services.positions.store import accounts
from services.positions.store import decisions as applied
from services.positions.store import positions as rows


class DecisionCommands:
    """The reconciler's decisions."""

    def __init__(self, journal: Journal, readings: AccountReadings, clock: Clock) -> None:
        self._journal = journal
        self._readings = readings
        self._clock = clock

    async def apply(self, run_id: str, account_id: str, decisions: Sequence[Decision]) -> list[DecisionResult]:
        """Carry out decisions in order. Those of this run that were carried out before are answered as they were then.

        Raises AccountNotFound.
        """
        async with self._journal.writing() as connection:
            account = await accounts.get_account(connection, account_id)
            # Two runs over one account write one after the other.
            await applied.lock_account(connection, account_id)
            before = await applied.list_applied(connection, run_id)
            batch = _Batch(connection, account, self._clock.now())
            results = []
            for decision in decisions:
                result = before.get(decision.decision_id) or await batch.apply(decision)
                results.append(result)
            await applied.record(
                connection, run_id, [one for one in results if one.decision_id not in before], batch.now
            )
        self._readings.drop(account_id)
        return results


class _Batch:
    """One transaction's worth of decisions."""

    def __init__(self, connection: AsyncConnection, account: Account, now: datetime) -> None:
        self._connection = connection
        self._account = account
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
        outcome = Outcome.STALE if position_id is None else Outcome.APPLIED
        return DecisionResult(decision.decision_id, outcome, position_id or "")

    async def _adopt(self, act: Adopt, evidence: str) -> str | None:
        latest = await rows.latest_of_key(self._connection, self._account.account_id, act.seen.key, self._closed)
        if latest is not None and _says_nothing_about(act, latest):
            return None
        position = adopt(
            await rows.next_position_id(self._connection, self.now),
            user_id=self._account.user_id,
            account_id=self._account.account_id,
            venue=self._account.venue,
            seen=act.seen,
            settlement=settlement_of(act.seen, act.asked_at, act.taken_at),
        )
        booked = book_fills(position, Run(position.quantity, (), (), (), settled=in_order(act.fills)))
        await write_new(
            self._connection, position, fills=booked, actor=Actor.RECONCILER, evidence=evidence, now=self.now
        )
        return position.position_id

    async def _close(self, act: Close, evidence: str) -> str | None:
        position = await self._current(act.position_id, act.expected_version)
        if position is None:
            return None
        earlier = await rows.list_fills(self._connection, position.position_id)
        new = _unbooked(act.fills, earlier)
        run = run_to(position.side, position.quantity, new, position.settlement, act.final_quantity)
        if run is None or not run.ended:
            return None
        booked = book_fills(position, run)
        changed = close(position, (*earlier, *booked))
        self._closed.add(position.position_id)
        await self._write(changed, booked, Change.CLOSED, evidence)
        return position.position_id

    async def _adjust(self, act: Adjust, evidence: str) -> str | None:
        position = await self._current(act.position_id, act.expected_version)
        if position is None or position.side is not act.seen.side:
            return None
        earlier = await rows.list_fills(self._connection, position.position_id)
        final = position.side.sign * act.seen.quantity
        run = run_to(position.side, position.quantity, _unbooked(act.fills, earlier), position.settlement, final)
        if run is not None and run.ended:
            # They say that it ended and began anew: that is not an adjustment.
            return None
        booked = book_fills(position, run) if run is not None else ()
        if position.agrees_with(act.seen) and position.leverage == act.seen.leverage:
            return position.position_id
        changed = adjust(position, act.seen, settlement_of(act.seen, act.asked_at, act.taken_at))
        left = f"{evidence} Size {format_decimal(changed.quantity)}, entry {format_decimal(changed.entry_price)}."
        await self._write(changed, booked, Change.ADJUSTED, left)
        return position.position_id

    async def _current(self, position_id: str, expected_version: int) -> Position | None:
        """The row, held; None where it has moved on or is not this account's."""
        position = await rows.lock_position(self._connection, position_id)
        moved = position.version != expected_version or not position.is_open
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


def _says_nothing_about(act: Adopt, latest: rows.LatestRow) -> bool:
    """Whether the reading is too old to say that the key is open: the row was written later, or ended later."""
    if latest.position.is_open or latest.changed_at >= act.asked_at:
        return True
    end, updated_at = latest.position.exit, act.seen.updated_at
    return end is not None and updated_at is not None and updated_at < end.executed_at


def _unbooked(fills: Sequence[Fill], earlier: Sequence[BookedFill]) -> list[Fill]:
    known = {one.fill.fill_id for one in earlier}
    return [fill for fill in fills if fill.fill_id not in known]
