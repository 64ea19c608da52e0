"""What VenueStatusService says of this process: its budgets."""

from collections.abc import Callable

from services.common.exchange.budget import Budget
from services.common.standing import Read, write_status
from services.common.trading.side import Venue


def reading(budget: Callable[[Venue], Budget]) -> Read:
    """Reads how this process stands with each venue."""
    return lambda: [write_status(budget(venue)) for venue in Venue]
