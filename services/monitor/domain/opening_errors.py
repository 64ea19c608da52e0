"""The facts that stand in the way of opening a position, beyond the errors that services share."""

from services.common.errors import Conflict, Invalid, Precondition, Unavailable


class OpeningMoved(Conflict):
    """The opening {intent_id} is not where it was."""


class SymbolUnknown(Invalid):
    """{exchange} has no symbol {symbol} that can be traded."""


class SlotTaken(Conflict):
    """The account holds a position of {symbol} already, or is about to open one."""


class InsufficientMargin(Precondition):
    """Opening this takes about {needed} of margin, and {available} is available."""


class OpenRejected(Precondition):
    """The position was not opened: {why}"""


class OpenUnresolved(Unavailable):
    """Whether the order that was to open the position took effect is not known yet. It is not sent again.

    Ask again with the same request id.
    """
