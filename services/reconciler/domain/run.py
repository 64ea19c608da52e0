"""One reconciliation of one account, and what came of it."""

from dataclasses import dataclass
from datetime import datetime
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
class Findings:
    """What an account was found to be like.

    The counts are of decisions that took effect, `pending` of rows that could not be decided. `reading` is how far the
    last reading was believed, None where there was none. `reason` says why the account is not in step, and is empty
    otherwise. `absences` are all that are pending now. `account_gone` says that positions no longer knows the account.
    """

    result: RunResult
    reason: str = ""
    reading: ReadingStatus | None = None
    adopted: int = 0
    closed: int = 0
    adjusted: int = 0
    pending: int = 0
    rounds: int = 0
    findings: tuple[Finding, ...] = ()
    absences: tuple[PendingAbsence, ...] = ()
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
