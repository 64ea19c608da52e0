"""The open positions with an enforced level, kept from events and listings that arrive in any order.

Invariants: a position never goes back to an older version, so a late listing cannot bring back what an event closed; a
complete listing drops what it does not name, except what an event touched after that listing had begun.
"""

from dataclasses import dataclass

from services.monitor.domain.position import Position

KEEP_SETTLED_LISTINGS = 60
"""For how many listings the last version of a position that is no longer followed is remembered."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one position: `after` is None where it is not followed any more, `before` where it was not."""

    before: Position | None
    after: Position | None


@dataclass(slots=True)
class _Known:
    version: int
    listing: int
    position: Position | None


class Following:
    """The positions that are followed, by id."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._listing = 0

    def position(self, position_id: str) -> Position | None:
        """The followed position of that id."""
        known = self._known.get(position_id)
        return known.position if known else None

    def positions(self) -> tuple[Position, ...]:
        """All that are followed."""
        return tuple(known.position for known in self._known.values() if known.position is not None)

    def apply(self, position: Position) -> Change | None:
        """Take in a version of a position; None where it tells nothing new."""
        known = self._known.get(position.position_id)
        if known is not None and position.version <= known.version:
            known.listing = self._listing  # named again: it is not absent from this listing
            return None
        before = known.position if known else None
        after = position if position.enforced else None
        self._known[position.position_id] = _Known(position.version, self._listing, after)
        return Change(before, after) if before is not None or after is not None else None

    def begin_listing(self) -> int:
        """Called before a listing is asked for; its answer is the listing's number."""
        self._listing += 1
        return self._listing

    def end_listing(self, listing: int) -> tuple[Change, ...]:
        """Called when every page of that listing has been applied: drop what neither it nor an event named since."""
        changes = []
        for position_id, known in tuple(self._known.items()):
            if known.position is not None and known.listing < listing:
                changes.append(Change(known.position, None))
                known.position = None
                known.listing = listing
            elif known.position is None and known.listing + KEEP_SETTLED_LISTINGS < listing:
                del self._known[position_id]
        return tuple(changes)
