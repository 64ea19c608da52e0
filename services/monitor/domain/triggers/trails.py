"""The trailing stops of one side on one instrument, grouped by the watermark that they share.

Invariants: no two groups share a watermark; all groups whose watermark a price exceeds become one, and of two that are
joined the smaller is moved, so that a position is moved a logarithmic number of times in its life; `mark_edge` and
`stop_edge` are never too far out: a price between them changes nothing here.
"""

from collections.abc import Callable
from decimal import Decimal
from heapq import heapify, heappop, heappush
from math import inf

from services.monitor.domain.triggers.armed import GONE, TRIGGERED, Armed, Entry, Group, root_of

SLACK = 1e-12
"""How far apart, as a fraction of the price, a computed float and a price may be and still be compared exactly."""

_FEW = 32

Reach = Callable[[Armed], bool]
"""Asks the exact rule about a candidate; whether it fires. Of one that does, every entry is a leftover from then on."""


class Trails:
    """One side: `sign` is +1 for longs, -1 for shorts. Edges are signed prices."""

    def __init__(self, sign: int) -> None:
        self.mark_edge = inf
        self.stop_edge = -inf
        self._sign = sign
        self._groups: dict[Decimal, Group] = {}
        self._marks: list[tuple[float, int, Group]] = []
        self._stops: list[tuple[float, int, Group]] = []
        self._told = 0

    def add(self, armed: Armed, mark: Decimal, distance: Decimal) -> None:
        """Put a position into the group of its watermark."""
        group = self._groups.get(mark)
        if group is None:
            group = self._groups[mark] = Group(mark, self._sign * float(mark))
            self._list_mark(group)
        armed.group = group
        group.members += 1
        self._push(group, (float(distance), armed.place, armed))

    def again(self, armed: Armed, distance: Decimal) -> None:
        """Let a triggered position, whose place is a new one, be found again in the group that it never left."""
        self._push(root_of(armed), (float(distance), armed.place, armed))

    def forget(self, armed: Armed) -> None:
        """A position is gone; its entry, if it has one, is a leftover."""
        group = root_of(armed)
        group.members -= 1
        if not group.members:
            del self._groups[group.mark]
            group.told = 0
            group.heap = []
            self._set_edges()
        elif armed.place != TRIGGERED:
            self.left_over(armed)
            self._tidy(group, armed)

    def left_over(self, armed: Armed) -> None:
        """A position's entry is nobody's any more from now on."""
        root_of(armed).leftovers += 1

    def _tidy(self, group: Group, gone: Armed) -> None:
        """Drop what is left over once it is most of a heap: a constant cost for each position that went."""
        if group.leftovers > len(group.heap) // 2 + _FEW:
            gone.place = GONE
            group.heap = _own(group.heap)
            heapify(group.heap)
            group.leftovers = 0

    def raise_marks(self, signed: float, price: Decimal) -> bool:
        """Move every watermark that a price exceeds up to it; whether there was one."""
        exceeded: list[Group] = []
        equal = []
        while self._marks and self._marks[0][0] <= signed:
            entry = heappop(self._marks)
            group = entry[2]
            if not _is_listed(group, entry[0]):
                continue
            if self._sign * group.mark >= self._sign * price:
                equal.append(entry)  # the same float, but not exceeded
            else:
                del self._groups[group.mark]
                exceeded.append(group)
        for entry in equal:
            heappush(self._marks, entry)
        if not exceeded:
            self._set_edges()
            return False
        there = self._groups.pop(price, None)
        if there is not None:
            exceeded.append(there)
        joined = _join(exceeded)
        joined.mark, joined.signed = price, signed
        self._groups[price] = joined
        if joined is not there:
            self._list_mark(joined)
        self._tell_stop(joined)
        self._set_edges()
        return True

    def reach(self, signed: float, fires: Reach) -> None:
        """Ask about every position whose stop a price may have reached."""
        slack = abs(signed) * SLACK
        asked = []
        while self._stops:
            stop, told, group = self._stops[0]
            if group.told != told:
                heappop(self._stops)
            elif slack - stop < signed:
                break
            else:
                heappop(self._stops)
                self._reach(group, signed, slack, fires)
                asked.append(group)
        for group in asked:
            self._tell_stop(group)
        self._set_edges()

    def _reach(self, group: Group, signed: float, slack: float, fires: Reach) -> None:
        heap, kept = group.heap, []
        while heap:
            distance, place, armed = heap[0]
            if armed.place != place:
                heappop(heap)
                group.leftovers -= 1
            elif group.signed * (1 - self._sign * distance) + slack < signed:
                break
            else:
                entry = heappop(heap)
                if fires(armed):
                    group.leftovers -= 1
                else:
                    kept.append(entry)
        for entry in kept:
            heappush(heap, entry)

    def _push(self, group: Group, entry: Entry) -> None:
        heappush(group.heap, entry)
        if group.heap[0] is entry:
            self._tell_stop(group)
            self._set_edges()
        elif group.signed < self.mark_edge:
            self._set_edges()

    def _tell_stop(self, group: Group) -> None:
        """Put the group's nearest stop among the stops; an entry that was there before is a leftover from now on."""
        heap = group.heap
        while heap and heap[0][2].place != heap[0][1]:
            heappop(heap)
            group.leftovers -= 1
        if not heap:
            group.told = 0
            return
        self._told += 1
        group.told = self._told
        heappush(self._stops, (-group.signed * (1 - self._sign * heap[0][0]), group.told, group))
        if len(self._stops) > 2 * len(self._groups) + _FEW:
            self._stops = [entry for entry in self._stops if entry[2].told == entry[1]]
            heapify(self._stops)

    def _list_mark(self, group: Group) -> None:
        self._told += 1
        heappush(self._marks, (group.signed, self._told, group))
        if len(self._marks) > 2 * len(self._groups) + _FEW:
            self._marks = [entry for entry in self._marks if _is_listed(entry[2], entry[0])]
            heapify(self._marks)

    def _set_edges(self) -> None:
        while self._marks and not _is_listed(self._marks[0][2], self._marks[0][0]):
            heappop(self._marks)
        while self._stops and self._stops[0][2].told != self._stops[0][1]:
            heappop(self._stops)
        self.mark_edge = self._marks[0][0] if self._marks else inf
        if self._stops:
            stop = -self._stops[0][0]
            self.stop_edge = stop + abs(stop) * 2 * SLACK
        else:
            self.stop_edge = -inf


def _is_listed(group: Group, signed: float) -> bool:
    return group.members > 0 and group.into is None and group.signed == signed


def _own(heap: list[Entry]) -> list[Entry]:
    return [entry for entry in heap if entry[2].place == entry[1]]


def _join(groups: list[Group]) -> Group:
    """Make one group of several: the largest takes the others in."""
    if len(groups) == 1:
        return groups[0]
    largest = max(groups, key=lambda group: len(group.heap))
    moved: list[Entry] = []
    for group in groups:
        if group is not largest:
            moved += _own(group.heap) if group.leftovers else group.heap
            largest.members += group.members
            group.heap, group.members, group.told, group.leftovers = [], 0, 0, 0
            group.into = largest
    heap = largest.heap
    if len(moved) * len(heap).bit_length() < len(moved) + len(heap):
        for entry in moved:
            heappush(heap, entry)
    else:
        heap += moved
        heapify(heap)
    return largest
