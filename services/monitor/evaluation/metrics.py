"""What evaluation measures."""

from decimal import Decimal

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.monitor.domain.evaluation.evaluation import Evaluation


class EvaluationMetrics:
    """One per process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._evaluations = Counter(
            "tandem_evaluations", "Evaluations of positions.", ["advisor", "action", "outcome"], registry=registry
        )
        self._skipped = Counter(
            "tandem_evaluations_skipped", "Looks at positions that led to none.", ["reason"], registry=registry
        )
        self._calls = Counter("tandem_llm_calls", "Questions to a model.", ["outcome"], registry=registry)
        self._cost = Counter("tandem_llm_cost_usd", "What they cost, US dollars.", registry=registry)
        self._sources = Counter("tandem_sentiment_reads", "Readings.", ["source", "outcome"], registry=registry)
        self.stretch = Gauge(
            "tandem_evaluation_interval_stretch",
            "How much longer than meant the interval between two looks is: 1 while all keep up.",
            registry=registry,
        )
        self.in_flight = Gauge("tandem_evaluations_in_flight", "Evaluations under way.", registry=registry)
        self.positions = Gauge("tandem_evaluation_positions", "Positions on the agenda.", registry=registry)

    def evaluated(self, one: Evaluation) -> None:
        self._evaluations.labels(one.advisor, one.advice.action.value, one.outcome.value).inc()

    def skipped(self, reason: str) -> None:
        self._skipped.labels(reason).inc()

    def called(self, outcome: str, cost_usd: Decimal) -> None:
        self._calls.labels(outcome).inc()
        self._cost.inc(float(cost_usd))

    def source_read(self, source: str, ok: bool) -> None:
        self._sources.labels(source, "ok" if ok else "silent").inc()
