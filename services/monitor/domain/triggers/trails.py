"""The trailing stops of one side on one instrument, grouped by the watermark that they share.

Invariants: all groups whose watermark a price exceeds become one, at a cost for each group and none for its positions;
the first of `_marks` and of `_stops` is never a leftover; `mark_edge` and `stop_edge` are never too far out: a price
between them changes nothing here.
"""

from collections.abc import Callable
from decimal import Decimal
from heapq import heapify, heappop, heappush, heapreplace
from math import inf

from services.monitor.domain.triggers.armed import Armed, Entry, Group, root_of

SLACK = 1e-12
"""How far apart, as a fraction of the price, a computed float and a price may be and still be compared exactly."""

_FEW = 32

Reach = Callable[[Armed, Group | None], bool]
"""Asks the exact rule about a candidate whose entry was taken out of that group, or of none; whether it fires. Of one
that does, every other entry is a leftover from then on."""

_Listed = tuple[float, int, Group]


class Trails:
    """One side: `sign` is +1 for longs, -1 for shorts. Edges are signed prices."""

    __slots__ = ("_groups", "_living", "_marks", "_sign", "_stops", "_told", "mark_edge", "stop_edge")

    def __init__(self, sign: int) -> None:
        self.mark_edge = inf
        self.stop_edge = -inf
        self._sign = sign
        # By the float of their watermark: of two whose floats are one, the later; that costs one group more, no wrong.
        self._groups: dict[float, Group] = {}
        self._living = 0
        self._marks: list[_Listed] = []
        self._stops: list[_Listed] = []
        self._told = 0

    def add(self, armed: Armed, mark: Decimal, distance: Decimal) -> None:
        """Put a position into the group of its watermark."""
        signed = self._sign * float(mark)
        group = self._groups.get(signed)
        if group is None or group.mark != mark:
            group = self._groups[signed] = Group(mark, signed)
            self._living += 1
            self._list_mark(group)
        armed.group = group
        group.members += 1
        self._push(group, (float(distance), armed.place, armed))

    def again(self, armed: Armed, distance: Decimal) -> None:
        """Let a triggered position, whose place is a new one, be found again in the group that it never left."""
        self._push(root_of(armed), (float(distance), armed.place, armed))

    def forget(self, armed: Armed, *, waiting: bool) -> None:
        """A position is gone; its entry is a leftover, if it was `waiting` and so had one."""
        group = root_of(armed)
        group.members -= 1
        group.leftovers += waiting
        if not group.members:
            self._drop(group)
            group.clear()
            self._set_edges()
        elif group.leftovers > group.members + _FEW:
            # Most of the group: a constant cost for each position that went.
            group.tidy()

    def raise_marks(self, signed: float, price: Decimal) -> bool:
        """Move every watermark that a price exceeds up to it; whether there was one."""
        exceeded: list[Group] = []
        equal: list[_Listed] = []
        marks = self._marks
        while marks and marks[0][0] <= signed:
            entry = heappop(marks)
            group = entry[2]
            if not _is_listed(entry):
                continue
            if entry[0] == signed and self._sign * group.mark >= self._sign * price:
                equal.append(entry)  # the same float, but not exceeded
            else:
                exceeded.append(group)
        for entry in equal:
            heappush(marks, entry)
        if exceeded:
            self._join(exceeded, signed, price)
        self._set_edges()
        return bool(exceeded)

    def reach(self, signed: float, fires: Reach) -> None:
        """Ask about every position whose stop a price may have reached."""
        reached = signed - abs(signed) * SLACK
        stops = self._stops
        asked: list[Group] = []
        while stops and -stops[0][0] >= reached:
            _, told, group = heappop(stops)
            if group.told == told:
                self._reach(group, reached, fires)
                asked.append(group)
        for group in asked:
            self._tell_stop(group)
        self._set_edges()

    def _reach(self, group: Group, reached: float, fires: Reach) -> None:
        kept: list[Entry] = []
        entry = group.first()
        while entry is not None and group.signed * (1 - self._sign * entry[0]) >= reached:
            group.pop()
            if not fires(entry[2], group):
                kept.append(entry)
            entry = group.first()
        for entry in kept:
            group.push(entry)

    def _join(self, exceeded: list[Group], signed: float, price: Decimal) -> None:
        """Make one group of several, and of the one that is there already: the largest takes the others in."""
        there = self._groups.get(signed)
        if there is not None and there.mark == price:
            exceeded.append(there)
        else:
            there = None
        joined = exceeded[0]
        if len(exceeded) > 1:
            joined = max(exceeded, key=_members)
        for group in exceeded:
            self._drop(group)
            if group is not joined:
                joined.take_in(group)
        joined.mark, joined.signed = price, signed
        self._groups[signed] = joined
        self._living += 1
        if joined is not there:
            self._list_mark(joined)
        self._tell_stop(joined)

    def _drop(self, group: Group) -> None:
        self._living -= 1
        if self._groups.get(group.signed) is group:
            del self._groups[group.signed]

    def _list_mark(self, group: Group) -> None:
        self._told += 1
        heappush(self._marks, (group.signed, self._told, group))
        if len(self._marks) > 2 * self._living + _FEW:
            self._marks = [entry for entry in self._marks if _is_listed(entry)]
            heapify(self._marks)

    def _push(self, group: Group, entry: Entry) -> None:
        if group.push(entry):
            self._tell_stop(group)
            self._set_edges()
        elif group.signed < self.mark_edge:
            self._set_edges()

    def _tell_stop(self, group: Group) -> None:
        """Put the group's nearest stop among the stops; an entry that was there before is a leftover from now on."""
        entry = group.first()
        if entry is None:
            group.told = 0
            return
        self._told = group.told = self._told + 1
        told = (-group.signed * (1 - self._sign * entry[0]), group.told, group)
        stops = self._stops
        if stops and stops[0][2].told != stops[0][1]:
            heapreplace(stops, told)
        else:
            heappush(stops, told)
        if len(stops) > 2 * self._living + _FEW:
            self._stops = [entry for entry in stops if entry[2].told == entry[1]]
            heapify(self._stops)

    def _set_edges(self) -> None:
        marks, stops = self._marks, self._stops
        while marks and not _is_listed(marks[0]):
            heappop(marks)
        while stops and stops[0][2].told != stops[0][1]:
            heappop(stops)
        self.mark_edge = marks[0][0] if marks else inf
        if stops:
            stop = -stops[0][0]
            self.stop_edge = stop + abs(stop) * 2 * SLACK
        else:
            self.stop_edge = -inf


def _is_listed(entry: _Listed) -> bool:
    signed, _, group = entry
    return group.signed == signed and group.members > 0


def _members(group: Group) -> int:
    return group.members
