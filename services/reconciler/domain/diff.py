"""The kernel of reconciliation: (open rows, a typed reading, pending absences) → decisions, with the evidence for each.

Invariants
- Nothing is decided on a failed or suspicious reading, and nothing is closed on one that is not complete; but what an
  operator says is gone, and a suspicious one does not list, is closed.
- A row is closed by fills that add up, from its booked quantity to what the venue says now, whatever share of the rows
  is gone; without them only by independent readings that agree (see `absence`), with an exit that is estimated.
- A key whose side changed, or whose fills went through zero, is one position that ended and another that began, also
  where size and entry are what they were.
- A reading says nothing about a row that was settled after the reading was asked for, and a row that the venue changed
  since it was settled is confirmed by its fills alone.
- What orders of Tandem's own did is booked like the rest, and is no discrepancy.
- The order of rows does not matter, and what was decided once is not decided again: with the decisions in the books, a
  reading of the same positions decides nothing.

Time comes with the reading; the kernel has no clock.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from operator import attrgetter

from services.common.trading.fill import Fill, Run, in_order, run_to
from services.common.trading.money import to_books
from services.common.trading.opening import opening_fills
from services.common.trading.reading import AccountReading, PositionKey, ReadingStatus, VenuePosition
from services.reconciler.domain import evidence
from services.reconciler.domain.absence import AbsencePolicy, PendingAbsence, void
from services.reconciler.domain.completion import goes_through_zero
from services.reconciler.domain.decision import Adjust, Adopt, Close, CloseEstimated, Decision
from services.reconciler.domain.discrepancy import Discrepancy, DiscrepancyKind
from services.reconciler.domain.missing import Missing, Verdict, judge_missing
from services.reconciler.domain.observation import BookedPosition
from services.reconciler.domain.suspicion import Circumstances, judge

_BELIEVED = frozenset({ReadingStatus.COMPLETE, ReadingStatus.PARTIAL})
_place = attrgetter("symbol", "position_side")
"""What identifies a row or a position within its account, to sort and to look up by."""

_VENUE_CLOCKS = timedelta(seconds=1)
"""By how much the time of a position's last change may be before that of the fill that changed it."""

_NO_OPENINGS: Mapping[PositionKey, tuple[Fill, ...]] = {}


@dataclass(frozen=True, slots=True)
class Diff:
    """What one reading means for the books.

    `reading` is the one given, as far as it is believed. `absences` replaces the pending absences that were given.
    `outdated` are the ids of rows that the reading does not confirm and is too old to judge. `suspicion` says what is
    doubted of the reading, in plain words; empty where nothing is.
    """

    reading: AccountReading
    decisions: tuple[Decision, ...] = ()
    discrepancies: tuple[Discrepancy, ...] = ()
    absences: tuple[PendingAbsence, ...] = ()
    outdated: tuple[str, ...] = ()
    suspicion: str = ""


def diff(
    booked: Iterable[BookedPosition],
    reading: AccountReading,
    pending: Iterable[PendingAbsence],
    policy: AbsencePolicy,
    circumstances: Circumstances = Circumstances(),  # noqa: B008 - frozen
    openings: Mapping[PositionKey, tuple[Fill, ...]] = _NO_OPENINGS,
) -> Diff:
    """Compare the open rows of one account with a reading of it.

    `booked` holds one row a key at most, as the books guarantee. `pending` are the absences that earlier readings left
    open. `openings` are the fills that led to positions which the books do not know, as far as known.
    """
    rows = sorted(booked, key=_place)
    venue = {_place(position): position for position in reading.positions}
    believed = judge(reading, len(venue), circumstances.initial_margin)
    before = {absence.position_id: absence for absence in pending}
    findings = _Findings(believed, before, policy)
    if believed.status not in _BELIEVED:
        doubt = believed.reason if believed.status is ReadingStatus.SUSPICIOUS else ""
        for row in rows:
            findings.judge_doubted(row, listed=_place(row) in venue)
        return Diff(
            believed,
            tuple(findings.decisions),
            tuple(findings.discrepancies),
            tuple(sorted(findings.absences, key=lambda absence: absence.position_id)),
            suspicion=doubt,
        )
    for row in rows:
        findings.judge_row(row, venue.pop(_place(row), None))
    unknown = [venue[place] for place in sorted(venue)]
    verdict = judge_missing(findings.missing, unknown, findings.listed, believed, before, policy, circumstances)
    findings.settle(verdict)
    for position in unknown:
        findings.adopt(position, openings.get(position.key, ()))
    return Diff(
        believed,
        tuple(findings.decisions),
        tuple(findings.discrepancies),
        tuple(sorted((*findings.absences, *verdict.absences), key=lambda absence: absence.position_id)),
        tuple(findings.outdated),
        verdict.suspicion,
    )


