"""What is remembered of a position between two looks."""

from dataclasses import dataclass
from datetime import date, datetime

from services.monitor.domain.evaluation.advice import Advice, Outcome
from services.monitor.domain.evaluation.evaluation import Evaluation
from services.monitor.domain.evaluation.guardrails import Record
from services.monitor.domain.evaluation.materiality import Look

RECENT = 5
"""How many earlier answers an advisor is told."""


@dataclass(slots=True)
class Memory:
    """`look`: what was seen when it was evaluated last; None in a process that has not done so. `recent`: the latest
    first. `acted_today` counts within `day` (UTC)."""

    day: date
    look: Look | None = None
    outcome: Outcome | None = None
    recent: tuple[Advice, ...] = ()
    acted_at: datetime | None = None
    acted_today: int = 0

    def record(self, now: datetime) -> Record:
        """What the guardrails need to know."""
        today = self.acted_today if now.date() == self.day else 0
        return Record(self.recent[0] if self.recent else None, self.acted_at, today)

    def take(self, evaluation: Evaluation) -> None:
        """Remember an evaluation."""
        self.outcome = evaluation.outcome
        self.recent = (evaluation.advice, *self.recent)[:RECENT]
        if evaluation.evaluated_at.date() != self.day:
            self.day, self.acted_today = evaluation.evaluated_at.date(), 0
        if evaluation.outcome is Outcome.ACTED:
            self.acted_at = evaluation.evaluated_at
            self.acted_today += 1
