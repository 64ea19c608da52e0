"""The prices of one instrument that somebody waits for: two heaps, and a band between them where nothing is reached.

Invariants: a price inside the band costs two comparisons, however many wait; adding, changing and removing take
logarithmic time; what is reached leaves the book and is told once. The band compares floats: a Decimal that is not less
than another is never a smaller float, so the band is never too wide; Decimals decide what is reached.
"""

from collections.abc import Hashable
from decimal import Decimal
from heapq import heapify, heappop, heappush
from math import inf
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_FEW = 32


class _Half(Generic[K]):
    """One direction: `sign` is +1 where rising prices reach. Entries are signed levels, the lowest first."""

    __slots__ = ("_heap", "_leftovers", "_sign", "edge")

    def __init__(self, sign: int) -> None:
        self.edge = inf
        self._sign = sign
        self._heap: list[tuple[float, int, K, Decimal]] = []
        self._leftovers = 0

    def add(self, place: int, key: K, level: Decimal) -> None:
        heappush(self._heap, (self._sign * float(level), place, key, level))
        self._set_edge()

    def left_over(self, places: dict[K, tuple[int, bool]]) -> None:
        self._leftovers += 1
        if self._leftovers > len(self._heap) // 2 + _FEW:
            self._heap = [entry for entry in self._heap if places.get(entry[2], (0, True))[0] == entry[1]]
            heapify(self._heap)
            self._leftovers = 0
            self._set_edge()

    def reach(self, price: Decimal, places: dict[K, tuple[int, bool]]) -> list[K]:
        signed, exact = self._sign * float(price), self._sign * price
        reached, kept = [], []
        while self._heap and self._heap[0][0] <= signed:
            entry = heappop(self._heap)
            if places.get(entry[2], (0, True))[0] != entry[1]:
                self._leftovers -= 1
            elif self._sign * entry[3] <= exact:
                del places[entry[2]]
                reached.append(entry[2])
            else:
                kept.append(entry)
        for entry in kept:
            heappush(self._heap, entry)
        self._set_edge()
        return reached

    def _set_edge(self) -> None:
        self.edge = self._heap[0][0] if self._heap else inf


class ThresholdBook(Generic[K]):
    """What waits for prices of one instrument, by key."""

    def __init__(self) -> None:
        self._rising: _Half[K] = _Half(1)
        self._falling: _Half[K] = _Half(-1)
        self._places: dict[K, tuple[int, bool]] = {}
        self._next = 0
        self._lower = -inf
        self._upper = inf

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: K) -> bool:
        return key in self._places

    def put(self, key: K, level: Decimal, *, rising: bool) -> None:
        """Wait for a price at a level or past it; in place of whatever the key waited for."""
        self.remove(key)
        self._next += 1
        self._places[key] = (self._next, rising)
        (self._rising if rising else self._falling).add(self._next, key, level)
        self._set_band()

    def remove(self, key: K) -> None:
        """Wait no more; a key that is not there is no error."""
        known = self._places.pop(key, None)
        if known is not None:
            (self._rising if known[1] else self._falling).left_over(self._places)
            self._set_band()

    def reached(self, price: Decimal) -> list[K]:
        """The keys whose level this price has reached; they wait no more."""
        if self._lower < float(price) < self._upper:
            return []
        reached = self._rising.reach(price, self._places) + self._falling.reach(price, self._places)
        self._set_band()
        return reached

    def _set_band(self) -> None:
        self._upper = self._rising.edge
        self._lower = -self._falling.edge
