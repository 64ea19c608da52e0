"""The facts that stand in the way of closing a position."""

from services.common.errors import Conflict, Precondition, Unavailable


class IntentMoved(Conflict):
    """The intent {intent_id} is not where it was."""


class CloseRejected(Precondition):
    """The exchange refused to close the position: {why}"""


class CloseUnresolved(Unavailable):
    """The position is being closed, and its outcome is not known yet. Ask again with the same request id."""
