"""The second loop of the monitor: who is due is looked at, round after round."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import structlog

from services.common.clock import Clock
from services.common.errors import DomainError
from services.common.trading.partition import partition_of
from services.monitor.carrying.work import Claims
from services.monitor.domain.evaluation.agenda import Agenda
from services.monitor.domain.evaluation.situation import Subject
from services.monitor.domain.evaluation.subjects import Subjects
from services.monitor.evaluation.looking import Looking
from services.monitor.evaluation.metrics import EvaluationMetrics

_log = structlog.get_logger(__name__)

BATCH = 250
_IDLE_SECONDS = 0.25
_RETRY_SECONDS = 1.0


class Rounds:
    """`run` it; `opened` and `gone` follow the positions. `ready` says whether what it needs to know is known."""

    def __init__(
        self,
        subjects: Subjects,
        looking: Looking,
        claims: Claims,
        metrics: EvaluationMetrics,
        clock: Clock,
        *,
        interval: timedelta,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self._subjects = subjects
        self._looking = looking
        self._claims = claims
        self._metrics = metrics
        self._clock = clock
        self._ready = ready
        self._agenda = Agenda(interval)

    def opened(self, subject: Subject) -> None:
        """A position is there, or there is a newer version of it: its first look is an interval from now."""
        self._agenda.add(subject.position.position_id, self._clock.now())

    def gone(self, position_id: str) -> None:
        """A position is not there any more."""
        self._agenda.remove(position_id)
        self._looking.forget(position_id)

    async def run(self) -> None:
        """Round after round, until cancelled."""
        while True:
            try:
                looked = await self.turn() if self._ready() else 0
            except DomainError as error:
                _log.info("looks wait", reason=error.reason)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            await asyncio.sleep(0 if looked else _IDLE_SECONDS)

    async def turn(self) -> int:
        """Look at those that are due, up to a batch; how many were taken. Raises DatabaseUnavailable."""
        held = self._claims.claims()
        taken = list(self._agenda.take(self._clock.now(), BATCH))
        subjects = [subject for key in taken if (subject := self._subjects.get(key)) is not None]
        for one in subjects:
            if partition_of(one.position.account_id) not in held:
                # Whoever holds it remembers it; here it would be out of date when it comes back.
                self._looking.forget(one.position.position_id)
        await self._looking.look_at([one for one in subjects if partition_of(one.position.account_id) in held])
        self._metrics.stretch.set(self._agenda.stretch)
        self._metrics.positions.set(len(self._agenda))
        return len(taken)
