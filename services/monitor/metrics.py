"""What Prometheus is told of prices, levels and closings.

Invariants: no label names a user, an account, a position or a symbol; what stands is read when somebody looks.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.common.clock import Clock
from services.common.trading.side import Venue
from services.monitor.domain.intent import Intent

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counters and gauges of this process; `Meter` of its closings."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock = clock
        self._to_order = Histogram(
            "tandem_trigger_to_order_seconds",
            "From the decision that a level was reached to its first order going out.",
            ["cause"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self._to_closed = Histogram(
            "tandem_crossed_to_closed_seconds",
            "From the crossing of a level to its position closed and booked.",
            buckets=_BUCKETS,
            registry=registry,
        )
        self._closes = Counter(
            "tandem_closes", "Attempts to close that are over.", ["cause", "outcome"], registry=registry
        )
        self._unguarded = Gauge(
            "tandem_unguarded_positions",
            "Positions with enforced levels that nobody watches, in the partitions held here.",
            ["reason"],
            registry=registry,
        )
        self._enforced = Gauge(
            "tandem_enforced_positions", "Positions with enforced levels in the partitions held.", registry=registry
        )
        self._age = Gauge(
            "tandem_price_age_seconds", "Age of the oldest price that is needed.", ["exchange"], registry=registry
        )
        self._crossed = Gauge(
            "tandem_crossed_not_closed_seconds", "Since when the oldest crossing is not closed.", registry=registry
        )
        self._partitions = Gauge("tandem_partitions_held", "Partitions of accounts held.", registry=registry)

    def sending(self, intent: Intent) -> None:
        """An order goes out."""
        if intent.attempt == 1 and intent.evidence.price is not None:
            waited = (self._clock.now() - intent.evidence.decided_at).total_seconds()
            self._to_order.labels(intent.cause.name.lower()).observe(max(0.0, waited))

    def ended(self, intent: Intent) -> None:
        """An attempt to close is over."""
        if intent.outcome is not None:
            self._closes.labels(intent.cause.name.lower(), intent.outcome.value).inc()

    def closed_after(self, waited: timedelta) -> None:
        """A position was closed so long after its level was crossed."""
        self._to_closed.observe(max(0.0, waited.total_seconds()))

    def judged(self, enforced: int, unguarded: Mapping[str, int]) -> None:
        """So many positions have enforced levels, and of those so many nobody watches, by reason."""
        self._enforced.set(enforced)
        self._unguarded.clear()
        for reason, positions in unguarded.items():
            self._unguarded.labels(reason).set(positions)

    def show(
        self, *, price_age: Callable[[Venue], timedelta], crossed: Callable[[], timedelta], held: Callable[[], int]
    ) -> None:
        """Show these whenever somebody looks."""
        for venue in Venue:
            self._age.labels(venue.value).set_function(partial(_seconds, partial(price_age, venue)))
        self._crossed.set_function(partial(_seconds, crossed))
        self._partitions.set_function(held)


def _seconds(ask: Callable[[], timedelta]) -> float:
    return ask().total_seconds()
