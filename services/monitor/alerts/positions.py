"""The open positions that alerts are about, from events and listings that arrive in any order.

Invariants: a position never goes back to an older version; one that was closed stays closed, whatever a late
listing says.
"""

from collections.abc import Callable, Iterable

from services.monitor.domain.position import Position

_CLOSED_KEPT = 10_000


class OpenPositions:
    """By id and by user. `wanted` says which are kept; `on_change` hears the id of each that changed."""

    def __init__(self, wanted: Callable[[Position], bool], on_change: Callable[[str], None]) -> None:
        self._wanted = wanted
        self._on_change = on_change
        self._open: dict[str, Position] = {}
        self._of_user: dict[str, set[str]] = {}
        self._closed: dict[str, None] = {}

    def get(self, position_id: str) -> Position | None:
        return self._open.get(position_id)

    def all(self) -> Iterable[Position]:
        return tuple(self._open.values())

    def of_user(self, user_id: str) -> tuple[Position, ...]:
        return tuple(self._open[position_id] for position_id in self._of_user.get(user_id, ()))

    def apply(self, position: Position) -> None:
        """Take in a version of a position."""
        position_id = position.position_id
        if not position.is_open:
            self._closed[position_id] = None
            while len(self._closed) > _CLOSED_KEPT:
                del self._closed[next(iter(self._closed))]
            self.drop(position_id)
            return
        known = self._open.get(position_id)
        if position_id in self._closed or (known is not None and known.version >= position.version):
            return
        if known is None and not self._wanted(position):
            return
        self._open[position_id] = position
        self._of_user.setdefault(position.user_id, set()).add(position_id)
        self._on_change(position_id)

    def drop(self, position_id: str) -> None:
        """Forget a position; one that is not known is no error."""
        known = self._open.pop(position_id, None)
        if known is not None:
            ids = self._of_user[known.user_id]
            ids.discard(position_id)
            if not ids:
                del self._of_user[known.user_id]
            self._on_change(position_id)
