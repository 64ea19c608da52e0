"""Whether a private stream that is up still tells what happens: what is known by other means, against what it told.

Pure: every moment is given, in UTC and by this machine's clock. Invariants: nothing counts against a stream that
happened before it was listened to, or that any message came after; a stream is found deaf only when no message came for
the whole of the grace either; two streams that were found deaf lie ever further apart, so that evidence which is wrong
again and again costs little. That a stream is deaf says nothing about a position: it is opened anew, that is all.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from services.common.trading.money import to_books
from services.common.trading.reading import PositionKey, VenuePosition
from services.common.trading.side import Side


@dataclass(frozen=True, slots=True)
class Patience:
    """`grace`: how much later than by other means a change may be told by the stream. `clocks`: how far the venue's
    clock may be from ours. `waits`: at least so long between one stream that was found deaf and the next, the last of
    them ever again; anew from the first after `forgiven` without one.
    """

    grace: timedelta = timedelta(seconds=5)
    clocks: timedelta = timedelta(seconds=5)
    waits: tuple[timedelta, ...] = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 4, 8, 10))
    forgiven: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Booked:
    """What the books say of a position since a fact: `quantity` is 0 once it is closed.

    `happened_at` is when it was opened or closed by the venue's clock, where fills tell it.
    """

    key: PositionKey
    quantity: Decimal
    happened_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A complete list of an account's open positions: what it shows was true after `asked_at`."""

    asked_at: datetime
    positions: tuple[VenuePosition, ...]

    def quantity(self, key: PositionKey) -> Decimal:
        """How much of it is open, as the books would have it; 0 where it is not there."""
        return next((to_books(one.quantity) for one in self.positions if one.key == key), Decimal(0))


def changed_since(before: Seen, after: Seen, clocks: timedelta) -> datetime | None:
    """Since when a message must have come for what differs in side or size; None where nothing does.

    That is since the earlier list was asked for, or since the venue's own word of the position's last change, where it
    is earlier still: then the earlier list was behind, and the message came before it.
    """
    held, holds = _holdings(before.positions), _holdings(after.positions)
    moments = []
    for key in held.keys() | holds.keys():
        if held.get(key) == holds.get(key):
            continue
        told = next((one.updated_at for one in after.positions if one.key == key), None)
        moments.append(before.asked_at if told is None else min(before.asked_at, told - clocks))
    return max(moments, default=None)


class Hearing:
    """What was heard of one account's stream, and what should have been."""

    def __init__(self, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self._listening_since: datetime | None = None
        self._heard_at: datetime | None = None
        self._doubted_at: datetime | None = None
        self._reopened_at: datetime | None = None
        self._reopened = 0

    @property
    def doubted(self) -> bool:
        """Whether something happened that the stream has not told, so far."""
        return self._doubted_at is not None

    @property
    def reopen_at(self) -> datetime | None:
        """When it is to be opened anew if nothing is heard until then; None where there is no doubt."""
        if self._doubted_at is None:
            return None
        due = self._doubted_at + self._patience.grace
        if self._reopened_at is None:
            return due
        waits = self._patience.waits
        return max(due, self._reopened_at + waits[min(self._reopened, len(waits)) - 1])

    def begun(self, at: datetime) -> None:
        """It is listened to from now on: what came before went unheard, and nobody is to blame."""
        self._listening_since, self._heard_at, self._doubted_at = at, None, None

    def heard(self, at: datetime) -> None:
        """A message came, whatever it was about: a deaf stream has none."""
        self._heard_at, self._doubted_at = at, None

    def ended(self) -> None:
        """It is not listened to any more."""
        self._listening_since, self._doubted_at = None, None

    def unheard(self, since: datetime) -> bool:
        """Whether it was listened to from then on, and told nothing."""
        listened = self._listening_since is not None and self._listening_since <= since
        return listened and (self._heard_at is None or self._heard_at < since)

    def doubt(self, since: datetime, now: datetime) -> bool:
        """A message should have come since then; whether that raises a doubt where there was none."""
        if self.doubted or not self.unheard(since):
            return False
        self._doubted_at = now
        return True

    def reopened(self, now: datetime) -> None:
        """It was found deaf, and is being opened anew."""
        long_ago = self._reopened_at is None or now - self._reopened_at >= self._patience.forgiven
        self._reopened = 1 if long_ago else self._reopened + 1
        self._reopened_at = now
        self.ended()


def _holdings(positions: Iterable[VenuePosition]) -> dict[PositionKey, tuple[Side, Decimal]]:
    return {one.key: (one.side, one.quantity) for one in positions}
