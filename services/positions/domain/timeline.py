"""The timeline of a position: every change with who made it, on what evidence."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.common.trading.level import LevelRules


class Actor(StrEnum):
    """Who changed a position."""

    USER = "user"
    FLOW = "flow"
    AI = "ai"
    RECONCILER = "reconciler"
    MONITOR = "monitor"
    VENUE = "venue"


class Change(StrEnum):
    """What happened to it."""

    ADOPTED = "adopted"
    ADJUSTED = "adjusted"
    LEVEL_SET = "level_set"
    FILLED = "filled"
    CLOSED = "closed"
    OPENED = "opened"
    MERGED = "merged"
    MANAGED = "managed"
    RELEASED = "released"
    ADVISED = "advised"
    EXIT_COMPLETED = "exit_completed"
    FUNDED = "funded"
    TRAILED = "trailed"
    TRIGGER_PRICE_SET = "trigger_price_set"


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of it. `evidence` is in plain words; `version` is the position's version after the change.

    `reason` is why, in the words of whoever made the change. `levels` are those after it; None for lines of old.
    """

    position_id: str
    version: int
    happened_at: datetime
    actor: Actor
    change: Change
    evidence: str
    reason: str = ""
    levels: LevelRules | None = None
