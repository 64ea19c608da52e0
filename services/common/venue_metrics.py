"""What Prometheus is told of the venues: the weight that goes out by lane, what is refused, and bans."""

from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.common.exchange.budget import Budget, Lane
from services.common.trading.side import Venue


class VenueMetrics:
    """`Meter` of the budgets of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._weight = Counter(
            "tandem_venue_weight", "Weight of the requests sent.", ["exchange", "lane"], registry=registry
        )
        self._refused = Counter(
            "tandem_venue_refusals",
            "Requests that the budget did not let out.",
            ["exchange", "lane"],
            registry=registry,
        )
        self._banned = Gauge("tandem_venue_banned", "1 while a ban is in force.", ["exchange"], registry=registry)
        self._used = Gauge(
            "tandem_venue_window_used_ratio",
            "How much of the address's limit is used in the present window, by whomever.",
            ["exchange"],
            registry=registry,
        )
        for venue in Venue:
            for lane in Lane:
                self._weight.labels(venue.value, lane.name.lower())
                self._refused.labels(venue.value, lane.name.lower())

    def taken(self, venue: Venue, lane: Lane, weight: int) -> None:
        """A request goes out."""
        self._weight.labels(venue.value, lane.name.lower()).inc(weight)

    def refused(self, venue: Venue, lane: Lane) -> None:
        """A request was not let through."""
        self._refused.labels(venue.value, lane.name.lower()).inc()

    def show(self, budget: Callable[[Venue], Budget]) -> None:
        """Show how these budgets stand, whenever somebody looks."""
        for venue in Venue:
            self._banned.labels(venue.value).set_function(partial(_banned, budget(venue)))
            self._used.labels(venue.value).set_function(partial(_used_ratio, budget(venue)))


def _banned(budget: Budget) -> float:
    return float(budget.ban is not None)


def _used_ratio(budget: Budget) -> float:
    return budget.used_ratio
