"""The waits of closing, each a setting."""

from dataclasses import dataclass, field
from datetime import timedelta

from services.monitor.domain.intent import Backoff


@dataclass(frozen=True, slots=True)
class Timing:
    """`receive_window`: how long after its signature the venue takes an order. `settling`: how long after that an order
    may still come to light. `asking`: between two questions after an order that the venue does not know. `polling`:
    between two questions after one that it does, or about a position that should be gone."""

    receive_window: timedelta = timedelta(seconds=2)
    settling: timedelta = timedelta(seconds=1)
    asking: timedelta = timedelta(seconds=1)
    polling: timedelta = timedelta(milliseconds=250)
    backoff: Backoff = field(default_factory=Backoff)
