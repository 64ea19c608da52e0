"""The switches that stop trading: for one user, or for everybody.

Invariants: whoever is stopped by either of the two is stopped; nothing that one user sets touches another; what an
operator has stopped for a user is an operator's to let go on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.common.errors import FieldInvalid, Precondition, Unavailable

EVERYBODY = ""
CONFIRMATION = "positions are unguarded"
"""What has to be said to stop closes: it is what follows."""
LONGEST_REASON = 280


class OpeningPaused(Precondition):
    """Opening positions is paused: {why}"""


class ClosingPaused(Precondition):
    """Closing positions is paused: {why} No stop or target fires until it goes on."""


class PausesUnknown(Unavailable):
    """Whether trading is paused is not known yet. Try again in a moment."""


class PauseNotConfirmed(Precondition):
    """Pausing closes leaves every position unguarded: confirm it with the words "positions are unguarded"."""


class PauseByOperator(Precondition):
    """An operator has set this pause: it is theirs to change."""


@dataclass(frozen=True, slots=True)
class Pause:
    """What is stopped for a user, or for EVERYBODY; nothing where both are False. `set_at` None: never set."""

    user_id: str
    opening: bool = False
    closing: bool = False
    reason: str = ""
    set_by: str = ""
    set_at: datetime | None = None

    @property
    def why(self) -> str:
        own = "by an operator" if self.by_operator else "by your own setting"
        whose = "for everybody" if self.user_id == EVERYBODY else own
        return f"{self.reason} ({whose})." if self.reason else f"{whose}."

    @property
    def by_operator(self) -> bool:
        """Whether it is a user's pause that somebody else has set."""
        return self.set_by not in ("", self.user_id)


class Pauses:
    """All pauses at one moment."""

    def __init__(self, pauses: Iterable[Pause] = ()) -> None:
        self._by_user = {pause.user_id: pause for pause in pauses}

    def of(self, user_id: str) -> Pause:
        """The user's own."""
        return self._by_user.get(user_id, Pause(user_id))

    def opening(self, user_id: str) -> Pause | None:
        """What stops this user from opening; None where nothing does."""
        return next((pause for pause in self._holding(user_id) if pause.opening), None)

    def closing(self, user_id: str) -> Pause | None:
        """What stops this user's positions from being closed; None where nothing does."""
        return next((pause for pause in self._holding(user_id) if pause.closing), None)

    def with_one(self, changed: Pause) -> "Pauses":
        """The same, but for one."""
        return Pauses((self._by_user | {changed.user_id: changed}).values())

    def _holding(self, user_id: str) -> tuple[Pause, Pause]:
        return self.of(EVERYBODY), self.of(user_id)


def check_setter(kept: Pause, wanted: Pause) -> None:
    """Raises PauseByOperator where a user would change what an operator has stopped."""
    if (kept.opening or kept.closing) and kept.by_operator and wanted.set_by == wanted.user_id:
        raise PauseByOperator


def check_pause(wanted: Pause, confirmation: str) -> None:
    """Raises PauseNotConfirmed, FieldInvalid for what may not be set."""
    if wanted.closing and confirmation != CONFIRMATION:
        raise PauseNotConfirmed
    if len(wanted.reason) > LONGEST_REASON:
        raise FieldInvalid(field="reason", problem=f"is longer than {LONGEST_REASON} characters")
    if wanted.closing and not wanted.reason.strip():
        raise FieldInvalid(field="reason", problem="is empty: say why positions are left unguarded")
