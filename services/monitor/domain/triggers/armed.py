"""A position in the index, and the group of those that share its watermark."""

from decimal import Decimal

from services.monitor.domain.position import Position

GONE = -1
TRIGGERED = 0


class Armed:
    """A position. Of the entries in heaps those with its `place` are its own, all others are leftovers.

    `place` is TRIGGERED while a level of it is reached, GONE once it is forgotten. Slots, not a dataclass: there may be
    a million.
    """

    __slots__ = ("group", "place", "position")

    def __init__(self, position: Position, place: int) -> None:
        self.position = position
        self.place = place
        self.group: Group | None = None

    @property
    def watermark(self) -> Decimal | None:
        """The watermark that it shares; None where nothing trails, or no price has come yet."""
        return None if self.group is None else root_of(self).mark


Entry = tuple[float, int, Armed]
"""In a heap: what it is ordered by, the place of the position when it was put there, and the position."""


class Group:
    """Positions of one side that trail from one watermark: a heap by distance, the nearest stop first.

    `mark` is exact, `signed` its float with the side's sign. `members` counts positions, triggered ones too;
    `leftovers` the entries of the heap that are nobody's any more. `told` is the number of its entry among the stops. A
    group that was merged into another points to it by `into`.
    """

    __slots__ = ("heap", "into", "leftovers", "mark", "members", "signed", "told")

    def __init__(self, mark: Decimal, signed: float) -> None:
        self.mark = mark
        self.signed = signed
        self.heap: list[Entry] = []
        self.members = 0
        self.leftovers = 0
        self.told = 0
        self.into: Group | None = None


def root_of(armed: Armed) -> Group:
    """The group that a trailing position is in now, through all merges; the way is cut short for the next time."""
    group = armed.group
    if group is None:
        raise ValueError("the position does not trail")
    while group.into is not None:
        group = group.into
    armed.group = group
    return group
