"""What Prometheus is told of live views and private streams."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.common.trading.side import Venue


class Metrics:
    """Counters and gauges of this process."""

    def __init__(self, registry: CollectorRegistry, streams: Callable[[], tuple[int, int]]) -> None:
        """`streams`: how many private streams are up, and how many are not; asked for whenever somebody looks."""
        self._views = Counter(
            "tandem_live_views", "Live views, by whether a moment's old answer did.", ["answer"], registry=registry
        )
        shown = Gauge(
            "tandem_private_streams",
            "Accounts that this process follows, by their streams.",
            ["state"],
            registry=registry,
        )
        shown.labels("up").set_function(lambda: streams()[0])
        shown.labels("down").set_function(lambda: streams()[1])
        self._deaf = Counter(
            "tandem_private_streams_deaf",
            "Private streams that were opened anew because they told nothing of what happened.",
            ["exchange"],
            registry=registry,
        )
        for answer in ("kept", "asked"):
            self._views.labels(answer)
        for venue in Venue:
            self._deaf.labels(venue.value)

    def deafened(self, venue: Venue) -> None:
        """A private stream was up and told nothing."""
        self._deaf.labels(venue.value).inc()

    def viewed(self, again: bool) -> None:
        """A live view was answered: `again` with what was found a moment ago."""
        self._views.labels("kept" if again else "asked").inc()
