"""Rows that a complete reading did not list and that no fills explain: kept in view until witnesses agree.

Invariants
- Readings that follow one another closely share one outage, so one counts only when it was asked for at least the
  policy's `spacing` after the one counted before; and none counts that fell into a degraded period of its venue: what
  was counted until then counts no more.
- A reading counts only where the account's margin, which comes from an endpoint of its own, was read beside it and does
  not contradict it.
- Where many are gone at once the absence is suspicious, and stays so: then only readings whose margin says that the
  account is flat count towards its end, or an operator ends it.
- A row that is listed again is not missing any more, whatever was counted.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto


@dataclass(frozen=True, slots=True)
class AbsencePolicy:
    """What makes readings independent witnesses of an absence, and how many are needed.

    `fills_lag` is how long after a change its fills may still be unlisted at the venue: until then nothing is taken to
    be without fills for good.
    """

    spacing: timedelta
    confirmations: int = 3
    fills_lag: timedelta = timedelta(seconds=5)


class Witness(Enum):
    """What a complete reading is worth as a witness of an absence."""

    NONE = auto()
    """The margin is not known: it says nothing for or against."""
    AGREES = auto()
    FLAT = auto()
    """It agrees, and the margin says that the account holds nothing at all."""
    VOID = auto()
    """The venue was degraded, or the margin says otherwise than the list: what was counted before is void too."""


@dataclass(frozen=True, slots=True)
class PendingAbsence:
    """Since when a row has been missing, and how many independent readings agreed without a break.

    `flat_readings` are those of them whose margin was zero. `confirmed_by` is the operator who says that it is gone.
    """

    position_id: str
    first_missed_at: datetime
    last_counted_at: datetime
    readings: int
    evidence: str
    flat_readings: int = 0
    suspicious: bool = False
    confirmed_by: str = ""

    def confirmed(self, policy: AbsencePolicy, *, fills_complete: bool) -> bool:
        """Whether the row may be booked as ended without fills.

        Where its fills cannot be read at all (as of a symbol that was delisted) twice as many readings have to agree.
        """
        if self.confirmed_by:
            return True
        needed = policy.confirmations if fills_complete else 2 * policy.confirmations
        return (self.flat_readings if self.suspicious else self.readings) >= needed


def count_absence(
    before: PendingAbsence | None,
    position_id: str,
    asked_at: datetime,
    witness: Witness,
    policy: AbsencePolicy,
    *,
    suspicious: bool = False,
) -> PendingAbsence:
    """The row is missing from a complete reading that was asked for at `asked_at`."""
    absence = before or PendingAbsence(position_id, asked_at, asked_at - policy.spacing, 0, "")
    absence = replace(absence, suspicious=absence.suspicious or suspicious)
    if witness is Witness.VOID:
        return void(absence, asked_at)
    if witness is Witness.NONE or asked_at - absence.last_counted_at < policy.spacing:
        return absence
    flat = absence.flat_readings + 1 if witness is Witness.FLAT else 0
    return replace(absence, last_counted_at=asked_at, readings=absence.readings + 1, flat_readings=flat)


def void(absence: PendingAbsence, asked_at: datetime) -> PendingAbsence:
    """The row is still missing, and nothing that was counted so far counts any more."""
    return replace(absence, last_counted_at=max(absence.last_counted_at, asked_at), readings=0, flat_readings=0)