@dataclass(slots=True)
class _Findings:
    """What has been found so far in one reading. `listed` counts the rows whose slot the venue lists."""

    reading: AccountReading
    before: dict[str, PendingAbsence]
    policy: AbsencePolicy
    decisions: list[Decision] = field(default_factory=list)
    discrepancies: list[Discrepancy] = field(default_factory=list)
    absences: list[PendingAbsence] = field(default_factory=list)
    outdated: list[str] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    listed: int = 0

    def judge_row(self, row: BookedPosition, position: VenuePosition | None) -> None:
        """Decide upon one open row; `position` is what the reading lists under its key."""
        if position is not None:
            self.listed += 1
            if _confirms(position, row):
                return
        if self.reading.asked_at < row.settlement.until or _older(position, row):
            self.outdated.append(row.position_id)
            self._keep_absence(row)
        elif position is None:
            self._judge_unlisted(row)
        elif position.side is not row.side:
            self._judge_flipped(row, position)
        else:
            self._judge_changed(row, position)

    def judge_doubted(self, row: BookedPosition, *, listed: bool) -> None:
        """What becomes of a row where the reading is not believed: it is gone where an operator says so, and a list
        that is doubted at least does not say otherwise.
        """
        absence = self.before.get(row.position_id)
        if absence is None or listed or not absence.confirmed_by or self.reading.status is ReadingStatus.FAILED:
            self._void_absence(row)
            return
        because = evidence.gone(replace(row, fills_complete=False), absence, self.reading)
        decision = CloseEstimated(row.position_id, row.version, absence.first_missed_at, because)
        self.decisions.append(decision)
        self._report(row, DiscrepancyKind.ABSENT, because, decision)

    def adopt(self, position: VenuePosition, fills: tuple[Fill, ...] = ()) -> None:
        """Take a position that the books do not know into them; `fills` opened it, as far as known."""
        because = evidence.opened(position, self.reading, fills)
        decision = Adopt(position, self.reading.asked_at, self.reading.taken_at, fills, because)
        self.decisions.append(decision)
        if evidence.all_ours(fills):
            return
        kind, slot = DiscrepancyKind.OPENED_EXTERNALLY, position.position_side
        self.discrepancies.append(Discrepancy(kind, position.symbol, slot, "", because, (decision.decision_id,)))

    def settle(self, verdict: Verdict) -> None:
        """Take over what was found of the rows that are missing."""
        for closing in verdict.closing:
            self.decisions.append(closing.decision)
            self._report(closing.missing.row, closing.missing.kind, closing.decision.evidence, closing.decision)
            if closing.missing.successor is not None:
                self.adopt(closing.missing.successor)
        for missing, because in verdict.waiting:
            known = missing.row.position_id in self.before
            self._report(missing.row, missing.kind, because, known=known)

    def _judge_unlisted(self, row: BookedPosition) -> None:
        if not self.reading.complete:
            self._void_absence(row)
            return
        run = _run(row, None)
        if run is not None and run.ended:
            self._close(row, run, Decimal(0))
        else:
            self.missing.append(Missing(row, DiscrepancyKind.ABSENT))

    def _judge_flipped(self, row: BookedPosition, position: VenuePosition) -> None:
        run = _run(row, position)
        if not self.reading.complete:
            self._void_absence(row)
            self._report(row, DiscrepancyKind.SIDE_FLIPPED, evidence.flipped(row, position, self.reading))
        elif run is not None and run.ended:
            self._replace(row, run, position, DiscrepancyKind.SIDE_FLIPPED)
        else:
            self.missing.append(Missing(row, DiscrepancyKind.SIDE_FLIPPED, position))

    def _judge_changed(self, row: BookedPosition, position: VenuePosition) -> None:
        moved = _moved(position, row)
        run = _run(row, position) if moved else None
        if run is None and _was_before(position, row):
            self.outdated.append(row.position_id)
            self._keep_absence(row)
        elif run is not None and run.ended:
            if self.reading.complete:
                self._replace(row, run, position, DiscrepancyKind.CLOSED_EXTERNALLY)
            else:
                because = evidence.reopened_unconfirmed(row, self.reading)
                self._report(row, DiscrepancyKind.CLOSED_EXTERNALLY, because)
        elif moved and run is None and (self._may_yet_list_fills(row, position) or _untold(row, position)):
            # It may have been closed and opened anew: its fills will tell.
            changed = evidence.changes(row, position)
            for kind in changed:
                self._report(row, kind, evidence.unlisted_fills(changed, self.reading))
        else:
            self._adjust(row, position, run)

    def _may_yet_list_fills(self, row: BookedPosition, position: VenuePosition) -> bool:
        """Whether the venue changed it so lately that its fills may not be listed yet."""
        changed_at = position.updated_at
        fresh = changed_at is not None and row.settlement.until < changed_at
        return fresh and changed_at is not None and self.reading.asked_at - changed_at < self.policy.fills_lag

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
        acts = run is not None and bool(run.reducing or run.adding)
        fills = in_order(row.own_fills) if acts else ()
        changes = evidence.changes(row, position)
        because = evidence.adjusted(changes, run, self.reading)
        asked_at, taken_at = self.reading.asked_at, self.reading.taken_at
        decision = Adjust(row.position_id, row.version, position, asked_at, taken_at, fills, because)
        self.decisions.append(decision)
        if run is not None and evidence.all_ours((*run.reducing, *run.adding)):
            return
        for kind in changes:
            self._report(row, kind, because, decision)

    def _keep_absence(self, row: BookedPosition) -> None:
        if row.position_id in self.before:
            self.absences.append(self.before[row.position_id])

    def _void_absence(self, row: BookedPosition) -> None:
        if row.position_id in self.before:
            self.absences.append(void(self.before[row.position_id], self.reading.asked_at))

    def _report(
        self, row: BookedPosition, kind: DiscrepancyKind, because: str, *decisions: Decision, known: bool = False
    ) -> None:
        ids = tuple(decision.decision_id for decision in decisions)
        self.discrepancies.append(
            Discrepancy(kind, row.symbol, row.position_side, row.position_id, because, ids, known)
        )


