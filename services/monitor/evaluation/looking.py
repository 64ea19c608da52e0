"""One look at a position: what is known of it, whether that is news, what an advisor says, what becomes of it.

Invariants: a look that finds nothing new costs no advisor; rules answer on the spot, what has to be waited for takes a
place among those in flight; a position is looked at by one look at a time; what is done to it, and that it was, is
remembered before the next look.
"""

import asyncio
import uuid
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

import structlog

from services.common.clock import Clock
from services.common.errors import DomainError
from services.common.trading.effective_levels import effective_levels
from services.monitor.domain.evaluation.advice import Action, Mode, Outcome
from services.monitor.domain.evaluation.evaluation import Evaluation, is_news
from services.monitor.domain.evaluation.facts import facts_of
from services.monitor.domain.evaluation.guardrails import Limits, Verdict, judge
from services.monitor.domain.evaluation.materiality import look, material_change
from services.monitor.domain.evaluation.memory import Memory
from services.monitor.domain.evaluation.situation import Conditions, Situation, Subject
from services.monitor.domain.position import Position
from services.monitor.domain.sentiment.mood import Mood
from services.monitor.evaluation.acting import Acting, stands
from services.monitor.evaluation.metrics import EvaluationMetrics
from services.monitor.evaluation.model import Advisor, Answer, advise_by_rules
from services.monitor.evaluation.writing import EvaluationWriter

_log = structlog.get_logger(__name__)


class Remembered(Protocol):
    """What earlier processes saw."""

    async def remember(self, position_ids: Collection[str], midnight: datetime) -> dict[str, Memory]:
        """Raises DomainError."""
        ...


@dataclass(frozen=True, slots=True)
class Senses:
    """What is known without asking. `subject`: an open position as it is now, None where it is not open any more."""

    subject: Callable[[str], Subject | None]
    conditions: Callable[[Position], Conditions | None]
    liquidation: Callable[[Position], Decimal | None]
    mood: Callable[[Position], Mood | None]
    watermark: Callable[[str], Decimal | None]
    mode: Callable[[str], Mode]


@dataclass(frozen=True, slots=True)
class Policy:
    """How far it may go, and after how long a quiet position is evaluated all the same."""

    limits: Limits = field(default_factory=Limits)
    forced_after: timedelta = timedelta(minutes=5)
    in_flight: int = 200


