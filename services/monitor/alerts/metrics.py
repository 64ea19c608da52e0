"""What is counted of alerts."""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.monitor.domain.alert import Alert


class Metrics:
    """One per process. `watched` and `owed` are asked whenever somebody looks."""

    def __init__(self, registry: CollectorRegistry, watched: Callable[[], int], owed: Callable[[], int]) -> None:
        self._triggered = Counter("tandem_alerts_triggered", "What users were told.", ["kind"], registry=registry)
        self.deliveries = Counter(
            "tandem_webhook_deliveries",
            "Attempts by their outcome: delivered, retried, failed.",
            ["state"],
            registry=registry,
        )
        Gauge("tandem_alert_thresholds", "Thresholds held against prices here.", registry=registry).set_function(
            watched
        )
        Gauge("tandem_alert_catching_up", "Symbols whose past is not looked at yet.", registry=registry).set_function(
            owed
        )

    def told(self, alerts: Sequence[Alert]) -> None:
        """These were told."""
        for alert in alerts:
            self._triggered.labels(kind=alert.kind.value).inc()
