"""One account looked at until the books and the venue agree, or until looking again would not help.

Each round observes, decides and applies. Another round follows at once where the books had moved on meanwhile, where a
row has just gone missing without fills (venues list fills a moment after the position is gone), or where somebody asked
for a look after this one had begun: at most `ROUNDS` in all. The account's margin costs as much as its positions, so
it is asked for where it matters: as long as something is missing, and now and then.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.common.errors import DomainError
from services.common.trading.reading import ReadingStatus
from services.reconciler.clients.observatory import Observatory
from services.reconciler.domain.absence import AbsencePolicy, PendingAbsence
from services.reconciler.domain.completion import complete_exits
from services.reconciler.domain.decision import (
    Adjust,
    Adopt,
    Close,
    CloseEstimated,
    CompleteExit,
    Decision,
    DecisionOutcome,
)
from services.reconciler.domain.diff import Diff, diff
from services.reconciler.domain.observation import Observation
from services.reconciler.domain.run import EndedRow, Finding, Findings, RunResult
from services.reconciler.domain.suspicion import Circumstances

ROUNDS = 3
_REASONS = 3
"""How many of the reasons why an account is not in step are told in one line."""

_ACCOUNT_GONE = "ACCOUNT_NOT_FOUND"

LookAgain = Callable[[], bool]
"""Whether somebody has asked for a look since the last call of it."""

ExpectExits = Callable[[str, Sequence[EndedRow], datetime], Awaitable[None]]
"""Keeps, for an account, which rows are about to be closed without fills: whatever becomes of the run, their fills are
asked for."""


@dataclass(frozen=True, slots=True)
class Brief:
    """What is known of an account before it is looked at.

    `estimated` are closed rows whose fills are to be asked for. `degraded` says that its venue failed or contradicted
    itself lately, `with_margin` that the margin is to be read whatever is found, `urgent` that somebody waits for it.
    """

    absences: tuple[PendingAbsence, ...] = ()
    estimated: tuple[str, ...] = ()
    degraded: bool = False
    with_margin: bool = False
    urgent: bool = False


class Examination:
    """Runs the rounds of one account over the positions service."""

    def __init__(self, observatory: Observatory, policy: AbsencePolicy, expect_exits: ExpectExits) -> None:
        self._observatory = observatory
        self._policy = policy
        self._expect_exits = expect_exits

    async def run(
        self, run_id: UUID, account_id: str, brief: Brief, look_again: LookAgain, tally: "Tally | None" = None
    ) -> Findings:
        """Bring one account's books into step. What goes wrong at the venue or at positions is a result, no error.

        `tally` is for who may have to cut the run short: what it came to until then is in there.
        """
        tally = tally or Tally(brief)
        for _ in range(ROUNDS):
            look_again()
            try:
                again = await self._round(run_id, account_id, brief, tally)
            except DomainError as error:
                return tally.cut_short(error.message, account_gone=error.reason == _ACCOUNT_GONE)
            if not (again or look_again()):
                break
        return tally.findings()

    async def _round(self, run_id: UUID, account_id: str, brief: Brief, tally: "Tally") -> bool:
        """One look; whether another should follow at once."""
        tally.rounds += 1
        with_margin = brief.with_margin or tally.unsettled
        asked_for = tally.estimated
        seen = await self._observatory.observe(
            account_id, with_margin=with_margin, estimated=asked_for, urgent=brief.urgent
        )
        found = diff(
            seen.booked,
            seen.reading,
            tally.absences,
            self._policy,
            Circumstances(seen.initial_margin, brief.degraded),
            seen.openings,
        )
        completions = complete_exits(seen.estimated)
        tally.saw(found, seen)
        decisions = (*found.decisions, *completions)
        applied: frozenset[str] = frozenset()
        if decisions:
            ended = _ended(found)
            if ended:
                await self._expect_exits(account_id, ended, seen.reading.taken_at)
            results = await self._observatory.apply(run_id, account_id, decisions)
            applied = frozenset(result.decision_id for result in results if result.outcome is DecisionOutcome.APPLIED)
        tally.completed(completions, applied)
        return tally.applied(found, applied)


class Tally:
    """What the rounds so far came to."""

    def __init__(self, brief: Brief) -> None:
        self.rounds = 0
        self.absences = brief.absences
        self.estimated = brief.estimated
        self._known = {absence.position_id for absence in brief.absences}
        self._counts: dict[type[Decision], int] = {}
        self._repaired: list[Finding] = []
        self._open: list[Finding] = []
        self._completed: list[str] = []
        self._tried: list[str] = []
        self._last: Diff | None = None
        self._overtaken = False

    @property
    def unsettled(self) -> bool:
        """Whether something is missing or doubted, so that the margin has a say."""
        doubted = self._last is not None and not self._last.reading.complete
        return bool(self.absences) or doubted

    def saw(self, found: Diff, seen: Observation) -> None:
        """A reading was judged; nothing of it has been applied yet."""
        self._last = found
        self.absences = found.absences
        self._open = [self._finding(found, index, frozenset()) for index in range(len(found.discrepancies))]
        if found.reading.status in (ReadingStatus.COMPLETE, ReadingStatus.PARTIAL):
            brought = {row.position_id for row in seen.estimated}
            # What positions does not bring needs no fills any more.
            self._completed += [one for one in self.estimated if one not in brought]
            self._tried += sorted(brought)
            self.estimated = ()

    def completed(self, completions: Sequence[CompleteExit], applied: frozenset[str]) -> None:
        """The fills of some closed rows were found."""
        done = {one.position_id for one in completions if one.decision_id in applied}
        self._completed += sorted(done)
        self._tried = [one for one in self._tried if one not in done]
        self._counts[CompleteExit] = self._counts.get(CompleteExit, 0) + len(done)

    def applied(self, found: Diff, applied: frozenset[str]) -> bool:
        """The decisions that took effect are known; whether another look should follow at once."""
        reported = {one for discrepancy in found.discrepancies for one in discrepancy.decision_ids}
        for decision in found.decisions:
            if decision.decision_id not in applied:
                continue
            if isinstance(decision, Adjust) and not decision.fills and decision.decision_id not in reported:
                continue  # nothing changed but the moment as of which it is known
            self._counts[type(decision)] = self._counts.get(type(decision), 0) + 1
        findings = [self._finding(found, index, applied) for index in range(len(found.discrepancies))]
        self._repaired += [finding for finding in findings if finding.repaired]
        self._open = [finding for finding in findings if not finding.repaired]
        self._overtaken = _overtaken(found.decisions, applied)
        missed_anew = any(not finding.discrepancy.decided and not finding.discrepancy.known for finding in self._open)
        contradicted = bool(found.suspicion) and not found.reading.complete
        return self._overtaken or bool(found.outdated) or missed_anew or contradicted

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

    def cut_short(self, reason: str, *, account_gone: bool = False) -> Findings:
        """The end of a run that did not get through. What it had found stays found."""
        return replace(self._result(RunResult.FAILED, reason), account_gone=account_gone)

    def _result(self, result: RunResult, reason: str) -> Findings:
        undecided = sum(1 for finding in self._open if not finding.discrepancy.decided)
        counts = self._counts
        return Findings(
            result=result,
            reason=reason,
            reading=None if self._last is None else self._last.reading.status,
            adopted=counts.get(Adopt, 0),
            closed=counts.get(Close, 0) + counts.get(CloseEstimated, 0),
            adjusted=counts.get(Adjust, 0),
            completed_exits=counts.get(CompleteExit, 0),
            pending=undecided,
            rounds=self.rounds,
            findings=(*self._repaired, *self._open),
            absences=self.absences,
            suspicion="" if self._last is None else self._last.suspicion,
            completed=tuple(self._completed),
            tried=tuple(self._tried),
        )

    def _why_open(self, found: Diff) -> str:
        undecided = [finding.discrepancy.evidence for finding in self._open if not finding.discrepancy.decided]
        if undecided:
            more = len(undecided) - _REASONS
            told = " ".join(undecided[:_REASONS])
            return f"{told} And {more} more." if more > 0 else told
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


def _ended(found: Diff) -> tuple[EndedRow, ...]:
    """The rows that are to be closed without fills."""
    symbols = {discrepancy.position_id: discrepancy.symbol for discrepancy in found.discrepancies}
    return tuple(
        EndedRow(one.position_id, symbols[one.position_id], one.missed_at)
        for one in found.decisions
        if isinstance(one, CloseEstimated)
    )


def _overtaken(decisions: Iterable[Decision], applied: frozenset[str]) -> bool:
    return any(decision.decision_id not in applied for decision in decisions)
