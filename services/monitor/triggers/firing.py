"""From a checked price to the closing of what it triggers.

Invariants: only positions in partitions that are held fire; of one position one closing is under way at a time, and a
version of it that was settled does not fire again; what a refusal has paused stays quiet until the pause is over, or
until the price has recovered and crosses anew. A price tells what it triggers once; what stands is asked for each
second.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol
from uuid import UUID

import structlog

from services.common.clock import Clock
from services.common.errors import DomainError
from services.common.trading.client_order_id import OrderCause
from services.common.trading.level import LevelKind
from services.common.trading.partition import partition_of
from services.monitor.carrying.work import Claims
from services.monitor.domain.attempts import REFUSED_PAUSE, Opening, Paused, Settled
from services.monitor.domain.following import Change
from services.monitor.domain.intent import Decision, Evidence, Intent, Outcome
from services.monitor.domain.position import Instrument, Position
from services.monitor.domain.price_check import Price
from services.monitor.domain.triggers.trigger import Trigger, TriggerIndex
from services.monitor.triggers.watermarks import Watermarks

_log = structlog.get_logger(__name__)

_CAUSES = {LevelKind.STOP_LOSS: OrderCause.STOP_LOSS, LevelKind.TAKE_PROFIT: OrderCause.TAKE_PROFIT}
_RETRY = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class _Crossing:
    """A level that was reached and has not led to a close yet."""

    partition: int
    instrument: Instrument
    since: datetime


class Closes(Protocol):
    """Who closes positions."""

    async def close(self, decision: Decision) -> Opening: ...

    async def wait(self, closing_id: UUID, *, until_over: bool = False) -> Intent: ...


class Firing:
    """Holds prices against the index and closes what they trigger."""

    def __init__(
        self,
        index: TriggerIndex,
        closes: Closes,
        claims: Claims,
        clock: Clock,
        watermarks: Watermarks,
        closed_after: Callable[[timedelta], None] = lambda _: None,
    ) -> None:
        """`closed_after` is told how long after its crossing each position was closed and booked."""
        self._closed_after = closed_after
        self._index = index
        self._closes = closes
        self._claims = claims
        self._clock = clock
        self._watermarks = watermarks
        self._refused: dict[str, str] = {}
        self._recovered: set[str] = set()
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._settled: dict[str, int] = {}
        self._quiet_until: dict[str, datetime] = {}
        self._crossed: dict[str, _Crossing] = {}

    def on_change(self, change: Change) -> None:
        """Take in what became of a followed position."""
        if change.after is not None:
            if change.before is None or not _same_arming(change.before, change.after):
                self._watermarks.owe(change.after)
                self._forget_refusal(change.after.position_id)
                self._crossed.pop(change.after.position_id, None)
            self._index.put(change.after, self._watermarks.of(change.after))
        elif change.before is not None:
            position_id = change.before.position_id
            self._index.remove(position_id)
            self._settled.pop(position_id, None)
            self._crossed.pop(position_id, None)
            self._forget_refusal(position_id)

    def on_price(self, price: Price) -> None:
        """Take in a checked price; quick, and never waits."""
        self._watermarks.record(price)
        crossed = self._index.crossed(price.instrument, price.value)
        if crossed.raised:
            self._watermarks.moved(price)
        for trigger in crossed.triggers:
            if self._may_fire(trigger):
                self._start(trigger, price)

    def recheck(self, price: Price) -> None:
        """Hold the last price against all levels again: what waited, or was refused, or has only just been set."""
        standing = self._index.standing(price.instrument, price.value)
        stands = {trigger.position.position_id for trigger in standing.triggers}
        # Not those that the index says have recovered: of a newer version it does not know that it had been reached.
        known = [one for one, crossing in self._crossed.items() if crossing.instrument == price.instrument]
        for position_id in known:
            if position_id in stands:
                continue
            del self._crossed[position_id]
            if self._quiet_until.pop(position_id, None) is not None:
                self._recovered.add(position_id)
        for trigger in standing.triggers:
            if self._may_fire(trigger):
                self._start(trigger, price)

    def trouble(self, position: Position) -> str:
        """Why the levels of a position would not close it; empty where they would."""
        return self._refused.get(position.position_id, "")

    def crossed_for(self) -> timedelta:
        """For how long the oldest crossing in the partitions held has not led to a close; nothing where there is none.

        One that a person has paused, or that its venue refuses, counts as well: the stop did not do what it is for.
        """
        now, held = self._clock.now(), self._claims.claims()
        since = (crossing.since for crossing in self._crossed.values() if crossing.partition in held)
        return max((now - at for at in since), default=timedelta(0))

    async def drain(self) -> None:
        """Begin nothing more; what was begun is the closer's."""
        for task in self._busy.values():
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)

    def _may_fire(self, trigger: Trigger) -> bool:
        position = trigger.position
        if position.position_id in self._busy or self._settled.get(position.position_id, 0) >= position.version:
            return False
        quiet_until = self._quiet_until.get(position.position_id)
        if quiet_until is not None and self._clock.now() < quiet_until:
            return False
        return partition_of(position.account_id) in self._claims.claims()

    def _start(self, trigger: Trigger, price: Price) -> None:
        position_id = trigger.position.position_id
        crossing = _Crossing(partition_of(trigger.position.account_id), price.instrument, self._clock.now())
        self._crossed.setdefault(position_id, crossing)
        evidence = Evidence(self._clock.now(), trigger.price, trigger.level_price, price.at)
        afresh = position_id in self._recovered
        self._recovered.discard(position_id)
        decision = Decision(trigger.position, _CAUSES[trigger.kind], evidence, afresh=afresh)
        task = asyncio.create_task(self._close(decision), name=f"fire {position_id}")
        self._busy[position_id] = task
        task.add_done_callback(partial(self._ended, position_id))

    async def _close(self, decision: Decision) -> None:
        position_id = decision.position.position_id
        try:
            opening = await self._closes.close(decision)
            intent = opening.intent
            if not isinstance(opening, Settled | Paused):
                intent = await self._closes.wait(intent.closing_id, until_over=True)
        except DomainError as error:
            _log.warning("trigger waits", position_id=position_id, reason=error.reason)
            self._quiet_until[position_id] = self._clock.now() + _RETRY
            return
        if intent.outcome is not None and intent.outcome.settles:
            self._settled[position_id] = max(intent.position_version, self._settled.get(position_id, 0))
            crossing = self._crossed.pop(position_id, None)
            since = decision.evidence.decided_at if crossing is None else crossing.since
            self._closed_after(self._clock.now() - since)
            self._forget_refusal(position_id)
        elif intent.outcome is Outcome.REFUSED:
            self._refused[position_id] = f"CLOSE_REFUSED: {intent.reason}"
            self._quiet_until[position_id] = intent.updated_at + REFUSED_PAUSE
        else:
            self._quiet_until[position_id] = self._clock.now() + _RETRY

    def _ended(self, position_id: str, task: asyncio.Task[None]) -> None:
        self._busy.pop(position_id, None)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("trigger failed", position_id=position_id, exc_info=error)
            self._quiet_until[position_id] = self._clock.now() + _RETRY

    def _forget_refusal(self, position_id: str) -> None:
        self._refused.pop(position_id, None)
        self._quiet_until.pop(position_id, None)
        self._recovered.discard(position_id)


def _same_arming(before: Position, after: Position) -> bool:
    return before.levels == after.levels and before.instrument == after.instrument
