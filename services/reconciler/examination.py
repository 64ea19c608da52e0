"""One account looked at until the books and the venue agree, or until looking again would not help.

Each round observes, decides and applies. Another round follows at once where the books had moved on meanwhile, where a
row has just gone missing without fills (venues list fills a moment after the position is gone), or where somebody asked
for a look after this one had begun: at most `ROUNDS` in all.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from uuid import UUID

from services.common.errors import DomainError
from services.common.trading.reading import ReadingStatus
from services.reconciler.clients.observatory import Observatory
from services.reconciler.domain.absence import AbsencePolicy, PendingAbsence
from services.reconciler.domain.decision import Adjust, Adopt, Close, Decision, DecisionOutcome
from services.reconciler.domain.diff import Diff, diff
from services.reconciler.domain.run import Finding, Findings, RunResult

ROUNDS = 3
_ACCOUNT_GONE = "ACCOUNT_NOT_FOUND"

LookAgain = Callable[[], bool]
"""Whether somebody has asked for a look since the last call of it."""


class Examination:
    """Runs the rounds of one account over the positions service."""

    def __init__(self, observatory: Observatory, policy: AbsencePolicy) -> None:
        self._observatory = observatory
        self._policy = policy

    async def run(
        self, run_id: UUID, account_id: str, pending: Iterable[PendingAbsence], look_again: LookAgain
    ) -> Findings:
        """Bring one account's books into step. What goes wrong at the venue or at positions is a result, no error."""
        before = tuple(pending)
        tally = _Tally(before)
        for _ in range(ROUNDS):
            look_again()
            try:
                again = await self._round(run_id, account_id, tally)
            except DomainError as error:
                return tally.failed(error)
            if not (again or look_again()):
                break
        return tally.findings()

    async def _round(self, run_id: UUID, account_id: str, tally: "_Tally") -> bool:
        """One look; whether another should follow at once."""
        tally.rounds += 1
        observation = await self._observatory.observe(account_id)
        found = diff(observation.booked, observation.reading, tally.absences, self._policy)
        tally.saw(found)
        applied: frozenset[str] = frozenset()
        if found.decisions:
            results = await self._observatory.apply(run_id, account_id, found.decisions)
            applied = frozenset(result.decision_id for result in results if result.outcome is DecisionOutcome.APPLIED)
        return tally.applied(found, applied)


class _Tally:
    """What the rounds so far came to."""

    def __init__(self, before: tuple[PendingAbsence, ...]) -> None:
        self.rounds = 0
        self.absences = before
        self._known = {absence.position_id for absence in before}
        self._counts = {Adopt: 0, Close: 0, Adjust: 0}
        self._repaired: list[Finding] = []
        self._open: list[Finding] = []
        self._last: Diff | None = None
        self._overtaken = False

    def saw(self, found: Diff) -> None:
        """A reading was judged; nothing of it has been applied yet."""
        self._last = found
        self.absences = found.absences
        self._open = [self._finding(found, index, frozenset()) for index in range(len(found.discrepancies))]

    def applied(self, found: Diff, applied: frozenset[str]) -> bool:
        """The decisions that took effect are known; whether another look should follow at once."""
        for decision in found.decisions:
            if decision.decision_id in applied:
                self._counts[type(decision)] += 1
        findings = [self._finding(found, index, applied) for index in range(len(found.discrepancies))]
        self._repaired += [finding for finding in findings if finding.repaired]
        self._open = [finding for finding in findings if not finding.repaired]
        self._overtaken = _overtaken(found.decisions, applied)
        missed_anew = any(not finding.discrepancy.decided and not finding.discrepancy.known for finding in self._open)
        return self._overtaken or bool(found.outdated) or missed_anew

    def findings(self) -> Findings:
        """The end of a run whose rounds all went through."""
        if self._last is None:
            raise ValueError("a run has one round at least")
        reading = self._last.reading
        reason = reading.reason if not reading.complete else self._why_open(self._last)
        if reading.status is ReadingStatus.FAILED:
            return self._result(RunResult.FAILED, reason or "the venue could not be read")
        if reason or not reading.complete:
            return self._result(RunResult.PENDING, reason or f"the reading was {reading.status}")
        return self._result(RunResult.IN_STEP, "")

    def failed(self, error: DomainError) -> Findings:
        """The end of a run that positions did not let through. What it had found stays found."""
        return replace(self._result(RunResult.FAILED, error.message), account_gone=error.reason == _ACCOUNT_GONE)

    def _result(self, result: RunResult, reason: str) -> Findings:
        undecided = sum(1 for finding in self._open if not finding.discrepancy.decided)
        return Findings(
            result=result,
            reason=reason,
            reading=None if self._last is None else self._last.reading.status,
            adopted=self._counts[Adopt],
            closed=self._counts[Close],
            adjusted=self._counts[Adjust],
            pending=undecided,
            rounds=self.rounds,
            findings=(*self._repaired, *self._open),
            absences=self.absences,
        )

    def _why_open(self, found: Diff) -> str:
        undecided = [finding.discrepancy.evidence for finding in self._open if not finding.discrepancy.decided]
        if undecided:
            return " ".join(undecided)
        if self._overtaken:
            return "the books changed while the account was being read"
        if found.outdated:
            return f"{', '.join(found.outdated)} changed after the venue was asked"
        return ""

    def _finding(self, found: Diff, index: int, applied: frozenset[str]) -> Finding:
        # An absence counts as known when an earlier run left it, not when an earlier round of this one found it.
        discrepancy = found.discrepancies[index]
        if not discrepancy.decided:
            discrepancy = replace(discrepancy, known=discrepancy.position_id in self._known)
        return Finding(discrepancy, discrepancy.repaired_by(applied))


def _overtaken(decisions: Iterable[Decision], applied: frozenset[str]) -> bool:
    return any(decision.decision_id not in applied for decision in decisions)
