"""The open positions, managed and observed, kept from events and listings that arrive in any order.

Invariants: a position never goes back to an older version; a complete listing drops what it does not name, except what
an event touched after that listing had begun.
"""

from collections.abc import ValuesView
from dataclasses import dataclass

from services.monitor.domain.evaluation.situation import Subject

KEEP_CLOSED_LISTINGS = 60
"""For how many listings a closed position is remembered, so that a late page does not bring it back."""


@dataclass(slots=True)
class _Closed:
    version: int
    listing: int


class Subjects:
    """The positions by id."""

    def __init__(self) -> None:
        self._open: dict[str, Subject] = {}
        self._named: dict[str, int] = {}
        self._closed: dict[str, _Closed] = {}
        self._listing = 0

    def get(self, position_id: str) -> Subject | None:
        """The open position of that id."""
        return self._open.get(position_id)

    def all(self) -> ValuesView[Subject]:
        """All that are open."""
        return self._open.values()

    def apply(self, subject: Subject) -> bool:
        """Take in a version of a position; whether it tells anything new."""
        position = subject.position
        position_id = position.position_id
        known, closed = self._open.get(position_id), self._closed.get(position_id)
        if known is not None:
            self._named[position_id] = self._listing
        if (known is not None and position.version <= known.position.version) or (
            closed is not None and position.version <= closed.version
        ):
            return False
        if position.is_open:
            self._open[position_id] = subject
            self._named[position_id] = self._listing
            self._closed.pop(position_id, None)
            return True
        self._closed[position_id] = _Closed(position.version, self._listing)
        self._named.pop(position_id, None)
        return self._open.pop(position_id, None) is not None

    def begin_listing(self) -> int:
        """Called before a listing is asked for; its answer is the listing's number."""
        self._listing += 1
        return self._listing

    def end_listing(self, listing: int) -> tuple[Subject, ...]:
        """Called when every page of that listing has been applied; what is dropped, as nothing named it since."""
        gone = [position_id for position_id, named in self._named.items() if named < listing]
        dropped = tuple(self._open.pop(position_id) for position_id in gone)
        for subject in dropped:
            position = subject.position
            del self._named[position.position_id]
            self._closed[position.position_id] = _Closed(position.version, listing)
        for position_id, closed in tuple(self._closed.items()):
            if closed.listing + KEEP_CLOSED_LISTINGS < listing:
                del self._closed[position_id]
        return dropped