def _confirms(position: VenuePosition, row: BookedPosition) -> bool:
    """Whether the venue says what the books hold, and has said so ever since they were settled."""
    changed_at = position.updated_at
    return (changed_at is None or changed_at <= row.settlement.until) and _same(position, row)


def _same(position: VenuePosition, row: BookedPosition) -> bool:
    """Whether the two agree on everything. A leverage not said is not another."""
    return (
        position.side is row.side
        and _equal(position.quantity, row.quantity)
        and _equal(position.entry_price, row.entry_price)
        and (position.leverage is None or position.leverage == row.leverage)
    )


def _older(position: VenuePosition | None, row: BookedPosition) -> bool:
    """Whether the venue answered with a size that was true before the books': a stale answer."""
    if position is None or position.updated_at is None or position.updated_at >= row.settlement.since:
        return False
    same_size = _equal(position.quantity, row.quantity) and _equal(position.entry_price, row.entry_price)
    return position.side is not row.side or not same_size


def _was_before(position: VenuePosition, row: BookedPosition) -> bool:
    """Whether the size is another one, of a moment before the last fill that is booked: a stale answer, unless fills
    account for it. Two clocks of one venue may differ a little.
    """
    changed_at = position.updated_at
    before = changed_at is not None and changed_at + _VENUE_CLOCKS < row.settlement.until
    return before and not _equal(position.quantity, row.quantity)


def _moved(position: VenuePosition, row: BookedPosition) -> bool:
    """Whether trades may have brought the difference about: a leverage alone changes without any."""
    same_size = _equal(position.quantity, row.quantity) and _equal(position.entry_price, row.entry_price)
    return not same_size or (position.updated_at is not None and position.updated_at > row.settlement.until)


def _untold(row: BookedPosition, position: VenuePosition) -> bool:
    """Whether fills that do not add up leave open if it is still the same position: no change is booked then."""
    return not row.fills_complete or _same(position, row) or goes_through_zero(row)


def _equal(one: Decimal, other: Decimal) -> bool:
    """The books keep 18 decimals; what differs beyond them is equal."""
    return one == other or to_books(one) == to_books(other)


def _run(row: BookedPosition, position: VenuePosition | None) -> Run | None:
    """What the row's fills did to it on the way to the venue's position (None: to nothing), where they add up."""
    if not row.fills_complete:
        return None
    run = run_to(row.side, row.quantity, row.own_fills, row.settlement, _signed(position))
    if run is None or run.reducing or run.adding:
        return run
    # No fills at all account for nothing but a position that is what it was.
    return run if position is not None and position.side is row.side else None


def _signed(position: VenuePosition | None) -> Decimal:
    return Decimal(0) if position is None else position.side.sign * position.quantity
