"""Rows that a complete reading did not list and that no fills explain: booked as nothing, kept in view.

Readings that follow one another closely share one outage, so a reading counts only when it was asked for at least the
policy's `spacing` after the one counted before.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class AbsencePolicy:
    """What makes readings independent witnesses of an absence."""

    spacing: timedelta


@dataclass(frozen=True, slots=True)
class PendingAbsence:
    """Since when a row has been missing, and how many independent complete readings agreed (at least 1)."""

    position_id: str
    first_missed_at: datetime
    last_counted_at: datetime
    readings: int
    evidence: str


def first_absence(position_id: str, asked_at: datetime, evidence: str) -> PendingAbsence:
    """A row is missing for the first time, in a reading that was asked for at `asked_at`."""
    return PendingAbsence(position_id, asked_at, asked_at, 1, evidence)


def count_absence(absence: PendingAbsence, asked_at: datetime, policy: AbsencePolicy, evidence: str) -> PendingAbsence:
    """The row is missing again, in a reading that was asked for at `asked_at`."""
    if asked_at - absence.last_counted_at < policy.spacing:
        return replace(absence, evidence=evidence)
    return replace(absence, last_counted_at=asked_at, readings=absence.readings + 1, evidence=evidence)
