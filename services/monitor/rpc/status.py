"""What VenueStatusService says of this process: its budgets, and how the venues' prices arrive."""

from collections.abc import Callable

from protos.venue.v1 import status_pb2
from services.common.exchange.budget import Budget
from services.common.exchange.prices import FeedMode
from services.common.identity import AccessTable
from services.common.standing import FULL_NAME, Read, write_status
from services.common.trading.side import Venue
from services.monitor.prices.watch import FeedStanding

__all__ = ["ACCESS", "FULL_NAME", "reading"]

ACCESS: AccessTable = {FULL_NAME: frozenset({"gateway"})}


def reading(budget: Callable[[Venue], Budget], standing: Callable[[Venue], FeedStanding]) -> Read:
    """Reads how this process stands with each venue."""

    def read() -> list[status_pb2.VenueStatus]:
        statuses = [write_status(budget(venue)) for venue in Venue]
        for venue, status in zip(Venue, statuses, strict=True):
            status.feed.CopyFrom(_write(standing(venue)))
        return statuses

    return read


def _write(feed: FeedStanding) -> status_pb2.Feed:
    return status_pb2.Feed(
        up=feed.mode is not FeedMode.DOWN,
        polling=feed.mode is FeedMode.POLLING,
        price_age_seconds=feed.age.total_seconds() if feed.symbols else None,
        symbols=feed.symbols,
    )
