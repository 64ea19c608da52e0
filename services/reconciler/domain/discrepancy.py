"""How the books and a venue differed. What Tandem's own orders did is not a discrepancy."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from services.common.trading.side import PositionSide


class DiscrepancyKind(StrEnum):
    OPENED_EXTERNALLY = "opened_externally"
    CLOSED_EXTERNALLY = "closed_externally"
    QUANTITY_CHANGED = "quantity_changed"
    ENTRY_CHANGED = "entry_changed"
    LEVERAGE_CHANGED = "leverage_changed"
    SIDE_FLIPPED = "side_flipped"
    ABSENT = "absent"
    SYMBOL_CHANGED = "symbol_changed"


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One difference, in plain words, and the decisions that are to repair it (none: nothing could be decided).

    `position_id` is empty for a position that is not in the books. `known` says that it was seen before and is pending.
    """

    kind: DiscrepancyKind
    symbol: str
    position_side: PositionSide
    position_id: str
    evidence: str
    decision_ids: tuple[str, ...] = ()
    known: bool = False

    @property
    def decided(self) -> bool:
        return bool(self.decision_ids)

    def repaired_by(self, applied: Collection[str]) -> bool:
        """Whether every decision that was to repair it took effect."""
        return self.decided and all(decision_id in applied for decision_id in self.decision_ids)
