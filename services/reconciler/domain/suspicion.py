"""Readings that a venue calls complete and that contradict themselves."""

from collections import Counter
from dataclasses import replace

from services.common.trading.reading import AccountReading, ReadingStatus


def judge(reading: AccountReading) -> AccountReading:
    """The reading as far as it can be believed: one that lists a key twice is suspicious, whatever it says."""
    counts = Counter(position.key for position in reading.positions)
    doubled = sorted(f"{key.symbol} {key.position_side}" for key, count in counts.items() if count > 1)
    if not doubled or reading.status is ReadingStatus.FAILED:
        return reading
    reason = f"the venue listed {', '.join(doubled)} more than once"
    return replace(reading, status=ReadingStatus.SUSPICIOUS, reason=reason)
