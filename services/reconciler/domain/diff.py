"""The kernel of reconciliation: (open rows, a typed reading, pending absences) → decisions, with the evidence for each.

Invariants
- Nothing is decided on a failed or suspicious reading, and nothing is closed on one that is not complete.
- A row is closed only by fills that add up, from its booked quantity to what the venue says now. Without them it stays
  as it is: a pending absence, in view.
- A key whose side changed, or whose fills went through zero, is one position that ended and another that began.
- A reading says nothing about a row that was settled after the reading was asked for.
- The order of rows does not matter, and what was decided once is not decided again: with the decisions in the books, a
  reading of the same positions decides nothing.

Time comes with the reading; the kernel has no clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from services.common.trading.fill import Fill, Run, in_order, run_to
from services.common.trading.money import to_books
from services.common.trading.opening import opening_fills
from services.common.trading.reading import AccountReading, PositionKey, ReadingStatus, VenuePosition
from services.reconciler.domain import evidence
from services.reconciler.domain.absence import AbsencePolicy, PendingAbsence, count_absence, first_absence
from services.reconciler.domain.decision import Adjust, Adopt, Close, Decision
from services.reconciler.domain.discrepancy import Discrepancy, DiscrepancyKind
from services.reconciler.domain.observation import BookedPosition
from services.reconciler.domain.suspicion import judge

_BELIEVED = frozenset({ReadingStatus.COMPLETE, ReadingStatus.PARTIAL})


@dataclass(frozen=True, slots=True)
class Diff:
    """What one reading means for the books.

    `reading` is the one given, as far as it is believed. `absences` replaces the pending absences that were given.
    `outdated` are the ids of rows that the reading does not confirm and is too old to judge.
    """

    reading: AccountReading
    decisions: tuple[Decision, ...] = ()
    discrepancies: tuple[Discrepancy, ...] = ()
    absences: tuple[PendingAbsence, ...] = ()
    outdated: tuple[str, ...] = ()


def diff(
    booked: Iterable[BookedPosition],
    reading: AccountReading,
    pending: Iterable[PendingAbsence],
    policy: AbsencePolicy,
) -> Diff:
    """Compare the open rows of one account with a reading of it.

    `booked` holds one row a key at most, as the books guarantee. `pending` are the absences that earlier readings left
    open.
    """
    rows = sorted(booked, key=lambda row: _order(row.key))
    believed = judge(reading)
    missing = {absence.position_id: absence for absence in pending}
    findings = _Findings(believed, missing, policy)
    if believed.status not in _BELIEVED:
        return Diff(believed, absences=tuple(missing[row.position_id] for row in rows if row.position_id in missing))
    venue = {position.key: position for position in believed.positions}
    for row in rows:
        findings.judge_row(row, venue.get(row.key))
    known = {row.key for row in rows}
    for key in sorted(venue.keys() - known, key=_order):
        findings.adopt(venue[key])
    return Diff(
        believed,
        tuple(findings.decisions),
        tuple(findings.discrepancies),
        tuple(findings.absences),
        tuple(findings.outdated),
    )


@dataclass(slots=True)
class _Findings:
    """What has been found so far in one reading."""

    reading: AccountReading
    missing: dict[str, PendingAbsence]
    policy: AbsencePolicy
    decisions: list[Decision] = field(default_factory=list)
    discrepancies: list[Discrepancy] = field(default_factory=list)
    absences: list[PendingAbsence] = field(default_factory=list)
    outdated: list[str] = field(default_factory=list)

    def judge_row(self, row: BookedPosition, position: VenuePosition | None) -> None:
        """Decide upon one open row; `position` is what the reading lists under its key."""
        if position is not None and _confirms(position, row):
            return
        if self.reading.asked_at < row.settlement.until:
            self.outdated.append(row.position_id)
            self._keep_absence(row)
        elif position is None:
            self._judge_unlisted(row)
        elif position.side is not row.side:
            self._judge_flipped(row, position)
        else:
            self._judge_changed(row, position)

    def adopt(self, position: VenuePosition, fills: tuple[Fill, ...] = ()) -> None:
        """Take a position that the books do not know into them; `fills` opened it, as far as known."""
        because = evidence.opened(position, self.reading)
        decision = Adopt(position, self.reading.asked_at, self.reading.taken_at, fills, because)
        self.decisions.append(decision)
        self.discrepancies.append(
            Discrepancy(
                DiscrepancyKind.OPENED_EXTERNALLY,
                position.symbol,
                position.position_side,
                "",
                because,
                (decision.decision_id,),
            )
        )

    def _judge_unlisted(self, row: BookedPosition) -> None:
        if not self.reading.complete:
            self._keep_absence(row)
            return
        run = _settled_run(row, None)
        if run is not None and run.ended:
            self._close(row, run, Decimal(0))
        else:
            self._leave_pending(row, DiscrepancyKind.ABSENT, evidence.absent(row, self.reading))

    def _judge_flipped(self, row: BookedPosition, position: VenuePosition) -> None:
        run = _settled_run(row, position)
        if self.reading.complete and run is not None and run.ended:
            self._replace(row, run, position, DiscrepancyKind.SIDE_FLIPPED)
        else:
            self._leave_pending(row, DiscrepancyKind.SIDE_FLIPPED, evidence.flipped(row, position, self.reading))

    def _judge_changed(self, row: BookedPosition, position: VenuePosition) -> None:
        resized = to_books(position.quantity) != to_books(row.quantity)
        reentered = to_books(position.entry_price) != to_books(row.entry_price)
        run = _settled_run(row, position) if resized or reentered else None
        if run is None or not run.ended:
            self._adjust(row, position, run)
        elif self.reading.complete:
            self._replace(row, run, position, DiscrepancyKind.CLOSED_EXTERNALLY)
        else:
            because = evidence.reopened_unconfirmed(row, self.reading)
            self._leave_pending(row, DiscrepancyKind.CLOSED_EXTERNALLY, because)

    def _close(
        self,
        row: BookedPosition,
        run: Run,
        final_quantity: Decimal,
        kind: DiscrepancyKind = DiscrepancyKind.CLOSED_EXTERNALLY,
    ) -> None:
        because = evidence.closed(row, run, self.reading)
        decision = Close(row.position_id, row.version, in_order(row.own_fills), final_quantity, because)
        self.decisions.append(decision)
        if not evidence.all_ours(run.reducing):
            self._report(row, kind, because, decision)

    def _replace(self, row: BookedPosition, run: Run, position: VenuePosition, kind: DiscrepancyKind) -> None:
        """One position ended and another began under its key; nothing carries over."""
        self._close(row, run, _signed(position), kind)
        self.adopt(position, opening_fills(run.after))

    def _adjust(self, row: BookedPosition, position: VenuePosition, run: Run | None) -> None:
        fills = () if run is None else in_order(row.own_fills)
        changes = evidence.changes(row, position)
        because = evidence.adjusted(changes, run, self.reading)
        decision = Adjust(
            row.position_id,
            row.version,
            position,
            self.reading.asked_at,
            self.reading.taken_at,
            fills,
            because,
        )
        self.decisions.append(decision)
        if run is not None and evidence.all_ours((*run.reducing, *run.adding)):
            return
        for kind in changes:
            self._report(row, kind, because, decision)

    def _leave_pending(self, row: BookedPosition, kind: DiscrepancyKind, because: str) -> None:
        before = self.missing.get(row.position_id)
        if before is None:
            self.absences.append(first_absence(row.position_id, self.reading.asked_at, because))
        else:
            self.absences.append(count_absence(before, self.reading.asked_at, self.policy, because))
        self._report(row, kind, because, known=before is not None)

    def _keep_absence(self, row: BookedPosition) -> None:
        if row.position_id in self.missing:
            self.absences.append(self.missing[row.position_id])

    def _report(
        self, row: BookedPosition, kind: DiscrepancyKind, because: str, *decisions: Decision, known: bool = False
    ) -> None:
        ids = tuple(decision.decision_id for decision in decisions)
        self.discrepancies.append(
            Discrepancy(kind, row.symbol, row.position_side, row.position_id, because, ids, known)
        )


def _confirms(position: VenuePosition, row: BookedPosition) -> bool:
    """Whether the venue says what the books hold. The books keep 18 decimals; a leverage not said is not another."""
    return (
        position.side is row.side
        and to_books(position.quantity) == to_books(row.quantity)
        and to_books(position.entry_price) == to_books(row.entry_price)
        and (position.leverage is None or position.leverage == row.leverage)
    )


def _settled_run(row: BookedPosition, position: VenuePosition | None) -> Run | None:
    """What the row's fills did to it on the way to the venue's position (None: to nothing), where they add up."""
    if not row.fills_complete:
        return None
    run = run_to(row.side, row.quantity, row.own_fills, row.settlement, _signed(position))
    return run if run is None or run.reducing or run.adding else None


def _signed(position: VenuePosition | None) -> Decimal:
    return Decimal(0) if position is None else position.side.sign * position.quantity


def _order(key: PositionKey) -> tuple[str, str]:
    return key.symbol, key.position_side.value
