"""Evaluations, modes and budgets in memory; held to the same suite as Postgres (tests/contract/monitor)."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

from services.common.errors import DatabaseUnavailable
from services.monitor.domain.evaluation.advice import Mode, Outcome
from services.monitor.domain.evaluation.evaluation import Evaluation
from services.monitor.domain.evaluation.memory import RECENT, Memory
from services.monitor.evaluation.store import EVERYBODY


class KeptEvaluations:
    """All of it. While `down`, everything raises DatabaseUnavailable."""

    def __init__(self) -> None:
        self.down = False
        self.rows: list[Evaluation] = []
        self.told: list[Evaluation] = []
        self.spending: dict[tuple[date, str], Decimal] = {}
        self._modes: dict[str, Mode] = {}

    async def write(self, evaluations: Collection[Evaluation], news: Iterable[Evaluation]) -> None:
        self._check()
        places = {row.evaluation_id: place for place, row in enumerate(self.rows)}
        for one in evaluations:
            place = places.get(one.evaluation_id)
            if place is None:
                self.rows.append(one)
            else:
                kept = self.rows[place]
                self.rows[place] = replace(kept, outcome=one.outcome, outcome_reason=one.outcome_reason)
        self.told += news

    async def remember(self, position_ids: Collection[str], midnight: datetime) -> dict[str, Memory]:
        self._check()
        found = {}
        for position_id in position_ids:
            rows = [row for row in reversed(self.rows) if row.position_id == position_id]
            acted = [row.evaluated_at for row in rows if row.outcome is Outcome.ACTED]
            if rows:
                found[position_id] = Memory(
                    day=midnight.date(),
                    outcome=rows[0].outcome,
                    recent=tuple(row.advice for row in rows[:RECENT]),
                    acted_at=max(acted, default=None),
                    acted_today=sum(at >= midnight for at in acted),
                )
        return found

    async def list_page(
        self, user_id: str, position_id: str, before: int | None, limit: int
    ) -> list[tuple[int, Evaluation]]:
        self._check()
        found = [
            (place, row)
            for place, row in enumerate(self.rows)
            if (row.user_id, row.position_id) == (user_id, position_id) and (before is None or place < before)
        ]
        return found[::-1][:limit]

    async def prune(self, before: datetime) -> None:
        self._check()
        self.rows = [row for row in self.rows if row.evaluated_at >= before]

    async def modes(self) -> dict[str, Mode]:
        self._check()
        return dict(self._modes)

    async def set_mode(self, user_id: str, mode: Mode, now: datetime) -> None:
        self._check()
        self._modes[user_id] = mode

    async def reserve(self, user_id: str, amount: Decimal, day: date, limits: Mapping[str, Decimal]) -> str:
        self._check()
        for whose in (EVERYBODY, user_id):
            if await self.spent(whose, day) + amount > limits[whose]:
                return "everybody" if whose == EVERYBODY else "user"
        await self.settle(user_id, amount, day)
        return ""

    async def settle(self, user_id: str, difference: Decimal, day: date) -> None:
        self._check()
        for whose in (EVERYBODY, user_id):
            self.spending[day, whose] = await self.spent(whose, day) + difference

    async def spent(self, user_id: str, day: date) -> Decimal:
        self._check()
        return self.spending.get((day, user_id), Decimal(0))

    def _check(self) -> None:
        if self.down:
            raise DatabaseUnavailable
