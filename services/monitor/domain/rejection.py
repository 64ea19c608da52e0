"""What to do about an order that the venue surely did not take."""

from enum import Enum, auto


class Remedy(Enum):
    """What a rejection calls for."""

    LOOK = auto()
    """There is nothing to reduce: see what became of the position."""
    CLEAR = auto()
    """Resting reduce-only orders are in the way: cancel them and send again."""
    WAIT = auto()
    """The venue takes no order now: send again later."""
    GIVE_UP = auto()
    """Sending it again would not help."""


_LOOK = frozenset({"nothing_to_reduce"})
_CLEAR = frozenset({"reduce_only_conflict"})
# An unknown symbol is one that our list of symbols does not have yet: the venue holds a position in it.
_WAIT = frozenset(
    {"rate_limited", "clock", "unreachable", "overloaded", "no_liquidity", "market_closed", "unknown_symbol"}
)


def remedy(reason: str, *, first: bool) -> Remedy:
    """The remedy for a rejection, by the door's name for its reason. `first`: it was the first order of its decision.

    A key that is refused may just have been rotated, so it is asked for afresh once.
    """
    if reason in _LOOK:
        return Remedy.LOOK
    if reason in _CLEAR:
        return Remedy.CLEAR
    if reason in _WAIT or (reason == "bad_key" and first):
        return Remedy.WAIT
    return Remedy.GIVE_UP
