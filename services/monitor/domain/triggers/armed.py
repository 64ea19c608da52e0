"""A position in the index, and the group of those that share its watermark.

Invariant: the entries of a group are spread over heaps, its own and those of the groups that were merged into it, each
left where it was; the heaps are the nodes of a pairing heap whose root, `nearest`, has the nearest stop of all. So a
merge moves no entry, whatever the size of the groups.
"""

from decimal import Decimal
from heapq import heapify, heappop, heappush

from services.monitor.domain.position import Position

GONE = -1
TRIGGERED = 0

FALLING = 1
"""In `Armed.pins`: an entry among the pins that fire as prices fall."""
RISING = 2
"""In `Armed.pins`: an entry among those that fire as prices rise."""


class Armed:
    """A position. Of the entries in heaps those with its `place` are its own, all others are leftovers.

    `place` is TRIGGERED while a level of it is reached, GONE once it is forgotten. Slots, not a dataclass: there may be
    a million.
    """

    __slots__ = ("group", "pins", "place", "position")

    def __init__(self, position: Position, place: int) -> None:
        self.position = position
        self.place = place
        self.pins = 0
        self.group: Group | None = None

    @property
    def watermark(self) -> Decimal | None:
        """The watermark that it shares; None where nothing trails, or no price has come yet."""
        return None if self.group is None else root_of(self).mark


Entry = tuple[float, int, Armed]
"""In a heap: what it is ordered by, the place of the position when it was put there, and the position."""


class Group:
    """Positions of one side that trail from one watermark.

    `mark` is exact, `signed` its float with the side's sign. `members` counts positions, triggered ones too;
    `leftovers` the entries that are nobody's any more. `told` is the number of its entry among the stops. A group that
    was merged into another points to it by `into`; as a node of that one's pairing heap it keeps `heap` and `children`.
    """

    __slots__ = ("children", "heap", "into", "leftovers", "mark", "members", "nearest", "signed", "told")

    def __init__(self, mark: Decimal, signed: float) -> None:
        self.mark = mark
        self.signed = signed
        self.heap: list[Entry] = []
        self.children: list[Group] | None = None
        self.nearest: Group | None = None
        self.members = 0
        self.leftovers = 0
        self.told = 0
        self.into: Group | None = None

    def push(self, entry: Entry) -> bool:
        """Put an entry in; whether it is the nearest of all."""
        node = self.nearest
        if node is None:
            self.nearest, self.heap, self.children = self, [entry], None
            return True
        heappush(node.heap, entry)
        return node.heap[0] is entry

    def pop(self) -> Entry:
        """Take the nearest entry out. Only where there is one: where `nearest` is not None."""
        node = self.nearest
        if node is None:
            raise IndexError("the group has no entry")
        entry = heappop(node.heap)
        if node.children is not None or not node.heap:
            self.nearest = _settled(node)
        return entry

    def first(self) -> Entry | None:
        """The nearest entry that is somebody's; leftovers before it are dropped."""
        while self.nearest is not None:
            entry = self.nearest.heap[0]
            if entry[2].place == entry[1]:
                return entry
            self.pop()
            self.leftovers -= 1
        return None

    def take_in(self, other: "Group") -> None:
        """Merge another group into this one; its entries stay where they are."""
        if self.nearest is None:
            self.nearest = other.nearest
        elif other.nearest is not None:
            self.nearest = _melded(self.nearest, other.nearest)
        self.members += other.members
        self.leftovers += other.leftovers
        other.nearest, other.members, other.leftovers, other.told = None, 0, 0, 0
        other.into = self

    def tidy(self) -> None:
        """Drop every leftover: the entries that are somebody's become one heap."""
        own: list[Entry] = []
        nodes = [] if self.nearest is None else [self.nearest]
        while nodes:
            node = nodes.pop()
            own += [entry for entry in node.heap if entry[2].place == entry[1]]
            nodes += node.children or ()
            node.heap, node.children = [], None
        heapify(own)
        self.heap = own
        self.nearest = self if own else None
        self.leftovers = 0

    def clear(self) -> None:
        """Forget all entries: nobody is left."""
        self.nearest, self.heap, self.children = None, [], None
        self.leftovers = self.told = 0


def root_of(armed: Armed) -> Group:
    """The group that a trailing position is in now, through all merges; the way is cut short for the next time."""
    group = armed.group
    if group is None:
        raise ValueError("the position does not trail")
    while (into := group.into) is not None:
        armed.group = group = into
    return group


def _melded(one: Group, other: Group) -> Group:
    """The root of two heaps, neither of which is empty."""
    if other.heap[0][0] < one.heap[0][0]:
        one, other = other, one
    if one.children is None:
        one.children = [other]
    else:
        one.children.append(other)
    return one


def _settled(node: Group) -> Group | None:
    """The root of a node whose nearest entry was taken out."""
    children = node.children
    if children is None:
        return node if node.heap else None
    while len(children) > 1:
        paired = [_melded(one, other) for one, other in zip(children[::2], children[1::2], strict=False)]
        if len(children) % 2:
            paired.append(children[-1])
        children = paired
    child = children[0]
    # Of equal ones the heap that is at hand goes on: most distances are round, and changing over costs.
    if node.heap and node.heap[0][0] <= child.heap[0][0]:
        node.children = children
        return node
    node.children = None
    return _melded(child, node) if node.heap else child
