"""One reconciliation of one account, and what came of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.common.trading.reading import ReadingStatus
from services.reconciler.domain.absence import PendingAbsence
from services.reconciler.domain.discrepancy import Discrepancy
from services.reconciler.domain.observation import ObservableAccount


class Trigger(StrEnum):
    """Why an account was looked at."""

    SCHEDULE = "schedule"
    REQUEST = "request"
    PROMPT = "prompt"
    """A private stream said that something happened."""


class RunResult(StrEnum):
    IN_STEP = "in_step"
    """The books and the venue agree now."""
    PENDING = "pending"
    """Something could not be decided yet; nothing was guessed."""
    FAILED = "failed"
    """The account could not be read, or the decisions not applied."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A discrepancy, and whether decisions that took effect repaired it."""

    discrepancy: Discrepancy
    repaired: bool


@dataclass(frozen=True, slots=True)
class EndedRow:
    """A row that is closed without fills: `missed_at` is when it was missed first."""

    position_id: str
    symbol: str
    missed_at: datetime


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A doubt of what a venue says about an account: since when, and whether it was announced."""

    since: datetime
    announced: bool = False


@dataclass(frozen=True, slots=True)
class Findings:
    """What an account was found to be like.

    The counts are of decisions that took effect, `pending` of rows that could not be decided. `reading` is how far the
    last reading was believed, None where there was none. `reason` says why the account is not in step, and is empty
    otherwise, `suspicion` what is doubted of the venue's word. `absences` are all that are pending now, `completed` and
    `tried` the rows closed without fills whose fills were found, or asked for in vain.
    `account_gone` says that positions no longer knows the account.
    """

    result: RunResult
    reason: str = ""
    reading: ReadingStatus | None = None
    adopted: int = 0
    closed: int = 0
    adjusted: int = 0
    completed_exits: int = 0
    pending: int = 0
    rounds: int = 0
    findings: tuple[Finding, ...] = ()
    absences: tuple[PendingAbsence, ...] = ()
    suspicion: str = ""
    completed: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()
    account_gone: bool = False

    @property
    def read_whole(self) -> bool:
        """Whether the venue said everything and was believed, and positions took the decisions."""
        return self.result is not RunResult.FAILED and self.reading is ReadingStatus.COMPLETE


@dataclass(frozen=True, slots=True)
class AccountRun:
    """A finished run."""

    run_id: UUID
    account: ObservableAccount
    trigger: Trigger
    findings: Findings
    started_at: datetime
    finished_at: datetime

    def still_pending_since(self, before: datetime | None) -> datetime | None:
        """Since when something has been left open; `before` is since when it was before this run."""
        match self.findings.result:
            case RunResult.IN_STEP:
                return None
            case RunResult.PENDING:
                return before or self.started_at
            case RunResult.FAILED:
                return before or (self.started_at if self.findings.absences else None)


def doubt(before: Suspicion | None, run: AccountRun, patience: timedelta) -> Suspicion | None:
    """What is doubted after a run. A doubt that is younger than `patience` is not announced: many end by themselves."""
    findings = run.findings
    if findings.suspicion:
        since = run.started_at if before is None else before.since
        announced = (before is not None and before.announced) or run.finished_at - since >= patience
        return Suspicion(since, announced)
    # A reading that failed says nothing, and ends no doubt.
    return None if findings.read_whole else before
