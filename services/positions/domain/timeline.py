"""The timeline of a position: every change with who made it, on what evidence."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Actor(StrEnum):
    """Who changed a position."""

    USER = "user"
    RECONCILER = "reconciler"
    MONITOR = "monitor"


class Change(StrEnum):
    """What happened to it."""

    ADOPTED = "adopted"
    ADJUSTED = "adjusted"
    LEVEL_SET = "level_set"
    FILLED = "filled"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of it. `evidence` is in plain words; `version` is the position's version after the change."""

    position_id: str
    version: int
    happened_at: datetime
    actor: Actor
    change: Change
    evidence: str
