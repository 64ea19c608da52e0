"""Which states of an opening the books are told of, so that its order shows among a user's transactions.

Invariant: an order never waits for this, and nothing depends on it.
"""

from services.monitor.domain.opening import Opening, OpeningState


def is_news(opening: Opening) -> bool:
    """Not what has no order, nor what has its fills on their way to the books."""
    return opening.deadline is not None and opening.state is not OpeningState.FILLED
