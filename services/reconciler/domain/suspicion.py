"""Readings that contradict themselves, and what the account's margin has to say about a list of positions.

The margin comes from an endpoint of its own, so a list that lies is contradicted by it.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from services.common.trading.reading import AccountReading, ReadingStatus
from services.reconciler.domain.absence import Witness
from services.reconciler.domain.observation import BookedPosition

MASS = 3
"""So many rows gone at once, without fills, are not believed of the list alone; nor is it when all are gone."""

_NOISE = Decimal("0.002")
"""Of the margin: by how much it may differ from the list's, because the price moves between the two questions."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else is known when a reading is judged.

    `initial_margin` is the account's own figure, None where it was not read. `degraded` says that the venue failed or
    contradicted itself lately, for this account or for others.
    """

    initial_margin: Decimal | None = None
    degraded: bool = False


def judge(reading: AccountReading, keys: int, initial_margin: Decimal | None) -> AccountReading:
    """The reading as far as it can be believed; `keys` is how many different ones it lists.

    One that lists a key twice is suspicious, whatever it says, and so is an empty one with margin in use.
    """
    if reading.status is ReadingStatus.FAILED:
        return reading
    if keys < len(reading.positions):
        counts = Counter(position.key for position in reading.positions)
        doubled = sorted(f"{key.symbol} {key.position_side}" for key, count in counts.items() if count > 1)
        return _doubted(reading, f"the venue listed {', '.join(doubled)} more than once")
    if reading.complete and not keys and initial_margin is not None and initial_margin > 0:
        return _doubted(reading, f"the venue lists no positions, but a margin of {initial_margin:f} is in use")
    return reading


def testify(missing: Iterable[BookedPosition], reading: AccountReading, circumstances: Circumstances) -> Witness:
    """What a complete reading is worth as a witness that `missing` are gone."""
    margin = circumstances.initial_margin
    if circumstances.degraded:
        return Witness.VOID
    if margin is None:
        return Witness.NONE
    if margin == 0:
        return Witness.FLAT
    listed = [position.initial_margin for position in reading.positions]
    known = [one for one in listed if one is not None]
    if len(known) < len(listed):
        return Witness.AGREES
    unaccounted = margin - sum(known, start=Decimal(0))
    # The margin of a row is not booked: half of what it was at the entry allows for a price that has halved since.
    least = min((row.quantity * row.entry_price / (row.leverage or Decimal(1)) / 2 for row in missing), default=margin)
    return Witness.VOID if unaccounted > max(least, margin * _NOISE) else Witness.AGREES


def _doubted(reading: AccountReading, reason: str) -> AccountReading:
    return replace(reading, status=ReadingStatus.SUSPICIOUS, reason=reason)
