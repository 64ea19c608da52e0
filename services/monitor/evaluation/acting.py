"""Does what the guardrails let pass: moves a level in the books, or has the position closed.

Invariants: a level is moved only while the position is at the version that was looked at; a close goes the way of every
other close, one intent for a position, and only under a partition that is held now.
"""

import asyncio
import uuid
from decimal import Decimal
from typing import Protocol

from services.common.clock import Clock
from services.common.errors import DomainError
from services.common.trading.client_order_id import OrderCause
from services.common.trading.level import LevelKind, Trailing
from services.common.trading.partition import partition_of
from services.monitor.carrying.work import Claims
from services.monitor.closing.manual import Closes
from services.monitor.domain.attempts import Paused, Settled
from services.monitor.domain.evaluation.advice import Action, Advice, Outcome
from services.monitor.domain.evaluation.situation import Situation
from services.monitor.domain.intent import Decision, Evidence
from services.monitor.domain.intent import Outcome as ClosingOutcome
from services.monitor.domain.position import Position

CLOSE_GOES_ON = "the close is under way"
Result = tuple[Outcome, str]


class Levels(Protocol):
    """Who moves levels and keeps advice, for the AI. All raise DomainError."""

    async def set_floor(self, position: Position, price: Decimal, reason: str, request_id: str) -> None: ...

    async def pin(self, position: Position, kind: LevelKind, price: Decimal, reason: str, request_id: str) -> None: ...

    async def advise(self, position: Position, advice: Advice | None, request_id: str) -> None: ...


class Acting:
    """Carries advice out."""

    def __init__(self, levels: Levels, closes: Closes, claims: Claims, clock: Clock, *, wait_seconds: float) -> None:
        self._levels = levels
        self._closes = closes
        self._claims = claims
        self._clock = clock
        self._wait_seconds = wait_seconds

    async def carry_out(self, advice: Advice, situation: Situation) -> Result:
        """Do it; what came of it."""
        position = situation.subject.position
        if partition_of(position.account_id) not in self._claims.claims():
            return Outcome.FAILED, "another replica has taken over"
        try:
            if advice.action is Action.CLOSE:
                return await self._close(position, situation)
            await self._move(advice, situation)
        except DomainError as error:
            return Outcome.FAILED, f"{error.reason}: {error.message}"
        return Outcome.ACTED, ""

    async def keep_advice(self, position: Position, advice: Advice | None) -> None:
        """Keep the advice to close a position, or take it back. Raises DomainError."""
        await self._levels.advise(position, advice, str(uuid.uuid4()))

    async def _move(self, advice: Advice, situation: Situation) -> None:
        position, price = situation.subject.position, advice.price
        if price is None:
            raise ValueError("a move without a price")
        request_id = str(uuid.uuid4())
        if advice.action is Action.MOVE_TARGET:
            await self._levels.pin(position, LevelKind.TAKE_PROFIT, price, advice.reason, request_id)
        elif isinstance(position.levels.stop_loss.rule, Trailing):
            await self._levels.set_floor(position, price, advice.reason, request_id)
        else:
            await self._levels.pin(position, LevelKind.STOP_LOSS, price, advice.reason, request_id)

    async def _close(self, position: Position, situation: Situation) -> Result:
        conditions = situation.conditions
        evidence = Evidence(self._clock.now(), conditions.mark, price_at=conditions.mark_at)
        opening = await self._closes.close(Decision(position, OrderCause.AI_SIGNAL, evidence))
        if isinstance(opening, Settled):
            return Outcome.FAILED, "it was closed already"
        if isinstance(opening, Paused):
            return Outcome.FAILED, f"the exchange refused it before: {opening.intent.reason}"
        try:
            async with asyncio.timeout(self._wait_seconds):
                over = await self._closes.wait(opening.intent.closing_id)
        except TimeoutError:
            return Outcome.ACTED, CLOSE_GOES_ON
        if over.outcome is ClosingOutcome.REFUSED:
            return Outcome.FAILED, f"the exchange refused it: {over.reason}"
        if over.outcome in (ClosingOutcome.GONE, ClosingOutcome.NOT_OPEN):
            return Outcome.FAILED, "it was closed already"
        return Outcome.ACTED, "" if over.cause is OrderCause.AI_SIGNAL else f"it was being closed: {over.cause.value}"


def stands(advised: Advice | None, advice: Advice, closeness: int = 10) -> bool:
    """Whether the books hold as good as this advice already."""
    return (
        advised is not None
        and advised.urgency is advice.urgency
        and abs(advised.confidence - advice.confidence) < closeness
    )
