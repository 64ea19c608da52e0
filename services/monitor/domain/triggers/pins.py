"""Levels at fixed prices that fire when the (signed) price falls to them: a heap, the nearest first.

Invariant: `edge` is never too low: a signed price above it reaches nothing here.
"""

from decimal import Decimal
from heapq import heapify, heappop, heappush
from math import inf

from services.monitor.domain.triggers.armed import Armed, Entry
from services.monitor.domain.triggers.trails import Reach

_FEW = 32


class Pins:
    """One half of a book: `sign` is +1 where falling prices fire, -1 where rising ones do."""

    def __init__(self, sign: int) -> None:
        self.edge = -inf
        self._sign = sign
        self._heap: list[Entry] = []
        self._leftovers = 0

    def add(self, armed: Armed, level: Decimal) -> None:
        """Put a level of a position in."""
        heappush(self._heap, (-self._sign * float(level), armed.place, armed))
        self.edge = max(self.edge, -self._heap[0][0])

    def left_over(self) -> None:
        """An entry is nobody's any more from now on."""
        self._leftovers += 1

    def tidy(self) -> None:
        """Drop what is left over once it is most of the heap: a constant cost for each position that went."""
        if self._leftovers > len(self._heap) // 2 + _FEW:
            self._heap = [entry for entry in self._heap if entry[2].place == entry[1]]
            heapify(self._heap)
            self._leftovers = 0
            self._set_edge()

    def reach(self, signed: float, fires: Reach) -> None:
        """Ask about every position whose level a price may have reached."""
        heap, kept = self._heap, []
        while heap:
            level, place, armed = heap[0]
            if armed.place != place:
                heappop(heap)
                self._leftovers -= 1
            elif -level < signed:
                break
            else:
                entry = heappop(heap)
                if fires(armed, None):
                    self._leftovers -= 1
                else:
                    kept.append(entry)
        for entry in kept:
            heappush(heap, entry)
        self._set_edge()

    def _set_edge(self) -> None:
        self.edge = -self._heap[0][0] if self._heap else -inf
