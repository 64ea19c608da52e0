"""The rows of one reading that it does not list, and that no fills explain: what is believed of that.

Few of many are believed once independent readings agree. Where all are gone, or `MASS` and more, the list itself is
doubted: see `absence` for what ends that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.common.trading.reading import AccountReading, VenuePosition
from services.reconciler.domain import evidence
from services.reconciler.domain.absence import AbsencePolicy, PendingAbsence, Witness, count_absence
from services.reconciler.domain.decision import CloseEstimated
from services.reconciler.domain.discrepancy import DiscrepancyKind
from services.reconciler.domain.observation import BookedPosition
from services.reconciler.domain.suspicion import MASS, Circumstances, testify


@dataclass(frozen=True, slots=True)
class Missing:
    """A row that the venue does not list any more. `successor` is what it lists in that slot, on the other side."""

    row: BookedPosition
    kind: DiscrepancyKind
    successor: VenuePosition | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A missing row that is believed to be gone."""

    missing: Missing
    decision: CloseEstimated


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is believed of missing rows. `waiting` are those that are not believed gone yet, with the evidence."""

    closing: tuple[Ended, ...] = ()
    waiting: tuple[tuple[Missing, str], ...] = ()
    absences: tuple[PendingAbsence, ...] = ()
    suspicion: str = ""


def judge_missing(
    missing: Sequence[Missing],
    unknown: Sequence[VenuePosition],
    listed: int,
    reading: AccountReading,
    before: Mapping[str, PendingAbsence],
    policy: AbsencePolicy,
    circumstances: Circumstances,
) -> Verdict:
    """Judge the missing rows of a complete reading.

    `unknown` are positions that it lists and the books do not know, `listed` is how many rows it lists.
    """
    if not missing:
        return Verdict()
    renamed = {one.row.position_id: _renamed(one, unknown) for one in missing}
    gone = [one for one in missing if one.successor is None and renamed[one.row.position_id] is None]
    mass = bool(gone) and (len(gone) >= MASS or (listed == 0 and len(gone) == len(missing)))
    witness = testify([one.row for one in gone], reading, circumstances)
    # A list that leaves out what the margin says is held lies, and is doubted however few it leaves out.
    doubted = mass or (bool(gone) and witness is Witness.VOID and not circumstances.degraded)
    closing, waiting, absences = [], [], []
    for one in missing:
        row, name = one.row, renamed[one.row.position_id]
        kind = one.kind if name is None else DiscrepancyKind.SYMBOL_CHANGED
        absence = count_absence(
            before.get(row.position_id),
            row.position_id,
            reading.asked_at,
            witness,
            policy,
            suspicious=one in gone and doubted,
        )
        seen = replace(one, kind=kind)
        believed = witness is not Witness.VOID or bool(absence.confirmed_by)
        if believed and absence.confirmed(policy, fills_complete=row.fills_complete):
            because = evidence.gone(row, absence, reading)
            closing.append(Ended(seen, CloseEstimated(row.position_id, row.version, absence.first_missed_at, because)))
            continue
        because = evidence.missing(row, absence, reading, successor=one.successor, renamed=name)
        absences.append(replace(absence, evidence=because))
        waiting.append((seen, because))
    doubts = [absence for absence in absences if absence.suspicious]
    return Verdict(tuple(closing), tuple(waiting), tuple(absences), _suspicion(len(doubts), listed, witness))


def _renamed(missing: Missing, unknown: Sequence[VenuePosition]) -> str | None:
    """The symbol under which the venue seems to list the row now: the one new position that is otherwise the same."""
    row = missing.row
    alike = [
        position.symbol
        for position in unknown
        if missing.successor is None
        and (position.position_side, position.side, position.quantity, position.entry_price)
        == (row.position_side, row.side, row.quantity, row.entry_price)
    ]
    return alike[0] if len(alike) == 1 else None


def _suspicion(doubted: int, listed: int, witness: Witness) -> str:
    if doubted == 0:
        return ""
    said = {
        Witness.NONE: "the account's margin is not known",
        Witness.AGREES: "the account's margin does not contradict it, but is not zero",
        Witness.FLAT: "the account's margin is zero",
        Witness.VOID: "the account's margin says that they are still held, or the venue is degraded",
    }[witness]
    rows = "1 position is" if doubted == 1 else f"{doubted} positions are"
    return f"{rows} missing without fills while {listed} are listed; {said}"