class Looking:
    """Looks at positions. `model` None: the rules answer alone."""

    def __init__(
        self,
        senses: Senses,
        remembered: Remembered,
        acting: Acting,
        writer: EvaluationWriter,
        metrics: EvaluationMetrics,
        clock: Clock,
        policy: Policy,
        model: Advisor | None = None,
    ) -> None:
        self._senses = senses
        self._remembered = remembered
        self._acting = acting
        self._writer = writer
        self._metrics = metrics
        self._clock = clock
        self._policy = policy
        self._model = model
        self._memories: dict[str, Memory] = {}
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(policy.in_flight)

    def forget(self, position_id: str) -> None:
        """The position is gone."""
        self._memories.pop(position_id, None)

    async def look_at(self, subjects: Collection[Subject]) -> None:
        """Look at each; waits where too many are under way. Raises DatabaseUnavailable: none was looked at."""
        unknown = [one.position.position_id for one in subjects if one.position.position_id not in self._memories]
        if unknown:
            now = self._clock.now()
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
            found = await self._remembered.remember(unknown, midnight)
            for position_id in unknown:
                self._memories[position_id] = found.get(position_id) or Memory(now.date())
        for subject in subjects:
            await self._look(subject)

    async def drain(self) -> None:
        """Begin nothing more; what is under way ends without an answer. What was found is written."""
        for task in self._busy.values():
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)
        await self._writer.try_flush()

    async def settle(self) -> None:
        """Return when nothing is under way."""
        while self._busy:
            await asyncio.wait(self._busy.values())

    async def _look(self, subject: Subject) -> None:
        position = subject.position
        position_id = position.position_id
        mode = self._senses.mode(position.user_id)
        if mode is Mode.OFF or position_id in self._busy:
            self._metrics.skipped("off" if mode is Mode.OFF else "busy")
            return
        memory = self._memories.get(position_id)
        if memory is None:
            # It was closed while others of its batch were waited for.
            self._metrics.skipped("gone")
            return
        situation = self._situation(subject, memory)
        if situation is None:
            self._metrics.skipped("no_price")
            return
        seen = look(situation)
        cause = material_change(memory.look, seen, self._policy.forced_after)
        if not cause:
            self._metrics.skipped("unchanged")
            return
        memory.look = seen
        if self._model is None:
            answer = advise_by_rules(situation)
            verdict = self._judge(answer, situation, mode)
            if not self._is_work(verdict, situation):
                self._conclude(_evaluation(answer, verdict, situation, cause), passing=verdict.passing)
                return
            await self._start(position_id, self._carry_out(answer, verdict, situation, cause))
            return
        await self._start(position_id, self._ask(self._model, situation, cause))

    def _situation(self, subject: Subject, memory: Memory) -> Situation | None:
        position = subject.position
        conditions = self._senses.conditions(position)
        if conditions is None:
            return None
        watermark = self._senses.watermark(position.position_id)
        levels = effective_levels(position.side, position.levels, conditions.mark, watermark)
        return Situation(
            subject=subject,
            conditions=conditions,
            at=self._clock.now(),
            stop=levels.stop_loss,
            target=levels.take_profit,
            liquidation=self._senses.liquidation(position),
            mood=self._senses.mood(position),
            recent=memory.recent,
        )

    async def _start(self, position_id: str, work: Coroutine[None, None, None]) -> None:
        await self._places.acquire()
        task = asyncio.create_task(work, name=f"evaluate {position_id}")
        self._busy[position_id] = task
        self._metrics.in_flight.set(len(self._busy))
        task.add_done_callback(lambda done: self._ended(position_id, done))

    def _ended(self, position_id: str, task: asyncio.Task[None]) -> None:
        self._busy.pop(position_id, None)
        self._places.release()
        self._metrics.in_flight.set(len(self._busy))
        if not task.cancelled() and task.exception() is not None:
            _log.error("evaluation failed", position_id=position_id, exc_info=task.exception())

    async def _ask(self, model: Advisor, asked: Situation, cause: str) -> None:
        """What a model says is held against what is true by then: it may have taken its time."""
        answer = await model.advise(asked)
        position = asked.subject.position
        subject = self._senses.subject(position.position_id)
        memory = self._memories.get(position.position_id)
        mode = self._senses.mode(position.user_id)
        situation = None if subject is None or memory is None else self._situation(subject, memory)
        if situation is None or mode is Mode.OFF:
            self._metrics.skipped("gone" if situation is None else "off")
            return
        verdict = self._judge(answer, situation, mode)
        await self._carry_out(answer, verdict, situation, cause)

    def _judge(self, answer: Answer, situation: Situation, mode: Mode) -> Verdict:
        memory = self._memories.get(situation.subject.position.position_id) or Memory(situation.at.date())
        return judge(answer.advice, situation, mode, self._policy.limits, memory.record(situation.at))

    @staticmethod
    def _is_work(verdict: Verdict, situation: Situation) -> bool:
        """Whether something is to be done beside writing it down."""
        return (
            verdict.outcome is Outcome.ACTED
            or verdict.advice.action is Action.CLOSE
            or situation.subject.advised is not None
        )

    async def _carry_out(self, answer: Answer, verdict: Verdict, situation: Situation, cause: str) -> None:
        closes = verdict.advice.action is Action.CLOSE
        evaluation = _evaluation(answer, verdict, situation, cause)
        if verdict.outcome is Outcome.ACTED:
            if closes:
                # Before its order: who tells of the close finds the advice that it came of.
                self._writer.take(evaluation, news=False)
                await self._writer.try_flush()
            outcome, reason = await self._acting.carry_out(verdict.advice, situation)
            verdict = Verdict(outcome, verdict.advice, reason)
            evaluation = replace(evaluation, outcome=outcome, outcome_reason=reason)
        if not (closes and verdict.outcome is Outcome.ACTED):
            await self._keep_advice(verdict, situation)
        self._conclude(evaluation, passing=verdict.passing)
        if verdict.outcome in (Outcome.ACTED, Outcome.FAILED):
            await self._writer.try_flush()

    async def _keep_advice(self, verdict: Verdict, situation: Situation) -> None:
        """What the books show of the advice to close is what was said last."""
        subject, advice = situation.subject, verdict.advice
        closes = advice.action is Action.CLOSE
        if (closes and stands(subject.advised, advice)) or (not closes and subject.advised is None):
            return
        try:
            await self._acting.keep_advice(subject.position, advice if closes else None)
        except DomainError as error:
            _log.info("advice not kept", position_id=subject.position.position_id, reason=error.reason)

    def _conclude(self, evaluation: Evaluation, *, passing: bool) -> None:
        memory = self._memories.get(evaluation.position_id) or Memory(evaluation.evaluated_at.date())
        previous = memory.recent[0] if memory.recent else None
        self._writer.take(evaluation, news=is_news(previous, memory.outcome, evaluation))
        memory.take(evaluation)
        if passing or evaluation.outcome is Outcome.FAILED:
            # Its next look decides anew, though nothing may have changed by then.
            memory.look = None
        self._metrics.evaluated(evaluation)


def _evaluation(answer: Answer, verdict: Verdict, situation: Situation, cause: str) -> Evaluation:
    position, mood = situation.subject.position, situation.mood
    return Evaluation(
        evaluation_id=uuid.uuid4(),
        position_id=position.position_id,
        user_id=position.user_id,
        account_id=position.account_id,
        # When it was judged, not when what came of it was known: a close comes after the advice to close.
        evaluated_at=situation.at,
        advice=verdict.advice,
        outcome=verdict.outcome,
        outcome_reason=verdict.reason,
        advisor=answer.advisor,
        fallback_reason=answer.fallback_reason,
        mark_price=situation.conditions.mark,
        sentiment=None if mood is None else mood.score,
        conditions={"cause": cause, **facts_of(situation)},
        call=answer.call,
    )
