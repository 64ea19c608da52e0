"""One replica that looks at one position, over the closing of a whole replica."""

import asyncio
from dataclasses import dataclass, field, replace
from decimal import Decimal

from prometheus_client import CollectorRegistry

from services.common.trading.level import Level, LevelKind, LevelRules, NoLevel, Trailing
from services.monitor.domain.evaluation.advice import Action, Advice, Mode, Outcome, Urgency
from services.monitor.domain.evaluation.evaluation import LLM, Evaluation
from services.monitor.domain.evaluation.measures import Measures
from services.monitor.domain.evaluation.situation import Conditions, Situation, Subject
from services.monitor.domain.position import Position
from services.monitor.domain.sentiment.mood import Mood
from services.monitor.evaluation.acting import Acting
from services.monitor.evaluation.looking import Looking, Policy, Senses
from services.monitor.evaluation.metrics import EvaluationMetrics
from services.monitor.evaluation.model import Advisor, Answer
from services.monitor.evaluation.writing import EvaluationWriter
from tests.fakes.evaluations import KeptEvaluations
from tests.fakes.orders import Answer as VenueAnswer
from tests.unit.monitor.replica import Monitor
from tests.unit.monitor.world import ARMED_AT


@dataclass
class Levels:
    """Writes down what it is asked to do; `refusing` raises."""

    refusing: Exception | None = None
    done: list[tuple[str, str, Decimal | None]] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    advice: list[Advice | None] = field(default_factory=list)

    async def set_floor(self, position: Position, price: Decimal, reason: str, request_id: str) -> None:
        self._take(position, "floor", price)

    async def pin(self, position: Position, kind: LevelKind, price: Decimal, reason: str, request_id: str) -> None:
        self._take(position, kind.value, price)

    async def advise(self, position: Position, advice: Advice | None, request_id: str) -> None:
        self._take(position, "advice", None)
        self.advice.append(advice)

    def _take(self, position: Position, what: str, price: Decimal | None) -> None:
        if self.refusing is not None:
            raise self.refusing
        self.done.append((position.position_id, what, price))
        self.versions.append(position.version)


class Model:
    """Says what it is told to say, once it is let."""

    def __init__(self, *advice: Advice) -> None:
        self.said = list(advice)
        self.asked: list[Situation] = []
        self.let = asyncio.Event()
        self.let.set()

    async def advise(self, situation: Situation) -> Answer:
        self.asked.append(situation)
        await self.let.wait()
        return Answer(self.said.pop(0) if len(self.said) > 1 else self.said[0], LLM)


TRAILING = LevelRules(Level(Trailing(Decimal("0.02")), ARMED_AT, Decimal(66000)), Level(NoLevel()))
CLOSE = Advice(Action.CLOSE, "the thesis is gone", Urgency.HIGH, 95)


class Room:
    """One replica that looks at one position: a long of BTC from 60 000, at 66 000, whose bars go 500 up or down."""

    def __init__(self, model: Advisor | None = None, *answers: VenueAnswer, managed: bool = True) -> None:
        self.monitor = Monitor(*answers)
        position = replace(self.monitor.position, levels=TRAILING, entry_price=Decimal(66000))
        self.monitor.books.positions[position.position_id] = position
        self.subject = Subject(position, managed)
        self.now: Subject | None = self.subject
        self.kept, self.levels = KeptEvaluations(), Levels()
        self.heard: list[Evaluation] = []
        self.mode, self.mark = Mode.ACT, Decimal(66000)
        self.mood: Mood | None = None
        self.model = model
        self.looking = self.process()

    def process(self) -> Looking:
        """A process that has just started."""
        clock = self.monitor.clock
        metrics = EvaluationMetrics(CollectorRegistry())
        self.writer = EvaluationWriter(self.kept, lambda: None, [self._hear])
        acting = Acting(self.levels, self.monitor.closer, self.monitor, clock, wait_seconds=5)
        senses = Senses(
            subject=lambda _: self.now,
            conditions=lambda _: self._conditions(),
            liquidation=lambda _: None,
            mood=lambda _: self.mood,
            watermark=lambda _: None,
            mode=lambda _: self.mode,
        )
        self.metrics = metrics
        return Looking(senses, self.kept, acting, self.writer, metrics, clock, Policy(), self.model)

    async def look(self, mark: str | None = None, subject: Subject | None = None) -> Evaluation | None:
        """Look, and wait for what comes of it: the evaluation, None where there was none."""
        before = len(self.kept.rows)
        self.mark = self.mark if mark is None else Decimal(mark)
        self.now = subject or self.subject
        await self.looking.look_at([self.now])
        await self.looking.settle()
        await self.monitor.settle()
        await self.writer.flush()
        return self.kept.rows[-1] if len(self.kept.rows) > before else None

    def _conditions(self) -> Conditions:
        measures = Measures(Decimal(500), Decimal(0), Decimal("0.01"), Decimal(0))
        return Conditions(self.mark, self.monitor.clock.now(), measures)

    async def _hear(self, evaluation: Evaluation) -> None:
        self.heard.append(evaluation)


def rules(evaluation: Evaluation | None) -> tuple[Action, Outcome]:
    assert evaluation is not None
    assert evaluation.advisor == "rules"
    return evaluation.advice.action, evaluation.outcome
