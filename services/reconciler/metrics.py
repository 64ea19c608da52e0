"""What Prometheus is told: runs and discrepancies as they happen, the rest as the schedule stands."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.reconciler.domain.run import AccountRun
from services.reconciler.domain.schedule import Overview


class Metrics:
    """Counters of this process, and gauges of the schedule that all replicas share."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._runs = Counter(
            "tandem_reconciliation_runs", "Finished runs.", ["exchange", "result", "trigger"], registry=registry
        )
        self._seconds = Histogram(
            "tandem_reconciliation_run_seconds",
            "How long a run took.",
            ["exchange"],
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
            registry=registry,
        )
        self._discrepancies = Counter(
            "tandem_reconciliation_discrepancies",
            "Discrepancies found for the first time.",
            ["exchange", "kind", "repaired"],
            registry=registry,
        )
        self._lag = Gauge("tandem_reconciliation_lag_seconds", "How late the latest account is.", registry=registry)
        self._accounts = Gauge("tandem_reconciliation_accounts", "Accounts on the schedule.", registry=registry)
        self._overdue = Gauge(
            "tandem_reconciliation_overdue_accounts", "Accounts due and not begun.", registry=registry
        )
        self._failing = Gauge(
            "tandem_reconciliation_failing_accounts", "Accounts not read whole last.", registry=registry
        )
        self._absences = Gauge("tandem_reconciliation_pending_absences", "Rows missing, not booked.", registry=registry)
        self._suspicious = Gauge(
            "tandem_reconciliation_suspicious_accounts", "Accounts that are doubted.", registry=registry
        )
        self._estimated = Gauge(
            "tandem_reconciliation_estimated_exits", "Closed rows without fills.", registry=registry
        )

    def count(self, run: AccountRun) -> None:
        """A run has finished."""
        exchange = run.account.exchange.value
        self._runs.labels(exchange, run.findings.result.value, run.trigger.value).inc()
        self._seconds.labels(exchange).observe((run.finished_at - run.started_at).total_seconds())
        for finding in run.findings.findings:
            if finding.repaired or not finding.discrepancy.known:
                repaired = str(finding.repaired).lower()
                self._discrepancies.labels(exchange, finding.discrepancy.kind.value, repaired).inc()

    def show(self, overview: Overview) -> None:
        """The schedule stands so."""
        self._lag.set(overview.lag.total_seconds())
        self._accounts.set(overview.accounts)
        self._overdue.set(overview.overdue)
        self._failing.set(overview.failing)
        self._absences.set(overview.pending_absences)
        self._suspicious.set(overview.suspicious)
        self._estimated.set(overview.estimated_exits)
