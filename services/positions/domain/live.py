"""The live view: what a venue says now, beside what the books say, row by row."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from services.common.trading.effective_levels import EffectiveLevels, effective_levels
from services.common.trading.level import INDICATIVE_LEVELS
from services.common.trading.reading import VenuePosition
from services.positions.domain.account import Account
from services.positions.domain.position import Position


@dataclass(frozen=True, slots=True)
class LiveRow:
    """One position as it is shown: `seen` is the venue's word, `booked` that of the books; at least one is there."""

    account: Account
    seen: VenuePosition | None
    booked: Position | None

    @property
    def in_sync(self) -> bool:
        return self.seen is not None and self.booked is not None and self.booked.agrees_with(self.seen)

    @property
    def levels(self) -> EffectiveLevels | None:
        """Prices of its levels as they stand now; None without a current price."""
        if self.seen is None:
            return None
        rules = self.booked.levels if self.booked is not None else INDICATIVE_LEVELS
        return effective_levels(self.seen.side, rules, self.seen.mark_price)


def merge(account: Account, seen: Iterable[VenuePosition], booked: Iterable[Position]) -> Iterator[LiveRow]:
    """What is open at the venue, each with its row of the books. A leg with the other side is not the same position."""
    rows = {(row.key, row.side): row for row in booked}
    for position in seen:
        yield LiveRow(account, position, rows.get((position.key, position.side)))
